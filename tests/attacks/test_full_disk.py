"""The audit log on a full disk, and on a pipe that is not read."""

import io
import json
import os
import resource
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from daypass.audit.event import AuditRecord
from daypass.audit.sinks import LineSink, open_sink
from daypass.audit.targets import LogFile, Stream
from daypass.authenticate.caller import root_caller
from daypass.errors import AccessDenied
from daypass.wire.http import HttpRequest

LINES = (b'{"a":1}\n', b'{"b":22}\n', b'{"c":333}\n')
BEFORE = b'{"before":0}\n'
CALLER = root_caller("123456789012", "AKIAIOSFODNN7EXAMPLE")
REQUEST = HttpRequest("POST", b"/", b"", ((b"user-agent", b"aws-cli/2"),), b"", "192.0.2.1", False)
START = datetime(2026, 11, 1, tzinfo=UTC)


class Watch:
    """Stores the health reports of a sink."""

    def __init__(self) -> None:
        self.lost = 0
        self.failing: list[bool] = []
        self.failed = threading.Event()

    def audit_lost(self, count: int) -> None:
        """Add to the count."""
        self.lost += count

    def audit_failing(self, *, is_failing: bool) -> None:
        """Store the state."""
        self.failing.append(is_failing)
        self.failed.set()


def event(number: int, action: str = "AssumeRole", **changed: Any) -> AuditRecord:
    """Return one successful call; each has its own second."""
    at = START + timedelta(seconds=number)
    made = AuditRecord(at, str(number), REQUEST, "sts", action, "us-east-1", CALLER.access_key_id, CALLER, None, None)
    return msgspec.structs.replace(made, **changed)


@contextmanager
def room_for(count: int) -> Iterator[None]:
    """Limit the size of files, like a full disk or a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def lines_of(path: Path) -> list[Any]:
    """Return the lines of a log. Each must be complete."""
    text = path.read_bytes()
    assert text.endswith(b"\n") or not text
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("room", range(sum(map(len, LINES)) + 1))
def test_a_line_without_room_is_taken_back(tmp_path: Path, room: int) -> None:
    """The file contains complete lines only.

    Every event that was reported as written is there.
    """
    path = tmp_path / "audit"
    log = LogFile(str(path))
    assert log.write([BEFORE]).lines == 1
    with room_for(len(BEFORE) + room):
        written = log.write(LINES)
    assert (written.problem is None) is (room == sum(map(len, LINES)))
    assert path.read_bytes() == BEFORE + b"".join(LINES[: written.lines])
    assert log.write(LINES[written.lines :]).problem is None
    assert path.read_bytes() == BEFORE + b"".join(LINES)
    log.close()


@pytest.mark.parametrize("room", range(sum(map(len, LINES)) + 1))
def test_a_line_that_cannot_be_taken_back_does_not_damage_the_next_one(tmp_path: Path, room: int) -> None:
    """Standard output cannot be truncated.

    Each event is one complete line there once; incomplete lines are not events.
    """
    path = tmp_path / "audit"
    with path.open("wb", buffering=0) as file:
        stream = Stream(file)
        with room_for(room):
            done = stream.write(LINES).lines
        assert stream.write([*LINES[done:], BEFORE]).problem is None
    found = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in found if line in {*LINES, BEFORE}]
    assert whole == [*LINES, BEFORE]
    assert len(found) - len(whole) <= 1


def test_what_another_process_left_unfinished_is_ended_first(tmp_path: Path) -> None:
    """A process that died, or an older version, may have left half a line."""
    path = tmp_path / "audit"
    path.write_bytes(BEFORE + b'{"half":')
    log = LogFile(str(path))
    log.write(LINES)
    log.close()
    assert path.read_bytes() == BEFORE + b'{"half":\n' + b"".join(LINES)


def test_several_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    """Workers share the file; each line is complete, even if one disk is full."""
    path, each = tmp_path / "audit", 200
    wide = [
        b'{"from":%d,"number":%d,"pad":"%b"}\n' % (who, number, b"x" * 5_000)
        for who in range(3)
        for number in range(each)
    ]
    logs = [LogFile(str(path)) for _ in range(3)]

    def write(who: int) -> None:
        left = wide[who * each : (who + 1) * each]
        while left:
            left = left[logs[who].write(left[:7]).lines :]

    threads = [threading.Thread(target=write, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines_of(path)
    assert [[one["number"] for one in found if one["from"] == who] for who in range(3)] == [list(range(each))] * 3


def test_a_disk_that_was_full_gets_every_event_once_and_in_order(tmp_path: Path) -> None:
    """Events that cannot be written wait, and are written once there is room.

    The number of waiting events is limited.
    """
    path, watch = tmp_path / "audit", Watch()
    sink = open_sink(str(path), watch)
    with room_for(1_000):
        for number in range(200):
            sink(event(number))
        assert watch.failed.wait(30)
    sink.close()
    assert [one["requestID"] for one in lines_of(path)] == [str(number) for number in range(200)]
    assert (watch.lost, watch.failing) == (0, [True, False])


def test_the_log_says_exactly_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record with counts by action and outcome replaces the events of each gap.

    There may be a second gap, if the writer takes in the last events after the disk has room again.
    """
    monkeypatch.setattr("daypass.audit.line_queue._MOST_QUEUED", 20_000)
    path, watch = tmp_path / "audit", Watch()
    sink = open_sink(str(path), watch)
    with room_for(0):
        for number in range(3_000):
            fault = AccessDenied("no") if number % 3 == 0 else None
            sink(event(number, "CreateUser" if number % 2 else "AssumeRole", fault=fault))
        assert watch.failed.wait(30)
    sink.close()
    found = lines_of(path)
    kept = [one for one in found if one["eventName"] != "AuditEventsLost"]
    records = [one for one in found if one["eventName"] == "AuditEventsLost"]
    gaps = [one["additionalEventData"]["lost"] for one in records]
    numbers = [int(one["requestID"]) for one in kept]
    missing = sorted(set(range(3_000)) - set(numbers))
    assert numbers == sorted(numbers)
    assert len(kept) > 10
    assert 1 <= len(gaps) <= 2
    assert sum(gap["count"] for gap in gaps) == watch.lost == len(missing)
    assert gaps[0]["firstTime"] == (START + timedelta(seconds=missing[0])).isoformat().replace("+00:00", "Z")
    assert gaps[-1]["lastTime"] == (START + timedelta(seconds=missing[-1])).isoformat().replace("+00:00", "Z")
    wanted = Counter(
        ("CreateUser" if number % 2 else "AssumeRole", "AccessDenied" if number % 3 == 0 else "") for number in missing
    )
    told: Counter[tuple[str, str]] = Counter()
    for one in [event for gap in gaps for event in gap["events"]]:
        told[one["eventName"], one["errorCode"]] += one["count"]
    assert told == wanted
    assert {one["eventType"] for one in records} == {"AwsServiceEvent"}


