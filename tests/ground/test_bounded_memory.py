"""A bounded memory drops its oldest entries, also with several threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from daypass.bounded_memory import BoundedMemory


def test_the_oldest_entry_leaves_first() -> None:
    """The capacity is kept after every call. Reading does not keep a value."""
    memory: BoundedMemory[str, int] = BoundedMemory(2)
    assert [memory.put(name, number) for number, name in enumerate("abc")] == [0, 1, 2]
    assert [memory.get(name) for name in "abc"] == [None, 1, 2]
    assert len(memory) == 2


def test_a_popped_entry_makes_room() -> None:
    """An entry that is removed and stored again is the newest."""
    memory: BoundedMemory[str, int] = BoundedMemory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.pop("a", 0) == 1
    memory.put("a", 3)
    memory.put("c", 4)
    assert [memory.get(name) for name in "abc"] == [3, None, 4]
    assert memory.pop("b", 0) == 0


def test_a_memory_without_room_holds_the_last_entry_alone() -> None:
    """A capacity of 0 does not loop."""
    memory: BoundedMemory[str, int] = BoundedMemory(0)
    for name in "abc":
        memory.put(name, 1)
    assert len(memory) == 1


@pytest.mark.parametrize("capacity", [1, 3])
def test_threads_share_a_memory(capacity: int) -> None:
    """Concurrent threads neither fail nor exceed the capacity."""
    memory: BoundedMemory[int, int] = BoundedMemory(capacity)

    def fill(start: int) -> None:
        for number in range(start, start + 20_000):
            memory.put(number, number)
            assert memory.get(number) in {None, number}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for filled in [pool.submit(fill, start) for start in range(0, 400_000, 100_000)]:
                filled.result()
    finally:
        sys.setswitchinterval(interval)
    assert len(memory) <= capacity + 3  # each thread may add its own entry after it has made room
