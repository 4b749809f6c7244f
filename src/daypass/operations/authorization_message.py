"""Encoded authorization messages: what a denial says beside its sentence, to whoever may open it.

Owns what is in a message, how it is made to fit, and its seal. A message is bound to the account of the caller who
was refused; its length is one of a few, so that it says nothing of what is inside. What to tell is decided by
authorize/denial.py; sts:DecodeAuthorizationMessage and `daypass explain` show it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from daypass.errors import InvalidAuthorizationMessage
from daypass.mint.keyring import SealingRing
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, sealed_length, unseal
from daypass.ports import Entropy

LONGEST = Purpose.DENIAL.value.longest
_STEP = 256  # lengths are multiples of this
_TEXT = 200  # a longer text is cut; `…` says so
_ITEMS = 8  # a longer list is cut; `…` says so
CUT = "…"


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A condition of a statement, or, without an operator, a key of the request with its values."""

    operator: str
    key: str
    values: tuple[str, ...]


class StatementNote(msgspec.Struct, frozen=True, array_like=True):
    """One statement of one policy. `against` are sentences: what keeps it from applying."""

    policy_type: str
    policy: str
    owner: str
    sid: str
    index: int
    allow: bool
    actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    against: tuple[str, ...] = ()


class TypeNote(msgspec.Struct, frozen=True, array_like=True):
    """What one type of policy said. `level` counts control policies from the organization's root, and is else None."""

    policy_type: str
    level: int | None
    outcome: str
    policies: int


class DenialNote(msgspec.Struct, frozen=True, array_like=True):
    """A denial as its message tells it. Times are seconds since 1970.

    `own_side` says that only the caller's own account's policies are told, `own_allows` that they would allow.
    `failed` says that a policy could not be evaluated. `is_cut` says that something did not fit.
    """

    at: int
    account: str
    principal_id: str
    principal_name: str
    principal_arn: str
    action: str
    resource: str
    explicit: bool
    reason: str
    own_side: bool = False
    own_allows: bool = False
    failed: bool = False
    types: tuple[TypeNote, ...] = ()
    matched: tuple[StatementNote, ...] = ()
    closest: tuple[StatementNote, ...] = ()
    missing: tuple[str, ...] = ()
    context: tuple[Condition, ...] = ()
    is_cut: bool = False
    filler: bytes = b""  # makes the message one of a few lengths


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DenialNote).decode


def seal_message(note: DenialNote, *, one_size: bool, ring: SealingRing, now: int, entropy: Entropy) -> str:
    """Return the encoded message. Where `one_size` all are equally long."""
    fitted = fit(note, _room(LONGEST))
    bare = len(_encode(fitted))
    length = LONGEST if one_size else min(LONGEST, -(-sealed_length(bare) // _STEP) * _STEP)
    payload = _encode(msgspec.structs.replace(fitted, filler=bytes(_filler(_room(length) - bare))))
    return seal(Purpose.DENIAL, payload, bound_to=note.account, ring=ring, now=now, entropy=entropy)


def open_message(text: str, *, account: str, ring: SealingRing) -> DenialNote:
    """Return what a message tells, or raise InvalidAuthorizationMessage where it is not one of this account's."""
    try:
        return _decode(unseal(Purpose.DENIAL, text, bound_to=account, ring=ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidAuthorizationMessage("The encoded authorization message is invalid.") from error


def fit(note: DenialNote, room: int) -> DenialNote:
    """Return the note with as much of its lists as fits into `room` bytes, the most telling first."""
    fitted = msgspec.structs.replace(
        note,
        principal_arn=_short(note.principal_arn),
        resource=_short(note.resource),
        matched=(),
        closest=(),
        missing=(),
        context=(),
        is_cut=max(len(note.resource), len(note.principal_arn)) > _TEXT,
    )
    wishes: tuple[tuple[str, Iterable[Any]], ...] = (
        ("matched", map(_short_statement, note.matched)),
        ("closest", map(_short_statement, note.closest)),
        ("missing", note.missing),
        ("context", map(_short_condition, note.context)),
    )
    for name, wanted in wishes:
        for item in wanted:
            longer = msgspec.structs.replace(fitted, **{name: (*getattr(fitted, name), item)})
            has_room = len(_encode(longer)) <= room
            fitted = longer if has_room else msgspec.structs.replace(fitted, is_cut=True)
    return fitted


def _room(length: int) -> int:
    """Return how many bytes a sealed text of so many characters holds."""
    room = length // 4 * 3
    while sealed_length(room) > length:
        room -= 1
    return room


def _filler(short: int) -> int:
    # MessagePack spells the length of 256 bytes and more with one byte more; a seal's length allows for three.
    return short - 1 if short > 255 else short  # noqa: PLR2004 - MessagePack's own number


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + CUT


def _short_list(items: Sequence[Any], short: Callable[[Any], Any], more: Any) -> tuple[Any, ...]:
    kept = tuple(short(item) for item in items[:_ITEMS])
    return (*kept, more) if len(items) > _ITEMS else kept


def _short_condition(condition: Condition) -> Condition:
    return Condition(condition.operator, _short(condition.key), _short_list(condition.values, _short, CUT))


def _short_statement(note: StatementNote) -> StatementNote:
    return msgspec.structs.replace(
        note,
        actions=_short_list(note.actions, _short, CUT),
        resources=_short_list(note.resources, _short, CUT),
        principals=_short_list(note.principals, _short, CUT),
        conditions=_short_list(note.conditions, _short_condition, Condition("", CUT, ())),
        against=_short_list(note.against, _short, CUT),
    )
