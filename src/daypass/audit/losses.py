"""The events that could not be recorded: how many, which, and when.

Owns the counts by action and outcome, and the record that replaces lost events once the log can be written again. Pure,
for one thread at a time.
"""

from datetime import datetime

import msgspec

from daypass.audit.event import EVENT_VERSION, Event
from daypass.audit.user_identity import UserIdentity

EVENT_NAME = "AuditEventsLost"
_MOST_KINDS = 200  # of action and outcome; all others are counted together
_OTHERS = ("", "")


class _Number(msgspec.Struct, frozen=True):
    count: int


class _More(msgspec.Struct, frozen=True):
    aggregated: _Number = _Number(1)
    lost: _Number = _Number(0)


class _AuditLine(msgspec.Struct, rename="camel"):
    event_name: str
    event_time: datetime
    error_code: str = ""
    additional_event_data: _More = _More()


_decode = msgspec.json.Decoder(_AuditLine).decode


class Losses(msgspec.Struct):
    """Counts of lost events.

    Each `kind` is an action and an error code, empty for a success. `counted` events were known to be lost before.
    """

    count: int = 0
    counted: int = 0
    first: datetime | None = None
    last: datetime | None = None
    kinds: dict[tuple[str, str], int] = msgspec.field(default_factory=dict)

    def add(self, line: bytes) -> int:
        """Count the events that a line represents, and return their number."""
        event = _decode(line)
        before = event.additional_event_data.lost.count
        count = before or event.additional_event_data.aggregated.count
        self.counted += before
        self._add(event.event_name, event.error_code, count)
        self._widen(event.event_time, event.event_time)
        return count

    def merge(self, other: "Losses") -> None:
        """Add events that are known to be lost already."""
        for (action, code), count in other.kinds.items():
            self._add(action, code, count)
        self.counted += other.count
        if other.first is not None and other.last is not None:
            self._widen(other.first, other.last)

    def _add(self, action: str, code: str, count: int) -> None:
        kind = (action, code)
        if kind not in self.kinds and len(self.kinds) >= _MOST_KINDS:
            kind = _OTHERS
        self.kinds[kind] = self.kinds.get(kind, 0) + count
        self.count += count

    def _widen(self, first: datetime, last: datetime) -> None:
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def to_event(self, event_id: str, at: datetime) -> Event:
        """Return the record that describes the events missing before it."""
        kinds = [
            {"eventName": action, "errorCode": code, "count": number}
            for (action, code), number in sorted(self.kinds.items())
        ]
        lost = {"count": self.count, "firstTime": self.first, "lastTime": self.last, "events": kinds}
        return Event(
            EVENT_VERSION,
            "AwsServiceEvent",
            event_id,
            self.last or at,
            "sts.amazonaws.com",
            EVENT_NAME,
            "us-east-1",
            False,  # noqa: FBT003 - by position
            True,  # noqa: FBT003 - by position
            "Management",
            "daypass",
            "daypass",
            "",
            UserIdentity("AWSService"),
            request_parameters=None,
            response_elements=None,
            additional_event_data={"lost": lost},
        )
