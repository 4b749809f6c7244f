"""The memory in which the workers of a node share their metrics.

Owns its layout. A scrape reaches one worker, which adds the readings of the others; without them, counters would jump
from scrape to scrape. The memory is anonymous and made before the workers are forked: it needs no file, so it works on
a read-only file system, and it ends with the last process.

Each worker has one slot. A slot has two halves, so that a worker that dies while it writes leaves the earlier readings
intact. A worker that is started again finds the readings of its predecessor in its slot, and goes on from their
counters.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from daypass.metrics.snapshot import Snapshot, counters, decode, encode, merge

HALF_BYTES = 512 * 1024
"""The most bytes of one worker's readings. Pages that are not written take no memory."""

_HEAD = struct.Struct("=QQ")  # the half that counts, the process id
_PART = struct.Struct("=II")  # length and checksum
_SLOT = mmap.PAGESIZE + 2 * HALF_BYTES


class WorkerMemory:
    """Slots for the readings of each worker."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, workers * _SLOT)

    def open(self, slot: int) -> "SharedSlot":
        """Return the slot of this worker."""
        past: Snapshot = {}
        before = self.read(slot)
        if before is not None:
            merge(past, counters(before))
        return SharedSlot(self, slot, past)

    def write(self, slot: int, snapshot: Snapshot) -> bool:
        """Replace the readings of a slot. Return whether they fit."""
        text = encode(snapshot)
        if len(text) > HALF_BYTES - _PART.size:
            return False
        start = slot * _SLOT
        half = 1 - _HEAD.unpack_from(self._memory, start)[0] % 2
        place = start + mmap.PAGESIZE + half * HALF_BYTES
        self._memory[place + _PART.size : place + _PART.size + len(text)] = text
        _PART.pack_into(self._memory, place, len(text), zlib.crc32(text))
        # Last: from here on, the new half counts.
        _HEAD.pack_into(self._memory, start, half, os.getpid())
        return True

    def read(self, slot: int) -> Snapshot | None:
        """Return the readings of a slot, or None if there are none."""
        start = slot * _SLOT
        for _ in range(3):  # the worker may write meanwhile
            half, pid = _HEAD.unpack_from(self._memory, start)
            if not pid:
                return None
            place = start + mmap.PAGESIZE + half * HALF_BYTES
            length, checksum = _PART.unpack_from(self._memory, place)
            text = self._memory[place + _PART.size : place + _PART.size + min(length, HALF_BYTES)]
            if zlib.crc32(text) == checksum:
                with suppress(msgspec.DecodeError, KeyError):
                    return decode(text)
        return None

    def others(self, own: int) -> Iterator[Snapshot]:
        """Yield the readings of all other workers.

        Those of a dead one are its counters only.
        """
        for slot in range(self._workers):
            snapshot = None if slot == own else self.read(slot)
            if snapshot is not None:
                yield snapshot if self._is_alive(slot) else counters(snapshot)

    def _is_alive(self, slot: int) -> bool:
        pid = _HEAD.unpack_from(self._memory, slot * _SLOT)[1]
        with suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False


@dataclass(frozen=True, slots=True)
class SharedSlot:
    """One worker's place. `past` has the counters of those that had it before."""

    memory: WorkerMemory
    number: int
    past: Snapshot

    def publish(self, own: Snapshot) -> Snapshot:
        """Leave this worker's readings for the others. Return the sum of all."""
        total: Snapshot = {}
        merge(total, self.past)
        merge(total, own)
        self.memory.write(self.number, total)
        node: Snapshot = {}
        merge(node, total)
        for other in self.memory.others(self.number):
            merge(node, other)
        return node
