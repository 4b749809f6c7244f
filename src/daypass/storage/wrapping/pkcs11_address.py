"""The address of a key in a token behind PKCS#11.

Owns the part of RFC 7512 that Daypass reads: `token` or `serial`, `object` or `id`, `type=secret-key`, and the query
attributes `module-path` and `pin-source`. Other attributes are refused by name. The PIN is not part of an address,
because messages and the store show it: `pin-source` names a file, or the variable DAYPASS_PKCS11_PIN has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NoReturn
from urllib.parse import quote, unquote_to_bytes

from daypass.storage.refusals import StoreOpenError

_PATH = frozenset({"token", "serial", "object", "id", "type"})
_QUERY = frozenset({"module-path", "pin-source"})
_ADVICE: Mapping[str, str] = {
    "pin-value": "the address would show the PIN; set DAYPASS_PKCS11_PIN, or name a file with pin-source",
    "module-name": "give the file of the module with module-path",
    "slot-id": "slots change their numbers; use token or serial",
}
_LONGEST = 255
_FORM = (
    "name the token with token or serial, for example pkcs11:token=Daypass;object=master-key?module-path=… (a "
    "passphrase that begins with pkcs11: must be in a file, which DAYPASS_MASTER_KEY_FILE names)"
)


@dataclass(frozen=True, slots=True)
class Pkcs11Address:
    """A secret key in a token. `key_id` are the bytes of the attribute id."""

    module: str
    token: str = ""
    serial: str = ""
    label: str = ""
    key_id: bytes = b""
    pin_source: str = ""

    @property
    def name(self) -> str:
        """Return the address without the module and the source of the PIN."""
        attributes = {"token": self.token, "serial": self.serial, "object": self.label}
        parts = [f"{name}={quote(value, safe='')}" for name, value in attributes.items() if value]
        if self.key_id:
            parts.append("id=" + "".join(f"%{byte:02x}" for byte in self.key_id))
        return "pkcs11:" + ";".join(parts)


def parse_pkcs11_address(text: str) -> Pkcs11Address:
    """Return the address, or raise StoreOpenError."""
    path, _, query = text.removeprefix("pkcs11:").partition("?")
    if "=" not in path:  # perhaps a passphrase, which must not be shown
        _refuse(_FORM)
    found = {**_attributes(path, ";", _PATH), **_attributes(query, "&", _QUERY)}
    words = {name: _text(name, value) for name, value in found.items() if name != "id"}
    if words.get("type", "secret-key") != "secret-key":
        _refuse("type must be secret-key: the master key is an AES key")
    if not ("token" in words or "serial" in words):
        _refuse(_FORM)
    if not ("object" in words or "id" in found):
        _refuse("name the key with object or id")
    if not PurePosixPath(words.get("module-path", "")).is_absolute():
        _refuse("module-path must be the absolute path of the module, such as /usr/lib/softhsm/libsofthsm2.so")
    source = words.get("pin-source", "").removeprefix("file:")
    if source and not PurePosixPath(source).is_absolute():
        _refuse("pin-source must be the absolute path of a file")
    return Pkcs11Address(
        module=words["module-path"],
        token=words.get("token", ""),
        serial=words.get("serial", ""),
        label=words.get("object", ""),
        key_id=found.get("id", b""),
        pin_source=source,
    )


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name not in known:
            _refuse(f"the attribute {name[:40]!r} is not supported: {_ADVICE.get(name, f'use {_listed()}')}")
        if name in found:
            _refuse(f"the attribute {name} is given twice")
        found[name] = unquote_to_bytes(value)
        if not 0 < len(found[name]) <= _LONGEST:
            _refuse(f"the attribute {name} must have 1 to {_LONGEST} bytes")
    return found


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        _refuse(f"the attribute {name} is not UTF-8 text")
    if not text.isprintable():
        _refuse(f"the attribute {name} has control characters")
    return text


def _listed() -> str:
    return ", ".join(sorted(_PATH | _QUERY))


def _refuse(reason: str) -> NoReturn:
    raise StoreOpenError(f"DAYPASS_MASTER_KEY: {reason}")
