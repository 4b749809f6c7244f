"""Settings of an issuer that AWS's API does not have.

Pure. Owns the shapes of further claims and pinned keys, the canonical form in which key sets are compared, and the
Protocol of the files beside the applied one. Leaves the rules of claims and key sets to federation/oidc.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from daypass.apply.file.nodes import ApplyFileError, FilePosition, LocatedValue
from daypass.apply.file.shapes import ListOf, StringShape, plain_values
from daypass.federation.oidc.extra_claims import MAX_LENGTH, ExtraClaim
from daypass.federation.oidc.issuers.operator_terms import parse_claims
from daypass.federation.oidc.keys import PRIVATE_MEMBERS, UnreadableKeySetError, parse_jwks

_FILE = StringShape(
    "a set of keys, or the name of a file beside this one that holds it",
    r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*",
    512,
)
_CLAIMS = ListOf(StringShape("a claim, as CLAIM, PATH/TO/CLAIM or CLAIM=NAME", ".+", MAX_LENGTH))
# String members in RFC 7517 and RFC 7518. YAML would read a kid such as 2023 as a number.
_TEXTS = ("kty", "kid", "alg", "use", "n", "e", "crv", "x", "y")


class Files(Protocol):
    """The files in the directory of the applied file."""

    def read(self, name: str, most: int) -> bytes:
        """Return the first bytes of a file, at most `most` + 1.

        Raises OSError.
        """
        ...


class NoFiles:
    """An empty directory, for standard input."""

    def read(self, name: str, most: int) -> bytes:  # noqa: ARG002 - the Protocol's
        """Refuse."""
        raise OSError(0, "standard input has no directory; write the keys into the document")


@dataclass(frozen=True, slots=True)
class FileName:
    """The name of a file beside the applied one."""

    name: str


@dataclass(frozen=True, slots=True)
class ExtraClaims:
    """Claims that become condition keys."""

    def read(self, node: LocatedValue, place: FilePosition) -> list[str]:
        """Return the claims unchanged."""
        texts = _CLAIMS.read(node, place)
        for index, text in enumerate(texts):
            try:
                ExtraClaim.parse(text)
            except ValueError as error:
                raise ApplyFileError(place.of(index, node.value[index]), str(error)) from error
        try:
            parse_claims(texts)
        except ValueError as error:
            raise ApplyFileError(place, str(error)) from error
        return texts

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        return _CLAIMS.schema()


@dataclass(frozen=True, slots=True)
class PinnedKeys:
    """A JWK Set, or the name of a file with one."""

    def read(self, node: LocatedValue, place: FilePosition) -> str | FileName:
        """Return the set in canonical form, or the file name."""
        if isinstance(node.value, dict):
            keys = node.value.get("keys")
            for index, key in enumerate(keys.value if keys is not None and isinstance(keys.value, list) else ()):
                _require_texts(key, place.below(f"keys[{index}]"))
            return read_key_set(json.dumps(plain_values(node)).encode(), place)
        return FileName(_FILE.read(node, place))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the shape."""
        entry = {"type": "object", "properties": {name: {"type": "string"} for name in _TEXTS}}
        keys = {"type": "array", "minItems": 1, "items": entry}
        return {
            "anyOf": [
                {"type": "object", "required": ["keys"], "properties": {"keys": keys}},
                {**_FILE.schema(), "description": "A file in the same directory."},
            ]
        }


def load_key_set(value: str | FileName, files: Files, place: FilePosition) -> str:
    """Return a key set that is written inline or is in a file.

    Raises ApplyFileError.
    """
    if isinstance(value, str):
        return value
    try:
        # More than any set may have; parse_jwks refuses it.
        content = files.read(value.name, 1024 * 1024)
    except OSError as error:
        raise ApplyFileError(place, f"cannot read {value.name}: {error.strerror}") from error
    return read_key_set(content, place)


def read_key_set(data: bytes, place: FilePosition) -> str:
    """Parse a key set and return its canonical form.

    Raises ApplyFileError.
    """
    try:
        parse_jwks(data)
        members: Mapping[str, Any] = json.loads(data)
        if any(_is_private(entry) for entry in members["keys"]):
            raise ApplyFileError(
                place, "it contains a private key, and a file must not contain secrets: pin only public keys"
            )
        text = json.dumps(members, sort_keys=True, separators=(",", ":"))
        parse_jwks(text.encode())
    except (UnreadableKeySetError, UnicodeDecodeError) as error:
        raise ApplyFileError(place, f"this is not a valid set of keys: {error}") from error
    return text


def stored_key_set(text: str) -> str:
    """Return a stored key set in canonical form.

    It omits private keys, which are not trusted and must never be shown.
    """
    if not text:
        return ""
    members = json.loads(text)
    kept = [entry for entry in members["keys"] if not _is_private(entry)]
    return json.dumps({**members, "keys": kept}, sort_keys=True, separators=(",", ":"))


def _is_private(entry: object) -> bool:
    return isinstance(entry, dict) and bool(PRIVATE_MEMBERS & entry.keys())


def _require_texts(key: LocatedValue, place: FilePosition) -> None:
    if not isinstance(key.value, dict):
        raise ApplyFileError(place, "a key is a mapping")
    for name in _TEXTS:
        if name in key.value and not isinstance(key.value[name].value, str):
            raise ApplyFileError(place.of(name, key.value[name]), "expected a string: put it in quotes")
