"""The spool: no accepted event is lost, and none is repeated behind its position."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.audit_sinks.receivers import ids, line

from daypass.audit.delivery.delivery import SpooledCopies, waiting_events
from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.audit.delivery.spool import SEGMENT_BYTES, Spool, adopt_spool, create_spool

_ALL = {"most_events": 1_000_000, "most_bytes": 1 << 30}
_LIMIT = 8 * 1024 * 1024


def _numbers(spool: Spool, sink: str = "a") -> list[int]:
    batch = spool.next_batch(sink, **_ALL)
    return [] if batch is None else ids(list(batch.lines))


def _reopened(spool: Spool) -> Spool:
    """Return the spool as another process finds it after SIGKILL."""
    os.close(spool._lock_file)
    found = adopt_spool(spool.directory)
    assert found is not None
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["append", "append", "send", "accept", "crash"]), max_size=25))
def test_each_sink_gets_every_event_in_order(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> None:
    """A crash at any moment repeats at most the batch that was being sent, and changes none of its lines."""
    spool = create_spool(tmp_path_factory.mktemp("spool"), ["a", "b"])
    written, accepted, count = [], list[int](), 0
    batch = None
    for step in steps:
        if step == "append" and spool._is_own:
            spool.append([line(count), line(count + 1)])
            written += [count, count + 1]
            count += 2
        elif step == "send":
            again = spool.next_batch("a", most_events=3, most_bytes=1 << 20)
            if batch is not None:
                assert again is not None
                assert again.lines == batch.lines
            batch = again
        elif step == "accept" and batch is not None:
            spool.accept("a", batch)
            accepted += ids(list(batch.lines))
            batch = None
        elif step == "crash":
            spool = _reopened(spool)
    while (last := spool.next_batch("a", most_events=3, most_bytes=1 << 20)) is not None:
        spool.accept("a", last)
        accepted += ids(list(last.lines))
    assert accepted == written
    assert spool.lag("b")[0] == len(written)
    spool.close()


def test_a_cut_line_is_not_read(tmp_path: Path) -> None:
    """A process that is killed during a write leaves a part of a line."""
    spool = create_spool(tmp_path, ["a"])
    spool.append([line(1)])
    with (spool.directory / "00000001.jsonl").open("ab") as file:
        file.write(line(2)[:40])
    assert _numbers(_reopened(spool)) == [1]


def test_a_file_that_lost_its_end_is_read_up_to_there(tmp_path: Path) -> None:
    """A loss of power can keep the position, and lose the events before it."""
    spool = create_spool(tmp_path, ["a", "b"])
    spool.append([line(1), line(2)])
    batch = spool.next_batch("a", **_ALL)
    assert batch is not None
    spool.accept("a", batch)
    os.truncate(spool.directory / "00000001.jsonl", len(line(1)) + 5)
    again = _reopened(spool)
    assert again.lag("a") == (0, 0)
    assert _numbers(again, "b") == [1]


def test_a_deleted_file_is_an_error(tmp_path: Path) -> None:
    """Another program has deleted the spool: the sink must not seem to wait for events."""
    spool = create_spool(tmp_path, ["a"])
    spool.append([line(1)])
    (spool.directory / "00000001.jsonl").unlink()
    with pytest.raises(FileNotFoundError):
        spool.next_batch("a", **_ALL)


def test_a_locked_spool_is_left_alone(tmp_path: Path) -> None:
    """Only one process sends the events of a spool."""
    spool = create_spool(tmp_path, ["a"])
    assert adopt_spool(spool.directory) is None
    assert not list(tmp_path.glob(".*"))


def test_an_empty_spool_is_removed_at_the_end(tmp_path: Path) -> None:
    """A normal stop leaves no files."""
    spool = create_spool(tmp_path, ["a"])
    spool.append([line(1)])
    batch = spool.next_batch("a", **_ALL)
    assert batch is not None
    spool.accept("a", batch)
    spool.close()
    assert not list(tmp_path.iterdir())


def test_a_spool_with_events_stays(tmp_path: Path) -> None:
    """Events that a sink has not accepted wait for the next start."""
    spool = create_spool(tmp_path, ["a", "b"])
    spool.append([line(1), line(2)])
    batch = spool.next_batch("a", **_ALL)
    assert batch is not None
    spool.accept("a", batch)
    spool.close()
    waiting = waiting_events(tmp_path)
    assert (waiting["a"].events, waiting["b"].events) == (0, 2)
    assert waiting["b"].size == len(line(1) + line(2))


def test_a_segment_is_deleted_once_every_sink_has_it(tmp_path: Path) -> None:
    """The slowest sink decides."""
    spool = create_spool(tmp_path, ["a", "b"])
    large = line(1, userAgent="x" * SEGMENT_BYTES)
    for _ in range(2):
        spool.append([large])
    spool.append([line(2)])
    for sink in ("a", "b"):
        assert len(list(spool.directory.glob("*.jsonl"))) == 3
        for _ in range(2):
            batch = spool.next_batch(sink, most_events=1, most_bytes=2 * SEGMENT_BYTES)
            assert batch is not None
            spool.accept(sink, batch)
    assert [path.name for path in spool.directory.glob("*.jsonl")] == ["00000003.jsonl"]


def test_a_sink_behind_its_limit_loses_the_oldest_events(tmp_path: Path) -> None:
    """The events are counted, and the next batch reports them, again with the same id after a crash."""
    copies = SpooledCopies([AuditSinkSetting("a", "stdout", spool_megabytes=8)], tmp_path)
    large = line(7, userAgent="x" * SEGMENT_BYTES)
    for _ in range(3):
        copies.copy([large])
    spool = copies.spool
    assert spool.lag("a")[0] == 1
    assert spool.dropped("a") == 2
    batch = spool.next_batch("a", most_events=1, most_bytes=1)
    assert batch is not None
    assert batch.reported.count == 2
    again = _reopened(spool).next_batch("a", most_events=1, most_bytes=1)
    assert again is not None
    assert again.reported == batch.reported


def test_the_only_record_refuses_events_instead(tmp_path: Path) -> None:
    """Without another log, no event is dropped for a newer one."""
    sink = AuditSinkSetting("a", "stdout", spool_megabytes=8)
    copies = SpooledCopies([sink], tmp_path, is_only_record=True)
    large = line(7, userAgent="x" * SEGMENT_BYTES)
    results = [copies.write([large]) for _ in range(3)]
    assert [each.lines for each in results] == [1, 1, 0]
    assert "the sink a is behind" in str(results[2].problem)
    assert copies.spool.dropped("a") == 0


_FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path
from daypass.audit.delivery.delivery import SpooledCopies
from daypass.audit.delivery.sink_settings import AuditSinkSetting
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
copies = SpooledCopies([AuditSinkSetting("a", "stdout")], Path(sys.argv[1]))
line = json.dumps({"eventTime": "2026-11-30T22:15:00Z", "eventID": "0" * 900}).encode() + b"\\n"
resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
for _ in range(5):
    copies.copy([line])
print(json.dumps([copies.spool.lag("a"), copies.spool.dropped("a")]))
copies.close()
"""


def test_a_full_disk_drops_whole_events_and_counts_them(tmp_path: Path) -> None:
    """The part of a line that did fit is removed again."""
    done = subprocess.run([sys.executable, "-c", _FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    (events, size), dropped = json.loads(done.stdout.splitlines()[-1])
    assert (events, dropped) == (1, 4)
    assert done.stdout.count("audit_spool_not_written") + done.stderr.count("audit_spool_not_written") == 1
    files = [path.read_bytes() for path in tmp_path.glob("*/*.jsonl")]
    assert len(b"".join(files)) == size
