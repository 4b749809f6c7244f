"""The process that loads a PKCS#11 module, for one operation.

Owns the use of python-pkcs11: one JSON document on standard input, and one on standard output. The answer has the value
or the kind of the failure. The value is a nonce (12 bytes) and the output of AES-256-GCM, whose additional data says
what was encrypted. Start it with `python -m`; pkcs11_token.py does.
"""

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

_NONCE_BYTES = 12
_TAG_BITS = 128
_PURPOSE = b"daypass data key v1"
# Class names of python-pkcs11's exceptions, and the kind of the failure.
_KINDS: Mapping[str, str] = {
    "NoSuchToken": "token",
    "TokenNotPresent": "token",
    "TokenNotRecognised": "token",
    "DeviceRemoved": "token",
    "SlotIDInvalid": "token",
    "MultipleTokensReturned": "tokens",
    "PinIncorrect": "pin",
    "PinInvalid": "pin",
    "PinLenRange": "pin",
    "PinExpired": "pin",
    "UserPinNotInitialized": "pin",
    "PinLocked": "locked",
    "NoSuchKey": "object",
    "MultipleObjectsReturned": "objects",
    "MechanismInvalid": "mechanism",
    "MechanismParamInvalid": "mechanism",
    "KeyTypeInconsistent": "mechanism",
    "FunctionNotSupported": "mechanism",
    "KeyFunctionNotPermitted": "mechanism",
    "EncryptedDataInvalid": "wrong",
    "EncryptedDataLenRange": "wrong",
    "ArgumentsBad": "wrong",
}


def main() -> None:
    """Answer the question on standard input."""
    # A module may write to standard output: only the answer belongs there.
    output = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    question = json.load(sys.stdin)
    json.dump(_answer(question), output)
    output.flush()


def _answer(question: Mapping[str, Any]) -> Mapping[str, str]:
    import pkcs11

    try:
        library = pkcs11.lib(question["module"])
    except Exception as error:  # noqa: BLE001 - the library raises RuntimeError and its own errors
        return {"failure": "module", "reason": type(error).__name__}
    try:
        value = _with_key(library, question, _wrap if question["action"] == "wrap" else _unwrap)
    except Exception as error:  # noqa: BLE001 - each one is an answer; its text may name the PIN of a broken module
        return {"failure": _KINDS.get(type(error).__name__, "failed"), "reason": type(error).__name__}
    return {"value": base64.b64encode(value).decode()}


def _with_key(library: Any, question: Mapping[str, Any], use: Callable[[Any, bytes], bytes]) -> bytes:
    from pkcs11 import ObjectClass

    token = library.get_token(token_label=question["token"] or None, token_serial=question["serial"].encode() or None)
    with token.open(user_pin=question["pin"]) as session:
        key = session.get_key(
            object_class=ObjectClass.SECRET_KEY,
            label=question["label"] or None,
            id=bytes.fromhex(question["key_id"]) or None,
        )
        return use(key, base64.b64decode(question["value"]))


def _wrap(key: Any, data_key: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + bytes(key.encrypt(data_key, **_gcm(nonce)))


def _unwrap(key: Any, wrapped: bytes) -> bytes:
    return bytes(key.decrypt(wrapped[_NONCE_BYTES:], **_gcm(wrapped[:_NONCE_BYTES])))


def _gcm(nonce: bytes) -> Mapping[str, Any]:
    from pkcs11 import GCMParams, Mechanism

    return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, _PURPOSE, _TAG_BITS)}


if __name__ == "__main__":
    main()
