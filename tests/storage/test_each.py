"""Lists of entities are read page by page, from one snapshot, only as far as needed."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from daypass.directory import records
from daypass.directory.entities.iam_entities import User
from daypass.directory.store import Reader, Store

ACCOUNTS = ("111111111111", "222222222222")
NAMES = ("Ada", "bob", "Cy", "dan", "Eve")


def _user(name: str, account: str) -> User:
    return User(
        id=f"AIDA{account}{name}", account=account, name=name, path="/", created=datetime(2026, 3, 1, tzinfo=UTC)
    )


class Counting:
    """A reader that counts the reads of pages."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.pages = 0

    def __getattr__(self, name: str) -> object:
        self.pages += name == "page"
        return getattr(self._reader, name)


@pytest.fixture
def reader(store: Store) -> Iterator[Reader]:
    """Return a snapshot of two accounts with the same five users."""
    with store.write() as writer:
        for account in ACCOUNTS:
            for name in NAMES:
                records.insert(writer, _user(name, account))
    with store.read() as opened:
        yield opened


@pytest.mark.parametrize("batch", range(1, 12))
def test_each_yields_every_entity_once_whatever_a_page_holds(reader: Reader, batch: int) -> None:
    """The list of an account, and of all accounts, is the same for any page size."""
    one = [user.name for user in records.each(reader, User, ACCOUNTS[0], batch=batch)]
    every = [(user.account, user.name) for user in records.each(reader, User, None, batch=batch)]
    assert one == sorted(NAMES)
    assert every == [(account, name) for account in ACCOUNTS for name in sorted(NAMES)]


def test_each_begins_after_a_place_and_below_a_prefix(reader: Reader) -> None:
    """`after` and `prefix` have the meaning of `Reader.page`."""
    after = records.each(reader, User, ACCOUNTS[0], after="/Eve", batch=1)
    below = records.each_record(reader, User, ACCOUNTS[0], prefix="/b", batch=1)
    assert [user.name for user in after] == ["bob", "dan"]
    assert [record.sort for record in below] == ["/bob"]


def test_a_page_is_read_when_it_is_needed(reader: Reader) -> None:
    """The first page is read for its first entity, and the second only after all of the first."""
    counting = Counting(reader)
    users = records.each(counting, User, ACCOUNTS[0], batch=2)  # type: ignore[arg-type]
    assert counting.pages == 0
    assert [next(users).name, next(users).name, counting.pages] == ["Ada", "Cy", 1]
    assert [next(users).name, counting.pages] == ["Eve", 2]


def test_a_short_page_is_the_last(reader: Reader) -> None:
    """A snapshot does not grow, so that a list of one page costs one read."""
    counting = Counting(reader)
    assert len(list(records.each(counting, User, ACCOUNTS[0], batch=6))) == len(NAMES)  # type: ignore[arg-type]
    assert counting.pages == 1


def test_each_shows_its_snapshot_alone(store: Store, reader: Reader) -> None:
    """A write between two pages is not visible."""
    users = records.each(reader, User, ACCOUNTS[0], batch=1)
    first = next(users).name
    with store.write() as writer:
        records.insert(writer, _user("zoe", ACCOUNTS[0]))
        records.delete(writer, _user("dan", ACCOUNTS[0]))
    assert [first, *(user.name for user in users)] == sorted(NAMES)
