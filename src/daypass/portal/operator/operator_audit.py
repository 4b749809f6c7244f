"""The audit page: the account's requests, with a search.

Owns the search and the visible part of an event. Leaves reading the log to audit_reader.py. Hidden are:

* The reason that a role of another account refused a caller: it would disclose whether the role exists, and its
  conditions.
* The reason that the documents of an issuer could not be fetched: an account that can register an issuer could use it
  to scan the hosts and ports of an internal network.

The audit log, for the server's operator, contains both reasons.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from daypass.errors import IDPCommunicationError
from daypass.federation.oidc import oidc_messages as oidc_words
from daypass.portal.operator.audit_reader import LoggedEvent, events_from_end, find_position
from daypass.wire.visible_text import visible

ADDRESS = "/operator/audit"
_SHOWN = 50
_MOST_REASONS = 12
_LONGEST_SEARCH, _LONGEST_CODE, _LONGEST_TIME = 200, 100, 32
_SHORT, _LONG, _LONGEST = 200, 1_100, 4_000
_ACCOUNTS = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])", re.ASCII)
_OTHER_SIDE = "the reason is visible only to the other account"
_NOT_FETCHED = "the issuer's documents could not be fetched or used; the reason is in the server's audit log"
_OF_FETCHING = frozenset({oidc_words.UNREACHABLE, oidc_words.NO_KEY, oidc_words.WRONG_THUMBPRINT})
_SUCCEEDED, _REFUSED = "succeeded", "refused"
_WRITTEN = "%Y-%m-%dT%H:%M:%S"
# Threads write events in nearly the order of their times.
_OUT_OF_ORDER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """A search, and the position to read backwards from.

    `outcome` is "succeeded", "refused" or empty. Position 0 is the end of the log. Times are in UTC.
    """

    text: str = ""
    outcome: str = ""
    code: str = ""
    person: str = ""
    role: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int = 0

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of the form that have a value."""
        given = {
            "q": self.text,
            "outcome": self.outcome,
            "code": self.code,
            "person": self.person,
            "role": self.role,
            "key": self.key,
            "since": _as_field(self.since),
            "until": _as_field(self.until),
        }
        return {name: value for name, value in given.items() if value}

    def address(self, **changes: Any) -> str:
        """Return the URL of the same search with changes."""
        changed = replace(self, **changes)
        before = {"before": str(changed.before)} if changed.before else {}
        query = urlencode({**changed.fields, **before})
        return f"{ADDRESS}?{query}" if query else ADDRESS

    def matches(self, event: LoggedEvent) -> bool:
        """Tell whether an event has the outcome, the names, the key and the time."""
        who = event.user_identity
        return (
            (not self.outcome or (self.outcome == _REFUSED) == bool(event.error_code))
            and self.code in {"", event.error_code}
            and _has(
                self.person, who.arn, who.principal_id, event.parameter("roleSessionName"), event.parameter("userName")
            )
            and _has(self.role, who.arn, event.parameter("roleArn"), event.parameter("roleName"))
            and self.key in {"", who.access_key_id, event.issued_key, event.parameter("accessKeyId")}
            and (self.since is None or event.event_time >= self.since.strftime(_WRITTEN))
            and (self.until is None or event.event_time[:19] <= self.until.strftime(_WRITTEN))
        )


