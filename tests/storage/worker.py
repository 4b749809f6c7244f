"""Another process that works on the same store, started by tests.

Its command line is the task. It prints a line when ready, waits for a line, works, and prints the result.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count

import msgspec

from daypass.directory.store import Link, Record, RecordExistsError, Store
from daypass.storage.open import open_store

ACCOUNT = "111111111111"
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)


class FixedClock:
    """A clock that stands at the instant of the tests' clock."""

    def now(self) -> datetime:
        """Return the instant."""
        return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def add_up(store: Store, times: int) -> str:
    """Add one to a shared number again and again. The sum shows lost updates."""
    for _ in range(times):
        with store.write() as writer:
            number = writer.find("number", "", "shared")
            if number is None:
                writer.insert(Record(kind="number", account="", key="shared", sort="shared", body=b"1"))
            else:
                writer.replace(msgspec.structs.replace(number, body=b"%d" % (int(number.body) + 1)))
    return "done"


def take_all(store: Store, times: int) -> str:
    """Claim keys and create records that others claim and create too.

    Return the successes.
    """
    until = FixedClock().now() + timedelta(hours=1)
    ours = [f"claim/{number}" for number in range(times) if store.claim(f"code/{number}", until=until)]
    for number in range(times):
        record = Record(kind="race", account="", key=str(number), sort=str(number), body=b"")
        try:
            with store.write() as writer:
                writer.insert(record)
        except RecordExistsError:
            continue
        ours.append(f"record/{number}")
    return " ".join(ours)


def write_for_ever(store: Store, _times: int) -> str:
    """Write one link after another, and report each completed write, until the process is killed."""
    number = 0
    while True:
        with store.write() as writer:
            writer.link(Link("promised", "a", f"{number:08}"))
        sys.stdout.write(f"{number:08}\n")
        sys.stdout.flush()
        number += 1


def write_in_accounts(store: Store, first: int) -> str:
    """Insert records from three threads, and report each completed write, until the process is killed.

    Each thread has an account. Every fifth write is one of the whole store.
    """

    def write(thread: int) -> None:
        account = f"{thread:012}"
        for turn in count():
            name = f"{first}-{thread}-{turn}"
            with store.write(account=account if turn % 5 else None) as writer:
                writer.insert(Record(kind="kept", account=account, key=name, sort=name, body=b"x", unique_id=name))
            os.write(sys.stdout.fileno(), f"{account}/{name}\n".encode())  # at once, and whole

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(write, thread) for thread in range(3)]:
            done.result()
    return "unreachable"


def touch_once(store: Store, _times: int) -> str:
    """Write once."""
    with store.write() as writer:
        writer.link(Link("touched", "by", "another process"))
    return "done"


TASKS = {task.__name__: task for task in (add_up, take_all, write_for_ever, write_in_accounts, touch_once)}


def main(url: str, task: str, times: str) -> None:
    """Wait for the start, work, and print the result."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    store = open_store(url, clock=FixedClock())
    sys.stdout.write(TASKS[task](store, int(times)) + "\n")
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
