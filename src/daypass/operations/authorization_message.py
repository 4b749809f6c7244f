"""Encoded authorization messages: the details of a denial.

Owns the content of a message, its truncation and its seal. A message is bound to the refused caller's account, and has
one of a few lengths, so that its length does not reveal its content. authorize/denial.py decides which details to
report; sts:DecodeAuthorizationMessage and `daypass explain` show them.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from daypass.errors import InvalidAuthorizationMessage
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, sealed_length, unseal
from daypass.mint.sealing_keys import SealingRing
from daypass.ports import Entropy

LONGEST = Purpose.DENIAL.value.longest
_STEP = 256  # lengths are multiples of this
_TEXT = 200  # a longer string is cut and ends with `…`
_ITEMS = 8  # a longer list is cut and ends with `…`
CUT = "…"
_KEY, _VALUES = attrgetter("key"), attrgetter("values")


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """A condition of a statement.

    Without an operator it is a key of the request with its values.
    """

    operator: str
    key: str
    values: tuple[str, ...]


class StatementNote(msgspec.Struct, frozen=True, array_like=True):
    """One statement of one policy.

    `against` says in sentences why it does not apply.
    """

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
    """The outcome of one type of policy.

    `level` counts control policies from the organization's root, and is None for all other types.
    """

    policy_type: str
    level: int | None
    outcome: str
    policies: int


class DenialNote(msgspec.Struct, frozen=True, array_like=True):
    """The content of an encoded authorization message.

    Times are seconds since 1970.

    `own_side`: only policies of the caller's own account are reported; `own_allows`: they would allow the call.
    `failed`: a policy could not be evaluated. `is_cut`: a part did not fit.
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
    filler: bytes = b""  # pads the message to one of a few lengths


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DenialNote).decode


def seal_message(note: DenialNote, *, one_size: bool, sealing_ring: SealingRing, now: int, entropy: Entropy) -> str:
    """Return the encoded message.

    With `one_size` all messages are equally long.
    """
    fitted = fit(note, _room(LONGEST))
    bare = len(_encode(fitted))
    length = LONGEST if one_size else min(LONGEST, -(-sealed_length(bare) // _STEP) * _STEP)
    payload = _encode(msgspec.structs.replace(fitted, filler=bytes(_filler(_room(length) - bare))))
    return seal(Purpose.DENIAL, payload, bound_to=note.account, sealing_ring=sealing_ring, now=now, entropy=entropy)


def open_message(text: str, *, account: str, sealing_ring: SealingRing) -> DenialNote:
    """Decode a message.

    Raises InvalidAuthorizationMessage if it is not a message of this account.
    """
    try:
        return _decode(unseal(Purpose.DENIAL, text, bound_to=account, sealing_ring=sealing_ring))
    except (SealBrokenError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidAuthorizationMessage("The encoded authorization message is invalid.") from error


def fit(note: DenialNote, room: int) -> DenialNote:
    """Return the note with as much of its lists as fits into `room` bytes.

    The most useful parts come first.
    """
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
        ("context", _short_conditions(note.context)),
    )
    lists = {name: tuple(wanted) for name, wanted in wishes}
    whole = msgspec.structs.replace(fitted, **lists)
    if len(_encode(whole)) <= room:  # the usual case, and much less work
        return whole
    for name, wanted in lists.items():
        for item in wanted:
            longer = msgspec.structs.replace(fitted, **{name: (*getattr(fitted, name), item)})
            has_room = len(_encode(longer)) <= room
            fitted = longer if has_room else msgspec.structs.replace(fitted, is_cut=True)
    return fitted


@lru_cache(maxsize=64)
def _room(length: int) -> int:
    """Return how many bytes fit into a sealed string of this length."""
    room = length // 4 * 3
    while sealed_length(room) > length:
        room -= 1
    return room


def _filler(short: int) -> int:
    # MessagePack needs one more byte for a length of 256 bytes or more; a seal's length leaves room for three.
    return short - 1 if short > 255 else short  # noqa: PLR2004 - MessagePack's own number


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + CUT


def _short_list(items: Sequence[Any], short: Callable[[Any], Any], more: Any) -> tuple[Any, ...]:
    kept = tuple(map(short, items[:_ITEMS]))
    return (*kept, more) if len(items) > _ITEMS else kept


def _short_condition(condition: Condition) -> Condition:
    return Condition(condition.operator, _short(condition.key), _short_list(condition.values, _short, CUT))


def _short_conditions(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    values = list(map(_VALUES, conditions))
    longest = max(map(len, chain(map(_KEY, conditions), *values)), default=0)
    if longest <= _TEXT and max(map(len, values), default=0) <= _ITEMS:
        return conditions  # the usual case: no part is too long
    return tuple(map(_short_condition, conditions))


def _short_statement(note: StatementNote) -> StatementNote:
    return msgspec.structs.replace(
        note,
        actions=_short_list(note.actions, _short, CUT),
        resources=_short_list(note.resources, _short, CUT),
        principals=_short_list(note.principals, _short, CUT),
        conditions=_short_list(note.conditions, _short_condition, Condition("", CUT, ())),
        against=_short_list(note.against, _short, CUT),
    )