def _as_field(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M")


def _has(sought: str, *texts: str) -> bool:
    return not sought or any(sought.lower() in text.lower() for text in texts)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One event, with strings that are safe to display."""

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
    key: str
    issued_key: str
    sign_in: str
    parameters: str

    def has(self, words: Sequence[str]) -> bool:
        """Tell whether the entry contains all words."""
        whole = " ".join(getattr(self, name) for name in self.__slots__).lower()
        return all(word in whole for word in words)


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search.

    `codes` counts all refusals in the read part of the log. `older` is the position of the next page, or 0 at its
    start.
    """

    entries: Sequence[AuditEntry]
    codes: Sequence[tuple[str, int]]
    older: int


def read_search(query: Mapping[str, str]) -> AuditSearch:
    """Return the search in a query string. Invalid values are ignored."""
    before, outcome = query.get("before", ""), query.get("outcome", "")
    is_number = before.isascii() and before.isdecimal() and len(before) < 16  # noqa: PLR2004 - a petabyte of log
    text, person, role, key = (query.get(name, "").strip()[:_LONGEST_SEARCH] for name in ("q", "person", "role", "key"))
    return AuditSearch(
        text=text,
        outcome=outcome if outcome in {_SUCCEEDED, _REFUSED} else "",
        code=query.get("code", "")[:_LONGEST_CODE],
        person=person,
        role=role,
        key=key,
        since=_time(query.get("since", "")),
        until=_time(query.get("until", "")),
        before=int(before) if is_number else 0,
    )


def _time(text: str) -> datetime | None:
    """Return the time of a form field, in UTC unless it has an offset, or None."""
    try:
        moment = datetime.fromisoformat(text.strip()[:_LONGEST_TIME])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def find_events(file: str, account: str, search: AuditSearch) -> Found:
    """Return the latest events of an account that match, newest first."""
    codes, entries = Counter[str](), list[AuditEntry]()
    words, older, before = search.text.lower().split(), 0, search.before
    try:
        if not before and search.until is not None:
            before = find_position(file, (search.until + _OUT_OF_ORDER).strftime(_WRITTEN))
        oldest = "" if search.since is None else (search.since - _OUT_OF_ORDER).strftime(_WRITTEN)
    except OverflowError:
        return Found((), (), 0)  # years 1 and 9999
    for place, event in events_from_end(file, account, before):
        if event is not None and event.error_code:
            codes[event.error_code] += event.count
        if len(entries) == _SHOWN:
            continue  # Counted here, shown on the next page.
        older = place
        if event is None:
            continue
        if event.event_time < oldest:
            older = 0
            break
        if search.matches(event):
            entry = _shown(event, account)
            entries += [entry] if entry.has(words) else []
    return Found(entries, codes.most_common(_MOST_REASONS), older)


def _reason(event: LoggedEvent, account: str) -> str:
    reason = (event.additional_event_data or {}).get("detail", "")
    if not isinstance(reason, str) or not reason:
        return ""
    fetched = event.error_code == IDPCommunicationError.code or event.error_message in _OF_FETCHING
    if fetched and reason != oidc_words.NO_FITTING_KEY:
        return _NOT_FETCHED
    named = _ACCOUNTS.findall(msgspec.json.encode(event.request_parameters).decode())
    return reason if set(named) <= {account} else _OTHER_SIDE


def _message(event: LoggedEvent) -> str:
    number = event.count
    return event.error_message if number == 1 else f"{event.error_message} ({number} similar refusals within seconds)"


def _parameters(event: LoggedEvent) -> str:
    given = event.request_parameters
    return "" if not given else visible(msgspec.json.encode(given).decode(errors="replace"), _LONGEST)


def _shown(event: LoggedEvent, account: str) -> AuditEntry:
    who = event.user_identity
    service = event.event_source.partition(".")[0]
    return AuditEntry(
        at=visible(event.event_time, _SHORT),
        who=visible(who.arn or who.principal_id or who.access_key_id, _SHORT),
        action=visible(f"{service}:{event.event_name}", _SHORT),
        resource=visible(event.parameter("roleArn"), _SHORT),
        code=visible(event.error_code, _SHORT),
        message=visible(_message(event), _LONG),
        reason=visible(_reason(event, account), _LONG),
        source=visible(event.source, _SHORT),
        agent=visible(event.user_agent, _SHORT),
        id=visible(event.request_id, _SHORT),
        key=visible(who.access_key_id, _SHORT),
        issued_key=visible(event.issued_key, _SHORT),
        sign_in=visible(event.sign_in, _SHORT),
        parameters=_parameters(event),
    )
