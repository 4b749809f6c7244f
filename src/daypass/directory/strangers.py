"""Principals that nobody here is meant by, nor ever will be: kept in a trust policy as an id, shown as their text.

Owns the ids and both directions. An imported trust policy may name accounts, users or providers that are not here. If
it kept the text, whoever made that account later would be trusted. So an id stands in its place, of the form of a
unique id but longer than any that is given out: the engine finds it equal to nobody's.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from daypass.directory import records
from daypass.directory.apply_entities import Stranger
from daypass.directory.store import Reader, Writer

_PREFIX = "AIDA0STRANGER0"
Kind = Literal["AWS", "Federated"]


def principals_of(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the principals that a policy names, with their types: ("AWS", "arn:…")."""
    found: set[tuple[str, str]] = set()
    for principal in _principals(document):
        for kind, named in principal.items():
            found |= {(kind, text) for text in _listed(named) if isinstance(text, str)}
    return found


def keep_strangers(writer: Writer, document: Mapping[str, Any], texts: AbstractSet[str]) -> dict[str, Any]:
    """Return a trust policy with the ids of strangers in the place of these texts. The ids are stored."""
    kept: dict[str, Any] = json.loads(json.dumps(document))
    for principal in _principals(kept):
        for kind in ("AWS", "Federated"):
            for text in _listed(principal.get(kind, ())):
                if text in texts:
                    _move(principal, kind, text, "AWS", _stored(writer, kind, text))
    return kept


def show_strangers(reader: Reader, document: str) -> str:
    """Return a stored trust policy with the texts of strangers in the place of their ids."""
    if _PREFIX not in document:
        return document
    shown: dict[str, Any] = json.loads(document)
    for principal in _principals(shown):
        for text in _listed(principal.get("AWS", ())):
            stranger = _find(reader, text)
            if stranger is not None:
                _move(principal, "AWS", text, stranger.type, stranger.text)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def strangers_in(reader: Reader, document: str) -> frozenset[str]:
    """Return the texts of the strangers in a stored trust policy."""
    if _PREFIX not in document:
        return frozenset()
    found = (_find(reader, text) for _, text in principals_of(json.loads(document)))
    return frozenset(stranger.text for stranger in found if stranger is not None)


def _stored(writer: Writer, kind: Kind, text: str) -> str:
    digest = hashlib.sha256(f"{kind} {text}".encode()).digest()[:20]
    stranger = Stranger(id=_PREFIX + base64.b32encode(digest).decode(), type=kind, text=text)
    if writer.find_by_id(stranger.id) is None:
        records.insert(writer, stranger)
    return stranger.id


def _find(reader: Reader, text: str) -> Stranger | None:
    return records.find_by_id(reader, Stranger, text) if text.startswith(_PREFIX) else None


def _principals(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal") if isinstance(statement, dict) else None
        if isinstance(principal, dict):
            yield principal


def _listed(named: Any) -> list[Any]:
    return list(named) if isinstance(named, list | tuple) else [named]


def _move(principal: dict[str, Any], old_kind: str, old: str, kind: str, new: str) -> None:
    """Put a principal in the place of another; under its own type where that differs."""
    if old_kind == kind:
        named = principal[kind]
        principal[kind] = [new if text == old else text for text in named] if isinstance(named, list) else new
        return
    left = [text for text in _listed(principal.pop(old_kind)) if text != old]
    if left:
        principal[old_kind] = left if len(left) > 1 else left[0]
    others = _listed(principal.get(kind, []))
    principal[kind] = [*others, new] if others else new
