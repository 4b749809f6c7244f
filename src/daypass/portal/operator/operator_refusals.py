"""Recent refusals of an account, from the audit log of this server.

Owns reading the file backwards, although it may be large or damaged and other threads write to it, and the selection of
one account's events and visible reasons:

* Events of the account are those of its callers, and those of unauthenticated callers that requested one of its roles.
* The reason that a role of another account refused a caller is hidden: it would disclose whether the role exists, and
  its conditions.
* The reason that the documents of an issuer could not be fetched is hidden: an account that can register an issuer
  could use it to scan the hosts and ports of an internal network.

The audit log, for the server's operator, contains both reasons.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

import msgspec

from daypass.arn import Arn
from daypass.errors import IDPCommunicationError
from daypass.federation.oidc import oidc_messages as oidc_words
from daypass.wire.visible_text import visible

ADDRESS = "/operator/refusals"
_BLOCK = 1_048_576
_FURTHEST = 16 * _BLOCK  # bytes that are read for one page
_LONGEST_LINE = 262_144
_SHOWN = 50
_MOST_REASONS = 12
_LONGEST_SEARCH, _LONGEST_CODE = 200, 100
_SHORT, _LONG = 200, 1_100
_ACCOUNTS = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])", re.ASCII)
_OTHER_SIDE = "the reason is visible only to the other account"
_NOT_FETCHED = "the issuer's documents could not be fetched or used; the reason is in the server's audit log"
_OF_FETCHING = frozenset({oidc_words.UNREACHABLE, oidc_words.NO_KEY, oidc_words.WRONG_THUMBPRINT})
_UNSIGNED = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})


class _Who(msgspec.Struct, rename="camel"):
    account_id: str = ""
    arn: str = ""
    principal_id: str = ""
    access_key_id: str = ""


class _Event(msgspec.Struct, rename="camel"):
    error_code: str = ""
    event_time: str = ""
    event_source: str = ""
    event_name: str = ""
    error_message: str = ""
    request_id: str = msgspec.field(default="", name="requestID")
    source: str = msgspec.field(default="", name="sourceIPAddress")
    user_agent: str = ""
    user_identity: _Who = msgspec.field(default_factory=_Who)
    request_parameters: dict[str, Any] | None = None
    additional_event_data: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Event).decode


@dataclass(frozen=True, slots=True)
class Sought:
    """A search: words, an error code, and the position to read backwards from.

    Position 0 is the end of the log.
    """

    text: str = ""
    code: str = ""
    before: int = 0

    def address(self, **changes: Any) -> str:
        """Return the URL of the same search with changes."""
        changed = replace(self, **changes)
        given = {"q": changed.text, "code": changed.code, "before": changed.before}
        query = urlencode({name: value for name, value in given.items() if value})
        return f"{ADDRESS}?{query}" if query else ADDRESS


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal, as strings that are safe to display."""

    at: str
    who: str
    action: str
    resource: str
    code: str
    message: str
    reason: str
    source: str
    agent: str
    id: str

    def has(self, words: Sequence[str]) -> bool:
        """Tell whether the refusal contains all words."""
        whole = " ".join(getattr(self, name) for name in self.__slots__).lower()
        return all(word in whole for word in words)


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search.

    `codes` counts all refusals in the read part of the log. `older` is the position of the next page, or 0 at its
    start.
    """

    refusals: Sequence[Refusal]
    codes: Sequence[tuple[str, int]]
    older: int


def read_sought(query: Mapping[str, str]) -> Sought:
    """Return the search in a query string. Invalid values are ignored."""
    before = query.get("before", "")
    is_number = before.isascii() and before.isdecimal() and len(before) < 16  # noqa: PLR2004 - a petabyte of log
    text, code = query.get("q", "").strip()[:_LONGEST_SEARCH], query.get("code", "")[:_LONGEST_CODE]
    return Sought(text, code, int(before) if is_number else 0)


def find_refusals(file: str, account: str, sought: Sought) -> Found:
    """Return the latest refusals that an account may see, newest first."""
    codes, refusals = Counter[str](), list[Refusal]()
    words, older = sought.text.lower().split(), 0
    for place, line in _lines_from_end(Path(file), sought.before):
        event = _refusal_in(line, account)
        if event is not None:
            codes[event.error_code] += _number(event)
        if len(refusals) == _SHOWN:
            continue  # Counted here, shown on the next page.
        older = place
        if event is not None and sought.code in {"", event.error_code}:
            shown = _shown(event, account)
            refusals += [shown] if shown.has(words) else []
    return Found(refusals, codes.most_common(_MOST_REASONS), older)


def _refusal_in(line: bytes, account: str) -> _Event | None:
    # Cheaper than parsing: most lines are not refusals of this account.
    if b'"errorCode"' not in line or account.encode() not in line:
        return None
    try:
        event = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # an incomplete line, or a line of another program
    return event if event.error_code and _is_of(event, account) else None


def _is_of(event: _Event, account: str) -> bool:
    if event.user_identity.account_id:
        return event.user_identity.account_id == account
    role = Arn.find(_role(event)) if event.event_name in _UNSIGNED else None
    return role is not None and role.account == account


def _number(event: _Event) -> int:
    """Return the number of similar refusals that an event represents."""
    aggregated = (event.additional_event_data or {}).get("aggregated")
    count = aggregated.get("count") if isinstance(aggregated, dict) else None
    return count if isinstance(count, int) and count > 0 else 1


def _role(event: _Event) -> str:
    named = (event.request_parameters or {}).get("roleArn", "")
    return named if isinstance(named, str) else ""


def _reason(event: _Event, account: str) -> str:
    reason = (event.additional_event_data or {}).get("detail", "")
    if not isinstance(reason, str) or not reason:
        return ""
    fetched = event.error_code == IDPCommunicationError.code or event.error_message in _OF_FETCHING
    if fetched and reason != oidc_words.NO_FITTING_KEY:
        return _NOT_FETCHED
    named = _ACCOUNTS.findall(msgspec.json.encode(event.request_parameters).decode())
    return reason if set(named) <= {account} else _OTHER_SIDE


def _message(event: _Event) -> str:
    number = _number(event)
    return event.error_message if number == 1 else f"{event.error_message} ({number} similar refusals within seconds)"


def _shown(event: _Event, account: str) -> Refusal:
    who = event.user_identity
    service = event.event_source.partition(".")[0]
    return Refusal(
        at=visible(event.event_time, _SHORT),
        who=visible(who.arn or who.principal_id or who.access_key_id, _SHORT),
        action=visible(f"{service}:{event.event_name}", _SHORT),
        resource=visible(_role(event), _SHORT),
        code=visible(event.error_code, _SHORT),
        message=visible(_message(event), _LONG),
        reason=visible(_reason(event, account), _LONG),
        source=visible(event.source, _SHORT),
        agent=visible(event.user_agent, _SHORT),
        id=visible(event.request_id, _SHORT),
    )


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