def test_events_after_a_loss_are_recorded_behind_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gap has its own record, at its place in the order."""
    monkeypatch.setattr("daypass.audit.line_queue._MOST_QUEUED", 5_000)
    path, watch, number = tmp_path / "audit", Watch(), 0
    sink = open_sink(str(path), watch)
    for _ in range(2):
        watch.failed.clear()
        with room_for(0):
            for _ in range(1_500):
                sink(event(number := number + 1))
            assert watch.failed.wait(30)
        watch.failed.clear()
        assert watch.failed.wait(30)
    sink(event(number + 1))
    sink.close()
    total = 0
    for one in lines_of(path):
        lost = one.get("additionalEventData", {}).get("lost")
        total += lost["count"] if lost else 1
        if lost is None:
            assert one["requestID"] == str(total), "each event stands behind all that were before it"
    assert total == number + 1
    assert watch.failing == [True, False] * 2


def test_what_is_not_written_at_the_end_is_counted_in_the_servers_log(tmp_path: Path) -> None:
    """A server that stops on a full disk logs the number."""
    watch = Watch()
    sink = open_sink(str(tmp_path / "audit"), watch)
    with capture_logs() as logged, room_for(0):
        for number in range(7):
            sink(event(number))
        sink.close()
    assert watch.lost == 7
    assert [line["events_lost"] for line in logged if "events_lost" in line] == [7]
    assert (tmp_path / "audit").read_bytes() == b""


def test_a_reader_that_stalls_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls do not wait for a full pipe. Events wait within the limit, then they are counted."""
    monkeypatch.setattr("daypass.audit.line_queue._MOST_QUEUED", 100_000)
    watch = Watch()
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = LineSink(stream, watch)
        for number in range(2_000):
            sink(event(number))
        assert watch.failed.wait(30)
        assert watch.lost > 0
        got = io.BytesIO()
        reader = threading.Thread(target=_read_all, args=(reading, got))
        reader.start()
        sink.close()
    reader.join()
    found = [json.loads(line) for line in got.getvalue().splitlines()]
    records = [one["additionalEventData"]["lost"]["count"] for one in found if one["eventName"] == "AuditEventsLost"]
    assert len(found) - len(records) + sum(records) == 2_000
    assert sum(records) == watch.lost


def test_the_end_does_not_wait_for_a_reader_that_stalls() -> None:
    """A server that gets a stop signal stops."""
    watch = Watch()
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = LineSink(stream, watch)
        for number in range(1_000):
            sink(event(number))
        sink.close()
    got = io.BytesIO()
    _read_all(reading, got)
    assert len(got.getvalue().splitlines()) + watch.lost == 1_000
    assert watch.lost > 0


def test_a_reader_that_is_gone_ends_nothing() -> None:
    """A write to a closed pipe fails, and is counted like a full disk."""
    watch = Watch()
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = LineSink(stream, watch)
        sink(event(0))
        assert watch.failed.wait(30)
        sink(event(1))
        sink.close()
    assert watch.lost == 2


def test_a_device_without_room_is_a_full_disk() -> None:
    """/dev/full reports for each write that there is no space."""
    watch = Watch()
    sink = open_sink("/dev/full", watch)
    sink(event(0))
    assert watch.failed.wait(30)
    sink.close()
    assert (watch.lost, watch.failing) == (1, [True])


def _read_all(descriptor: int, into: io.BytesIO) -> None:
    with os.fdopen(descriptor, "rb") as file:
        into.write(file.read())
