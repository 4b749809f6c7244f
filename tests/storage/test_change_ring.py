"""The ring of announcements: what it tells, and that it tells nothing that is not certain."""

import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.storage import change_ring
from daypass.storage.change_counter import ChangeCounter, counter_beside
from daypass.storage.change_ring import MOST_BYTES, SLOTS, RingEntry


@pytest.fixture
def counter(tmp_path: Path) -> ChangeCounter:
    """Return a change counter with its ring."""
    return ChangeCounter(tmp_path / "counter")


def ring_of(counter: ChangeCounter) -> Path:
    """Return the file of the ring."""
    return counter._ring._path


def told(counter: ChangeCounter, seen: int) -> list[int] | None:
    """Return the numbers of the writes that another process learns which knows `seen`."""
    return known_to(ChangeCounter(counter._path), seen)


def known_to(reader: ChangeCounter, seen: int) -> list[int] | None:
    """Return the numbers of the writes that a process learns."""
    entries = reader.announced(seen, reader.value[0])
    return None if entries is None else sorted(entry.number for entry in entries)


def test_each_mapping_learns_the_writes_of_the_others(tmp_path: Path) -> None:
    """A reader learns all writes since the counter that it knows, with their changes."""
    here, there = (ChangeCounter(tmp_path / "counter") for _ in range(2))
    seen = here.value[0]
    here.announce(1, b"one")
    there.announce(2, b"two")
    assert there.announced(seen, there.value[0]) == [RingEntry(2, b"two"), RingEntry(1, b"one")]


def test_a_write_without_an_entry_breaks_the_chain(counter: ChangeCounter) -> None:
    """Its commit may have failed, or version 0.1.0 wrote: only the database knows. Later writes can be followed."""
    first = counter.value[0]
    counter.announce(1, b"")
    counter.bump()
    assert told(counter, first) is None
    second = counter.value[0]
    counter.announce(3, b"")
    assert told(counter, first) is None
    assert told(counter, second) == [3]


@pytest.mark.parametrize("changes", [None, b"x" * (MOST_BYTES + 1)])
def test_too_many_changes_are_not_announced(counter: ChangeCounter, changes: bytes | None) -> None:
    """The counter changes all the same, so the others ask the database."""
    seen = counter.value[0]
    counter.announce(1, changes)
    assert counter.value[0] != seen
    assert told(counter, seen) is None


def test_the_largest_entry_fits(counter: ChangeCounter) -> None:
    """It fills its slot, and does not touch the next one."""
    seen = counter.value[0]
    for number in range(1, 4):
        counter.announce(number, b"%d" % number * MOST_BYTES)
    assert told(counter, seen) == [1, 2, 3]


def test_a_reader_that_is_too_late_learns_nothing(counter: ChangeCounter) -> None:
    """The ring has the last 64 writes, exactly."""
    seen = counter.value[0]
    for number in range(SLOTS):
        counter.announce(number, b"")
    assert told(counter, seen) == list(range(SLOTS))
    counter.announce(SLOTS, b"")
    assert told(counter, seen) is None


