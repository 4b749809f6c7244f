"""The readings of one process at one time, and their sum.

Owns how two processes are merged:

- Counters and histograms are added. Those of a worker that has died stay, because counters must not go backwards.
- Gauges of a worker that has died do not count. Those of living workers are added, or the extreme counts, as the table
  says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias, cast

import msgspec

from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.table import METRICS

Labels: TypeAlias = tuple[str, ...]
Value: TypeAlias = float | list[float]
Reading: TypeAlias = tuple[str, Labels, Value]
"""The name of a metric as in the table, the values of its labels, and its value. A histogram has its buckets."""

Source: TypeAlias = Callable[[], Iterable[Reading]]
Snapshot: TypeAlias = dict[str, dict[Labels, Value]]

_ROWS = {**METRICS, **GATEWAY_METRICS}
_GAUGES = frozenset(name for name, row in _ROWS.items() if row.kind == "gauge")


def to_snapshot(readings: Iterable[Reading]) -> Snapshot:
    """Return the readings by name. Raises KeyError for a name without a row."""
    snapshot: Snapshot = {}
    for name, labels, value in readings:
        if name not in _ROWS:
            raise KeyError(name)
        values = snapshot.setdefault(name, {})
        values[labels] = value if labels not in values else _merged(name, values[labels], value)
    return snapshot


def merge(into: Snapshot, other: Snapshot) -> None:
    """Add the values of another process."""
    for name, values in other.items():
        own = into.setdefault(name, {})
        for labels, value in values.items():
            own[labels] = value if labels not in own else _merged(name, own[labels], value)


def counters(snapshot: Snapshot) -> Snapshot:
    """Return the values that remain after the end of their process."""
    return {name: values for name, values in snapshot.items() if name not in _GAUGES}


def encode(snapshot: Snapshot) -> bytes:
    """Return the bytes of a snapshot."""
    return msgspec.msgpack.encode([(name, labels, value) for name, labels, value in _each(snapshot)])


def decode(text: bytes) -> Snapshot:
    """Return the snapshot of these bytes. Raises msgspec.DecodeError."""
    readings = msgspec.msgpack.decode(text, type=list[tuple[str, tuple[str, ...], float | list[float]]])
    # A worker of another version does not exist: all are children of one process.
    return to_snapshot(readings)


def _each(snapshot: Mapping[str, Mapping[Labels, Value]]) -> Iterator[Reading]:
    for name, values in snapshot.items():
        for labels, value in values.items():
            yield name, labels, value


def _merged(name: str, one: Value, other: Value) -> Value:
    row = _ROWS[name]
    if row.kind == "histogram":
        pairs = zip(cast("list[float]", one), cast("list[float]", other), strict=True)
        return [left + right for left, right in pairs]
    left, right = cast("float", one), cast("float", other)
    if row.merge == "max":
        return max(left, right)
    return min(left, right) if row.merge == "min" else left + right
