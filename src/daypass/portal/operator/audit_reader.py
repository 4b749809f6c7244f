"""Events of one account, read backwards from the audit log of this server.

Owns reading the file, although it may be large or damaged and other threads write to it, and the selection of one
account's events:

* Events of the account are those of its callers, and those of unauthenticated callers that named one of its roles or
  identity providers.
* One page reads a bounded part of the file. A search for a time starts at the place where that time is, by bisection.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from daypass.arn import Arn

_BLOCK = 1_048_576
_FURTHEST = 16 * _BLOCK  # bytes that are read for one page
_LONGEST_LINE = 262_144
_UNSIGNED = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
_SIGN_INS = frozenset({"SAMLSignIn", "OIDCSignIn", "TestSignIn"})
_TIME = re.compile(rb'"eventTime":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})')


class EventCaller(msgspec.Struct, rename="camel"):
    """The caller in an event."""

    account_id: str = ""
    arn: str = ""
    principal_id: str = ""
    access_key_id: str = ""


class LoggedEvent(msgspec.Struct, rename="camel"):
    """The part of an event that pages show. Callers chose many of its strings."""

    error_code: str = ""
    event_time: str = ""
    event_source: str = ""
    event_name: str = ""
    error_message: str = ""
    request_id: str = msgspec.field(default="", name="requestID")
    source: str = msgspec.field(default="", name="sourceIPAddress")
    user_agent: str = ""
    user_identity: EventCaller = msgspec.field(default_factory=EventCaller)
    request_parameters: dict[str, Any] | None = None
    response_elements: dict[str, Any] | None = None
    additional_event_data: dict[str, Any] | None = None

    def parameter(self, name: str) -> str:
        """Return a string among the parameters of the request, or ""."""
        return _string(self.request_parameters, name)

    @property
    def sign_in(self) -> str:
        """The ID of the sign-in that the event belongs to, or ""."""
        return _string(self.additional_event_data, "SignInId")

    @property
    def issued_key(self) -> str:
        """The ID of the access key that the response contains, or ""."""
        found = (self.response_elements or {}).get("credentials")
        return _string(found if isinstance(found, dict) else None, "accessKeyId")

    @property
    def count(self) -> int:
        """The number of similar refusals that the event represents."""
        aggregated = (self.additional_event_data or {}).get("aggregated")
        count = aggregated.get("count") if isinstance(aggregated, dict) else None
        return count if isinstance(count, int) and count > 0 else 1


_decode = msgspec.json.Decoder(LoggedEvent).decode


def events_from_end(file: str, account: str, before: int = 0) -> Iterator[tuple[int, LoggedEvent | None]]:
    """Yield the positions of lines backwards, with the account's events.

    An event of another account, and a line that is not an event, is None. The last position is where the next part
    ends, or 0 at the start of the file.
    """
    for place, line in _lines_from_end(Path(file), before):
        yield place, _event_in(line, account)


def _event_in(line: bytes, account: str) -> LoggedEvent | None:
    if account.encode() not in line:  # cheaper than parsing
        return None
    try:
        event = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # an incomplete line, or a line of another program
    return event if event.event_name and _is_of(event, account) else None


def _is_of(event: LoggedEvent, account: str) -> bool:
    if event.user_identity.account_id:
        return event.user_identity.account_id == account
    if event.event_name in _UNSIGNED:
        named = Arn.find(event.parameter("roleArn"))
    else:
        named = Arn.find(event.parameter("principalArn")) if event.event_name in _SIGN_INS else None
    return named is not None and named.account == account


def _string(values: dict[str, Any] | None, name: str) -> str:
    found = (values or {}).get(name, "")
    return found if isinstance(found, str) else ""


def find_position(file: str, until: str) -> int:
    """Return the position of the first line after a time, or 0.

    Times are written as 2026-03-01T12:00:00. 0 means that no line is later, or that the file does not exist. Lines are
    nearly in the order of their times.
    """
    try:
        with Path(file).open("rb") as log:
            return _bisect(log, until.encode())
    except OSError:
        return 0


def _bisect(log: BinaryIO, until: bytes) -> int:
    low, high, found = 0, os.fstat(log.fileno()).st_size, 0
    while low < high:
        middle = (low + high) // 2
        start, time = _first_line(log, middle)
        if time is not None and time <= until:
            low = max(start, middle) + 1
        else:
            # No time: the file ends there, or has other lines. Earlier lines are more useful then.
            high, found = middle, start if time is not None else found
    return found


def _first_line(log: BinaryIO, position: int) -> tuple[int, bytes | None]:
    """Return start and time of the first line that starts at or after a position."""
    log.seek(max(0, position - 1))
    block = log.read(2 * _LONGEST_LINE)
    at = 0 if not position else block.find(b"\n") + 1
    if position and not at:
        return position, None
    time = _TIME.search(block, at)
    if time is None:
        return position, None
    return max(0, position - 1) + block.rfind(b"\n", 0, time.start()) + 1, time.group(1)


def _lines_from_end(path: Path, before: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file backwards, each with its position.

    A missing file has no lines.
    """
    try:
        with path.open("rb") as file:
            end = os.fstat(file.fileno()).st_size  # of the opened file, even if it is rotated now
            yield from _lines_before(file, min(before or end, end))
    except OSError:
        return


def _lines_before(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    rest, furthest = b"", max(0, end - _FURTHEST)
    while end > furthest:
        start = max(furthest, end - _BLOCK)
        file.seek(start)
        block = file.read(end - start) + rest
        # A block's first line may start in the block before. A line above the size limit is not an event.
        first, *others = block.split(b"\n")
        at = start + len(block)
        for line in reversed(others):
            at -= len(line)
            yield at, line
            at -= 1
        rest, end = first if len(first) <= _LONGEST_LINE else b"", start
    # The next part ends at the start of the first whole line of this part.
    yield (furthest + len(rest), b"") if furthest else (0, rest)