def _truncate(path: Path) -> None:
    os.truncate(path, 100)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _cut_the_newest(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _delete(path: Path) -> None:
    path.unlink()


def _open_to_others(path: Path) -> None:
    path.chmod(0o666)


def _link(path: Path) -> None:
    moved = path.with_name("elsewhere")
    path.rename(moved)
    path.symlink_to(moved)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _garbage(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


_HARM = [_truncate, _empty, _cut_the_newest, _delete, _open_to_others, _link, _pipe, _folder, _garbage]


@pytest.mark.parametrize("harm", _HARM)
def test_a_damaged_ring_tells_nothing_and_stops_no_writer(counter: ChangeCounter, harm: Callable[[Path], None]) -> None:
    """A reader learns nothing, never a part; a writer changes the counter."""
    seen = counter.value[0]
    counter.announce(1, b"one")
    harm(ring_of(counter))
    assert told(counter, seen) is None
    before = counter.value[0]
    counter.announce(2, b"two")
    assert counter.value[0] != before
    assert told(counter, seen) is None
    assert told(counter, before) in (None, [2])


def test_a_file_of_another_user_is_not_read(counter: ChangeCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user could hide a revocation with it."""
    reader, seen = ChangeCounter(counter._path), counter.value[0]
    counter.announce(1, b"one")
    monkeypatch.setattr(reader._ring, "_owners", frozenset({os.geteuid() + 1}))
    assert known_to(reader, seen) is None


def test_a_process_knows_its_own_writes_without_the_file(counter: ChangeCounter) -> None:
    """It reads the file for the writes of others, and a write of another ends what it knows by itself."""
    seen = counter.value[0]
    counter.announce(1, b"one")
    counter.announce(2, b"two")
    ring_of(counter).write_bytes(b"")
    assert known_to(counter, seen) == [1, 2]
    ChangeCounter(counter._path).bump()
    assert known_to(counter, seen) is None


def test_a_process_remembers_its_last_writes_alone(counter: ChangeCounter) -> None:
    """It keeps as many as the file: exactly 64."""
    seen = counter.value[0]
    for number in range(SLOTS):
        counter.announce(number, b"")
    ring_of(counter).write_bytes(b"")
    assert known_to(counter, seen) == list(range(SLOTS))
    counter.announce(SLOTS, b"")
    assert known_to(counter, seen) is None


def test_the_ring_is_as_private_as_the_database(tmp_path: Path) -> None:
    """It has the mode of the database."""
    database = tmp_path / "daypass.db"
    database.touch(mode=0o600)
    counter_beside(database)
    assert stat.S_IMODE((tmp_path / "daypass.db-beacon-ring").stat().st_mode) == 0o600


def test_an_old_ring_continues(tmp_path: Path) -> None:
    """A process that starts later continues the sequence of the file."""
    first = ChangeCounter(tmp_path / "counter")
    first.announce(1, b"")
    seen = first.value[0]
    second = ChangeCounter(tmp_path / "counter")
    second.announce(2, b"")
    assert told(first, seen) == [2]


def test_a_writer_without_the_ring_is_noticed(counter: ChangeCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that appears while an entry is written makes the reader ask: its writer announced nothing."""
    seen = counter.value[0]
    write, calls = os.pwrite, count()

    def write_beside_another(descriptor: int, data: bytes, offset: int) -> int:
        if next(calls) == 1:
            counter.bump()
        return write(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", write_beside_another)
    counter.announce(1, b"")
    assert told(counter, seen) is None


def test_an_interrupted_writer_makes_others_ask(counter: ChangeCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it stood still, writers that did not get the lock may have set the counter."""
    seen = counter.value[0]
    monkeypatch.setattr(change_ring, "_INTERRUPTED_SECONDS", 0.0)
    counter.announce(1, b"")
    assert told(counter, seen) is None


def test_a_held_lock_stops_no_writer(counter: ChangeCounter) -> None:
    """A writer that stands still with the lock makes the others write without an entry."""
    seen = counter.value[0]
    with counter._ring._locked():
        other = ChangeCounter(counter._path)
        other.announce(1, b"")
    assert counter.value[0] != seen
    assert told(counter, seen) is None


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(0, SLOTS * change_ring.SLOT_BYTES + 64), st.integers(1, 255)), max_size=4))
def test_changed_bytes_never_tell_a_part(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    """Whichever bytes of the file change, a reader learns all writes or nothing."""
    counter = ChangeCounter(tmp_path_factory.mktemp("ring") / "counter")
    seen = counter.value[0]
    for number in range(1, 5):
        counter.announce(number, b"%d" % number)
    data = bytearray(ring_of(counter).read_bytes())
    for place, difference in flips:
        data[place % len(data)] ^= difference
    ring_of(counter).write_bytes(data)
    assert told(counter, seen) in (None, [1, 2, 3, 4])
