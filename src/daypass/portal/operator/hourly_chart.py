"""The chart of sign-ins and refusals per hour, drawn on the server.

Owns counting the account's events and the SVG. The picture has no script, style or link: its classes are in
operator.css. A table beside it has the same numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from daypass.portal.operator.audit_reader import LoggedEvent, events_from_end

HOURS = 24
_SIGN_INS = frozenset({"SAMLSignIn", "OIDCSignIn"})
_FEDERATED = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})
_OUT_OF_ORDER = timedelta(minutes=5)
_WRITTEN = "%Y-%m-%dT%H:%M:%S"
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 960, 240, 48, 16, 32
_LINES = 4


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour: its start, and the numbers of sign-ins and refusals."""

    start: datetime
    sign_ins: int
    refusals: int


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """The last 24 hours, oldest first.

    `is_whole` is False if the log is too large to read all of them.
    """

    hours: Sequence[Hour]
    is_whole: bool

    @property
    def sign_ins(self) -> int:
        """All sign-ins."""
        return sum(hour.sign_ins for hour in self.hours)

    @property
    def refusals(self) -> int:
        """All refusals."""
        return sum(hour.refusals for hour in self.hours)


def count_hours(file: str, account: str, now: datetime) -> HourlyCounts:
    """Return the counts of an account from the audit log.

    A sign-in counts once, in the hour of its first event, however many roles were taken. A role session with an
    assertion or token of its own counts as a sign-in too.
    """
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=HOURS - 1)
    since, oldest = first.strftime(_WRITTEN), (first - _OUT_OF_ORDER).strftime(_WRITTEN)
    signed_in, refused, is_whole = dict[str, str](), dict[str, int](), True
    for place, event in events_from_end(file, account):
        is_whole = not place  # The last place is 0 at the start of the file.
        if event is None:
            continue
        if event.event_time < oldest:
            is_whole = True
            break
        if event.event_time >= since:
            _count(event, place, signed_in, refused)
    counted = list(signed_in.values())
    starts = [first + timedelta(hours=hour) for hour in range(HOURS)]
    names = [start.strftime("%Y-%m-%dT%H") for start in starts]
    hours = [Hour(start, counted.count(name), refused.get(name, 0)) for start, name in zip(starts, names, strict=True)]
    return HourlyCounts(hours, is_whole)


def _count(event: LoggedEvent, place: int, signed_in: dict[str, str], refused: dict[str, int]) -> None:
    hour = event.event_time[:13]
    if event.error_code:
        refused[hour] = refused.get(hour, 0) + event.count
    elif event.event_name in _SIGN_INS | _FEDERATED:
        # Read backwards, so the earliest event of a sign-in is the last one here.
        signed_in[event.sign_in or str(place)] = hour


def draw_hours(counts: HourlyCounts) -> str:
    """Return the chart as SVG."""
    most = _rounded_up(max((max(hour.sign_ins, hour.refusals) for hour in counts.hours), default=0))
    parts = [*_grid(most), *_bars(counts.hours, most), *_labels(counts.hours)]
    title = f"{counts.sign_ins} sign-ins and {counts.refusals} refusals in the last {HOURS} hours"
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" '
        f'aria-label="{title}">{"".join(parts)}</svg>'
    )


def _rounded_up(number: int) -> int:
    """Return the top of the scale: a round number that four lines divide."""
    for step in (1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000):
        if number <= step * _LINES:
            return step * _LINES
    return number


def _height(number: int, most: int) -> float:
    return round(number / most * (_HEIGHT - _TOP - _BOTTOM), 1)


def _grid(most: int) -> Iterator[str]:
    for line in range(_LINES + 1):
        number = most * line // _LINES
        y = _HEIGHT - _BOTTOM - _height(number, most)
        yield f'<path class="grid" d="M{_LEFT} {y}H{_WIDTH}"/>'
        yield f'<text class="tick-label" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{number}</text>'


_SERIES: Mapping[str, str] = {"sign_ins": "bar-sign-ins", "refusals": "bar-refusals"}


def _bars(hours: Sequence[Hour], most: int) -> Iterator[str]:
    room = (_WIDTH - _LEFT) / HOURS
    width = round(room * 0.34, 1)
    for number, hour in enumerate(hours):
        for place, (name, look) in enumerate(_SERIES.items()):
            height = _height(getattr(hour, name), most)
            if height:
                x = round(_LEFT + number * room + room * 0.14 + place * (width + 2), 1)
                y = round(_HEIGHT - _BOTTOM - height, 1)
                yield f'<rect class="{look}" x="{x}" y="{y}" width="{width}" height="{height}" rx="2"/>'


def _labels(hours: Sequence[Hour]) -> Iterator[str]:
    room = (_WIDTH - _LEFT) / HOURS
    for number, hour in enumerate(hours):
        if hour.start.hour % 3 == 0:
            x = round(_LEFT + (number + 0.5) * room, 1)
            yield f'<text class="tick-label" x="{x}" y="{_HEIGHT - 10}" text-anchor="middle">{hour.start:%H}:00</text>'
