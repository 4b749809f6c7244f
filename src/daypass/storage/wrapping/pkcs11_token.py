"""A master key in a token behind PKCS#11.

Owns the call of the process that loads the module (pkcs11_process.py), its bounds, and the messages for its failures. A
module is a library of a vendor, in C: it may hang, crash, or not survive the fork of worker processes. So it never runs
in a server's process. The PIN goes to the process on its standard input, and is tried once: tokens lock after a few
wrong ones.
"""

import base64
import binascii
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import msgspec

from daypass.key_files import KeyFileError, read_key_file
from daypass.storage.refusals import (
    MasterKeyMissingError,
    MasterKeyUnavailableError,
    StoreOpenError,
    WrongMasterKeyError,
)
from daypass.storage.wrapping.pkcs11_address import Pkcs11Address

_SECONDS = 20.0
_MOST_PIN = 256
_LONGEST_REASON = 200
_PROGRAM = "daypass.storage.wrapping.pkcs11_process"
# The failures that the process names, and their remedies.
_REMEDIES: Mapping[str, str] = {
    "module": "the module {module} cannot be loaded; correct module-path, or install its package",
    "token": "the token does not exist or is not present; connect it, or correct token and serial",
    "tokens": "several tokens match; name one with serial",
    "pin": "the token refuses the PIN. It was tried once; correct it before the next start, because tokens lock",
    "locked": "the PIN is locked; unlock the token with its own tool",
    "object": "the token has no such secret key; correct object and id",
    "objects": "several keys match; name one with id",
    "mechanism": "the token does not encrypt with AES-GCM under this key; use an AES key that may encrypt and decrypt",
}


class _ProcessAnswer(msgspec.Struct, frozen=True):
    value: bytes = b""
    failure: str = ""
    reason: str = ""

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class Pkcs11Key:
    """An AES key that never leaves its token.

    `pin` is the value of DAYPASS_PKCS11_PIN, or empty.
    """

    address: Pkcs11Address
    pin: str = field(default="", repr=False)
    seconds: float = _SECONDS

    @property
    def scheme(self) -> str:
        """The kind of the provider."""
        return "pkcs11"

    @property
    def name(self) -> str:
        """The address of the key."""
        return self.address.name

    def wrap(self, data_key: bytes, /) -> bytes:
        """Return the data key, encrypted by the token."""
        return self._ask("wrap", data_key)

    def unwrap(self, wrapped: bytes, /) -> bytes:
        """Return the data key, decrypted by the token."""
        return self._ask("unwrap", wrapped)

    def _ask(self, action: str, value: bytes) -> bytes:
        if find_spec("pkcs11") is None:
            raise StoreOpenError("DAYPASS_MASTER_KEY: a key behind PKCS#11 needs: pip install 'daypass[hsm]'")
        answer = self._run(msgspec.json.encode(self._question(action, value)))
        if answer.failure == "wrong":
            raise WrongMasterKeyError(f"the master key {self.name} does not open this store")
        if answer.failure:
            remedy = _REMEDIES.get(answer.failure, "the token failed: {reason}")
            reason = answer.reason[:_LONGEST_REASON]
            raise self._unavailable(remedy.format(module=self.address.module, reason=reason))
        return answer.value

    def _question(self, action: str, value: bytes) -> Mapping[str, str]:
        address = self.address
        return {
            "action": action,
            "value": base64.b64encode(value).decode(),
            "module": address.module,
            "token": address.token,
            "serial": address.serial,
            "label": address.label,
            "key_id": address.key_id.hex(),
            "pin": self._find_pin(),
        }

    def _find_pin(self) -> str:
        if not self.address.pin_source:
            if not self.pin:
                raise MasterKeyMissingError(
                    f"the master key {self.name} needs a PIN: set DAYPASS_PKCS11_PIN, or name a file with pin-source"
                )
            return self.pin
        try:
            pin = read_key_file(Path(self.address.pin_source), most_bytes=_MOST_PIN).decode().strip()
        except KeyFileError as error:
            raise StoreOpenError(f"DAYPASS_MASTER_KEY: pin-source: {error}") from error
        except UnicodeDecodeError:
            raise StoreOpenError("DAYPASS_MASTER_KEY: pin-source: the file does not contain text") from None
        if not pin:
            raise StoreOpenError("DAYPASS_MASTER_KEY: pin-source: the file does not contain a PIN")
        return pin

    def _run(self, question: bytes) -> _ProcessAnswer:
        try:
            done = subprocess.run(  # noqa: S603 - our own module, without words from outside
                [sys.executable, "-m", _PROGRAM],
                input=question,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            # The exception of subprocess has the output, and must not become a cause.
            raise self._unavailable(f"the token did not answer within {self.seconds:g} seconds") from None
        except OSError as error:
            raise self._unavailable(f"its process cannot be started: {error.strerror}") from error
        if done.returncode:
            raise self._unavailable(f"the module {self.address.module} ended its process ({done.returncode})")
        try:
            return msgspec.json.decode(done.stdout, type=_ProcessAnswer)
        except (msgspec.MsgspecError, binascii.Error, UnicodeDecodeError):
            raise self._unavailable(f"the module {self.address.module} disturbed its process") from None

    def _unavailable(self, reason: str) -> MasterKeyUnavailableError:
        return MasterKeyUnavailableError(f"the master key {self.name} cannot be used: {reason}")
