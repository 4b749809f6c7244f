"""Writers are killed again and again: what was answered is kept, and the store stays whole.

`make crash-rounds` kills them 100 times for each store.
"""

import os
from contextlib import ExitStack

import pytest
from tests.storage.conftest import HandClock
from tests.storage.processes import go, read, worker

from daypass.directory.store import Reader, Store
from daypass.storage.open import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

ROUNDS = int(os.environ.get("DAYPASS_TEST_CRASH_ROUNDS", "3"))
WORKERS = 2
ACCOUNTS = tuple(f"{thread:012}" for thread in range(3))
LEAST_ANSWERS = 12  # of each worker before it is killed


def test_every_answered_write_survives_every_kill(database_url: str, clock: HandClock) -> None:
    """Each answered write is present once, counts are those of the records, and the log has every revision."""
    answered: set[str] = set()
    for number in range(ROUNDS):
        new = _write_and_be_killed(database_url, number)
        assert answered.isdisjoint(new)
        answered |= new
        store = open_store(database_url, clock=clock)
        _require_whole(store, answered)
        store.close()


def _write_and_be_killed(url: str, number: int) -> set[str]:
    """Return the names of the answered writes of one round."""
    answered: list[str] = []
    with ExitStack() as stack:
        firsts = range(number * WORKERS, (number + 1) * WORKERS)
        workers = [stack.enter_context(worker(url, "write_in_accounts", first)) for first in firsts]
        for process in workers:
            go(process)
        for process in workers:
            # The number of answers differs from round to round, so that the kill hits other moments.
            answered += [read(process) for _ in range(LEAST_ANSWERS + number % 7)]
        for process in workers:
            process.kill()
        for process in workers:
            rest = process.stdout.read() if process.stdout else ""
            answered += rest.split()
    assert len(answered) == len(set(answered))
    return set(answered)


def _require_whole(store: Store, answered: set[str]) -> None:
    with store.read() as reader:
        kept = _kept(reader)
        assert answered <= kept, "an answered write is missing"
        revision = reader.revision()
    # Each write inserted one record. The writers' lock has the number, and the log has the position.
    assert revision == len(kept)
    with store.write() as writer:
        assert writer.revision() == revision + 1
    assert store.position().number == revision


def _kept(reader: Reader) -> set[str]:
    found: list[str] = []
    for account in ACCOUNTS:
        records = reader.page("kept", account, limit=1_000_000)
        assert reader.count("kept", account) == len(records)
        assert all(reader.find_by_id(record.key) == record for record in records[-20:])
        found += [f"{account}/{record.key}" for record in records]
    assert len(found) == len(set(found))
    return set(found)
