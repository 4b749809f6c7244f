"""Principals that nobody here is meant by, nor ever will be: kept in a trust policy as an id, shown as their text.

Owns the ids and both directions. An imported trust policy may name accounts, users or providers that are not here. If
it kept the text, whoever made that account later would be trusted. So an id stands in its place, of the form of a
unique id but longer than any that is given out: the engine finds it equal to nobody's.

The texts of imported strangers are records. The texts of principals that a caller named in a trust policy are kept with
the role (`Role.foreign`), so that a caller leaves nothing behind in the store once the role is gone.
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


def unresolved_id(text: str, kind: Kind = "AWS") -> str:
    """Return the id under which a principal is kept that never matches."""
    digest = hashlib.sha256(f"{kind} {text}".encode()).digest()[:20]
    return _PREFIX + base64.b32encode(digest).decode()


def is_unresolved(stored: str) -> bool:
    """Tell whether an id stands for a principal that never matches."""
    return stored.startswith(_PREFIX)


def unresolved_of(foreign: Mapping[str, str]) -> dict[str, str]:
    """Return the principals that never match, out of those that a role keeps under an id: {id: text}."""
    return {id_: text for id_, text in foreign.items() if is_unresolved(id_)}


def find_text(reader: Reader, stored: str) -> str | None:
    """Return the text of a principal that an import left unresolved, or None."""
    stranger = _find(reader, stored)
    return None if stranger is None else stranger.text


def trust_in_force(reader: Reader, document: str, foreign: Mapping[str, str]) -> str:
    """Return a stored trust policy as it is decided by. `foreign` is what its role keeps of texts.

    An Allow never means an unresolved principal. A Deny means whoever has that name, even if it was made later, because
    a Deny that never matched would let in whom it was written against.
    """
    if _PREFIX not in document:
        return document
    decided: dict[str, Any] = json.loads(document)
    unresolved = unresolved_of(foreign)
    for principal in _principals(decided, "Deny"):
        for stored in _listed(principal.get("AWS", ())):
            stranger = _find(reader, stored)
            if stored in unresolved:
                _move(principal, "AWS", stored, "AWS", unresolved[stored])
            elif stranger is not None:
                _move(principal, "AWS", stored, stranger.type, stranger.text)
    return json.dumps(decided, ensure_ascii=False, separators=(",", ":"))


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


def strangers_in(reader: Reader, document: str, foreign: Mapping[str, str]) -> frozenset[str]:
    """Return the texts of the strangers in a stored trust policy. `foreign` is what its role keeps of texts."""
    if _PREFIX not in document:
        return frozenset()
    unresolved = unresolved_of(foreign)
    found = (unresolved.get(text) or find_text(reader, text) for _, text in principals_of(json.loads(document)))
    return frozenset(text for text in found if text is not None)


def _stored(writer: Writer, kind: Kind, text: str) -> str:
    stranger = Stranger(id=unresolved_id(text, kind), type=kind, text=text)
    if writer.find_by_id(stranger.id) is None:
        records.insert(writer, stranger)
    return stranger.id


def _find(reader: Reader, text: str) -> Stranger | None:
    return records.find_by_id(reader, Stranger, text) if is_unresolved(text) else None


def _principals(document: Mapping[str, Any], effect: str = "") -> Iterator[dict[str, Any]]:
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if effect and statement.get("Effect") != effect:
            continue
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
