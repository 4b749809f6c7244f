"""Unresolved principals: stored as an id that never matches.

An imported trust policy can name accounts, users or providers that do not exist here. If their names were stored, a
person who creates that account later would be trusted. So an id replaces the name, in the form of a unique id but
longer than any real one, so that the engine never finds an equal principal.

The strings of imported ones are records. Those that a caller named in a trust policy are in the role (`Role.foreign`),
so that they are deleted with it.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

from daypass.directory import records
from daypass.directory.entities.apply_entities import UnresolvedPrincipal
from daypass.directory.store import Reader, Writer

_PREFIX = "AIDA0STRANGER0"  # part of stored trust policies, so it never changes
Kind = Literal["AWS", "Federated"]


def principals_of(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the principals of a policy with their types: ("AWS", "arn:…")."""
    found: set[tuple[str, str]] = set()
    for principal in _principals(document):
        for kind, named in principal.items():
            found |= {(kind, text) for text in _listed(named) if isinstance(text, str)}
    return found


def store_unresolved(writer: Writer, document: Mapping[str, Any], texts: AbstractSet[str]) -> dict[str, Any]:
    """Return a trust policy with ids in place of these unresolved principals.

    The ids are stored.
    """
    kept: dict[str, Any] = json.loads(json.dumps(document))
    for principal in _principals(kept):
        for kind in ("AWS", "Federated"):
            for text in _listed(principal.get(kind, ())):
                if text in texts:
                    _move(principal, kind, text, "AWS", _stored(writer, kind, text))
    return kept


def unresolved_id(text: str, kind: Kind = "AWS") -> str:
    """Return the id that replaces an unresolved principal."""
    digest = hashlib.sha256(f"{kind} {text}".encode()).digest()[:20]
    return _PREFIX + base64.b32encode(digest).decode()


def is_unresolved(stored: str) -> bool:
    """Return whether an id replaces an unresolved principal."""
    return stored.startswith(_PREFIX)


def unresolved_of(foreign: Mapping[str, str]) -> dict[str, str]:
    """Return the unresolved principals of a role's `foreign`: {id: string}."""
    return {id_: text for id_, text in foreign.items() if is_unresolved(id_)}


def find_text(reader: Reader, stored: str) -> str | None:
    """Return the string of a principal that an import left unresolved."""
    unresolved = _find(reader, stored)
    return None if unresolved is None else unresolved.text


def trust_in_force(reader: Reader, document: str, foreign: Mapping[str, str]) -> str:
    """Return a stored trust policy in the form that the engine evaluates.

    `foreign` has the strings that the role stores. An Allow never matches an unresolved principal. A Deny of another
    account's principal also matches by the given name, even if it was created later or again: the policy shows that
    name for good, so a Deny that no longer matched would be unnoticed.
    """
    if _PREFIX not in document and not foreign:
        return document
    decided: dict[str, Any] = json.loads(document)
    for principal in _principals(decided, "Deny"):
        listed = _listed(principal.get("AWS", ()))
        names = [foreign[stored] for stored in listed if stored in foreign]
        if names:
            ids = [foreign[stored] if stored in foreign and is_unresolved(stored) else stored for stored in listed]
            principal["AWS"] = [*ids, *names]  # the same number for every principal, existing or not
        for stored in listed:
            unresolved = None if stored in foreign else _find(reader, stored)
            if unresolved is not None:
                _move(principal, "AWS", stored, unresolved.type, unresolved.text)
    return json.dumps(decided, ensure_ascii=False, separators=(",", ":"))


def show_unresolved(reader: Reader, document: str) -> str:
    """Return a stored trust policy with the strings of unresolved principals."""
    if _PREFIX not in document:
        return document
    shown: dict[str, Any] = json.loads(document)
    for principal in _principals(shown):
        for text in _listed(principal.get("AWS", ())):
            unresolved = _find(reader, text)
            if unresolved is not None:
                _move(principal, "AWS", text, unresolved.type, unresolved.text)
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def unresolved_in(reader: Reader, document: str, foreign: Mapping[str, str]) -> frozenset[str]:
    """Return the strings of the unresolved principals in a stored policy.

    `foreign` has the strings that the role stores.
    """
    if _PREFIX not in document:
        return frozenset()
    unresolved = unresolved_of(foreign)
    found = (unresolved.get(text) or find_text(reader, text) for _, text in principals_of(json.loads(document)))
    return frozenset(text for text in found if text is not None)


def _stored(writer: Writer, kind: Kind, text: str) -> str:
    unresolved = UnresolvedPrincipal(id=unresolved_id(text, kind), type=kind, text=text)
    if writer.find_by_id(unresolved.id) is None:
        records.insert(writer, unresolved)
    return unresolved.id


def _find(reader: Reader, text: str) -> UnresolvedPrincipal | None:
    return records.find_by_id(reader, UnresolvedPrincipal, text) if is_unresolved(text) else None


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
    """Replace a principal by another one, under its own type if that differs."""
    if old_kind == kind:
        named = principal[kind]
        principal[kind] = [new if text == old else text for text in named] if isinstance(named, list) else new
        return
    left = [text for text in _listed(principal.pop(old_kind)) if text != old]
    if left:
        principal[old_kind] = left if len(left) > 1 else left[0]
    others = _listed(principal.get(kind, []))
    principal[kind] = [*others, new] if others else new
