"""Caches never honour a right that another history revoked, whatever happens to the database.

The machine is tests/storage/histories.py. Each cure is also undone, and the oracle must notice the fault in given
steps, which the machine takes by chance too.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.storage.histories import NODES, RIGHTS, Histories

from daypass.directory.changes import Changes, Position
from daypass.storage.cache import StoreCache

_RUN = settings(
    max_examples=200,
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


@pytest.mark.slow
def test_no_right_outlives_its_revocation() -> None:
    """Writes, polls, pauses, partitions, failovers and restores in any order."""
    run_state_machine_as_test(Histories, settings=_RUN)


def _run(cache: type[StoreCache], *events: Callable[[Histories], None]) -> None:
    """Let events happen to three nodes, then use every right on each after a second and a half."""
    machine = type("GivenHistories", (Histories,), {"make_cache": staticmethod(cache)})()
    for event in events:
        event(machine)
        machine.look()
    machine.wait(1.5)
    for node in NODES:
        for right in RIGHTS:
            machine.request(node, right)


def _lose_what_was_read(machine: Histories) -> None:
    machine.lose_what_was_read(0, 0)


def _fail_over_behind(machine: Histories) -> None:
    machine.fail_over_behind(0, 0, behind=3, more=0)


def test_the_oracle_allows_the_cure() -> None:
    """The events of the tests below, with the real cache and nonces."""
    _run(StoreCache, _lose_what_was_read, _fail_over_behind)


@pytest.mark.parametrize("cache", [_KeepsAnySnapshot, _ForgetsSnapshotsAhead])
def test_the_oracle_notices_that_snapshots_are_not_compared(cache: type[StoreCache]) -> None:
    """A value read just before a failover stays, if nobody asks whether its snapshot is in the new history."""
    with pytest.raises(AssertionError, match="late"):
        _run(cache, _lose_what_was_read)


def test_the_oracle_notices_that_nonces_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal nonces, positions are numbers alone, as in version 0.1.0."""
    monkeypatch.setattr(os, "urandom", bytes)
    with pytest.raises(AssertionError, match="late"):
        _run(StoreCache, _fail_over_behind)
