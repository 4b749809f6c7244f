"""Caches never honour a right that another history revoked, whatever happens to the database.

The machine is tests/storage/histories.py. Each cure is also undone, and the machine must find the fault: a machine that
finds nothing proves nothing.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.storage.histories import Histories

from daypass.directory.store import Changes, Position
from daypass.storage.cache import StoreCache

pytestmark = pytest.mark.slow
_RUN = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


class _KeepsAnySnapshot(StoreCache):
    """A cache that compares the numbers of snapshots alone."""

    def _keep(self, key: Any, loaded: Any, position: Position) -> None:
        if position.number >= self._position.number:
            self._entries.put(key, loaded)


class _ForgetsSnapshotsAhead(StoreCache):
    """A cache that does not verify newer snapshots against the next answer."""

    def _follow(self, changes: Changes, ahead: frozenset[Position]) -> bool:
        self._ahead.clear()
        return super()._follow(changes, ahead)


def _machine(cache: type[StoreCache]) -> type[Histories]:
    return type("BrokenHistories", (Histories,), {"make_cache": staticmethod(cache)})


def test_no_right_outlives_its_revocation() -> None:
    """Writes, polls, pauses, partitions, failovers and restores in any order."""
    run_state_machine_as_test(Histories, settings=settings(_RUN, max_examples=100))


@pytest.mark.parametrize("cache", [_KeepsAnySnapshot, _ForgetsSnapshotsAhead])
def test_the_machine_notices_that_snapshots_are_not_compared(cache: type[StoreCache]) -> None:
    """A value read just before a failover stays, if nobody asks whether its snapshot is in the new history."""
    with pytest.raises(AssertionError, match="late"):
        run_state_machine_as_test(_machine(cache), settings=settings(_RUN, max_examples=500))


def test_the_machine_notices_that_nonces_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal nonces, positions are numbers alone, as in version 0.1.0."""
    monkeypatch.setattr(os, "urandom", bytes)
    with pytest.raises(AssertionError, match="late"):
        run_state_machine_as_test(_machine(StoreCache), settings=settings(_RUN, max_examples=500))
