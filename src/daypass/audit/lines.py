"""One audit event as one line of JSON, of limited size for any input.

Owns the encoding, the limit of a line and the ids of events. event.py chooses the content.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec
from msgspec.structs import replace

from daypass.audit.bounds import CUT, cut_text, encode_json
from daypass.audit.chain import ROOM
from daypass.audit.event import AuditRecord, Event, to_event
from daypass.audit.joined_lines import join_line

LARGEST_LINE = 65_536  # bytes with the line end; the operator pages read lines of up to four times that
LARGEST_UNPROVEN_LINE = 4_096  # of a refused unauthenticated call
# Without the member that chains the lines.
_MOST, _MOST_UNPROVEN = LARGEST_LINE - ROOM, LARGEST_UNPROVEN_LINE - ROOM
_SHORTEST = 64  # bytes of one string parameter, if the whole line is too long
_LONGEST_NAME = 2_048  # bytes of an ARN, or of the subject of a token or an assertion
_END = b"\n"
_decode = msgspec.json.Decoder(Event).decode


_DIGITS = tuple(f"{number:03x}" for number in range(16**3))


def new_event_ids() -> Callable[[], str]:
    """Return a generator of event ids in the form of a UUID.

    They have a random part for each process, and a counter of nine digits.
    """
    text = os.urandom(16).hex()
    first = f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:23]}"
    next_number = count().__next__  # threads share it
    known = (0, f"{first}{0:06x}")

    def new_id() -> str:
        nonlocal known
        number = next_number()
        upper, beginning = known
        if number >> 12 != upper:
            upper = number >> 12
            beginning = f"{first}{upper:06x}"
            known = (upper, beginning)
        return beginning + _DIGITS[number & 4095]

    return new_id


def to_line(record: AuditRecord, event_id: str) -> bytes:
    """Return the event of a request as a line.

    The line has a part of the event if it cannot be encoded in full.
    """
    with suppress(UnicodeEncodeError):
        line = join_line(record, event_id)
        if line is not None:
            return line
    return encode_line(record, event_id)


def encode_line(record: AuditRecord, event_id: str) -> bytes:
    """Return the line of any event."""
    try:
        line = encode_event(to_event(record, event_id))
    except Exception as problem:  # noqa: BLE001 - a request is recorded with any input
        line = encode_event(to_event(_without_contents(record, problem), event_id))
    if len(line) <= _MOST_UNPROVEN:
        return line
    if record.is_unproven_refusal:
        return encode_event(_shortened(record, event_id, _SHORTEST))
    return line if len(line) <= _MOST else encode_event(_shortened(record, event_id, LARGEST_LINE))


def to_short_event(refusal: AuditRecord, event_id: str) -> Event:
    """Return the event of a refused unauthenticated call, cut like its line.

    The event can always be encoded.
    """
    return _decode(to_line(refusal, event_id))


def encode_event(event: Event) -> bytes:
    """Return an event as a line with its end."""
    return encode_json(event) + _END


def _without_contents(record: AuditRecord, problem: Exception) -> AuditRecord:
    detail = f"the rest of this event could not be written: {type(problem).__name__}"
    fault = None if record.fault is None else type(record.fault)(detail=detail)
    if fault is not None and record.fault is not None:
        fault.code = record.fault.code  # type: ignore[misc] # the errors of S3 share one class
    data = None if record.data is None else replace(record.data, resources=(), additional={}, tls=None)
    return replace(record, parameters=None, fault=fault, access_key_id=ascii(record.access_key_id)[1:-1], data=data)


def _shortened(record: AuditRecord, event_id: str, most: int) -> Event:
    """Return an event without the lists and mappings of its parameters.

    CloudTrail omits large parameters too.
    """
    event = to_event(record, event_id)
    who = event.user_identity
    who = replace(
        who,
        arn=cut_text(who.arn, _LONGEST_NAME),
        principal_id=cut_text(who.principal_id, _LONGEST_NAME),
        user_name=cut_text(who.user_name, _LONGEST_NAME),
    )
    kept = {name: _shorter(value, most) for name, value in (event.request_parameters or {}).items()}
    elements = None if len(record.answer or b"") > _LONGEST_NAME else event.response_elements
    return replace(event, request_parameters=kept or None, response_elements=elements, user_identity=who)


def _shorter(value: Any, most: int) -> Any:
    if isinstance(value, list | dict):
        return CUT
    return cut_text(value, most) if isinstance(value, str) else value
