"""Writers of PostgreSQL on the driver: strings of every form arrive unchanged, and connections are given back."""

from collections.abc import Iterator

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.store import Link, Record, RecordExistsError, Store
from daypass.storage.open import open_store

_STRINGS = ("'; ROLLBACK; --", "a\\'b\\\\", "50 %s %% %(key)s", "naïve €", "😀", '"$1"', "$$")


@pytest.fixture(params=["UTF8", "LATIN1"])
def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, postgresql_url: str, clock: HandClock
) -> Iterator[Store]:
    """Return an empty store, also of a process whose other clients have another encoding."""
    monkeypatch.setenv("PGCLIENTENCODING", request.param)
    opened = open_store(postgresql_url, clock=clock)
    yield opened
    opened.close()


@pytest.mark.parametrize("text", _STRINGS)
def test_every_string_is_stored_as_it_is(store: Store, text: str) -> None:
    """The account is also in the message of the commit, with its count."""
    body = bytes(range(256)) + text.encode()
    names = {"key": f"key {text}", "sort": f"sort {text}", "unique_id": f"id {text}"}
    wanted = Record(kind="user", account=text, **names, body=body)
    unnamed = Record(kind="user", account=text, key="unnamed", sort="unnamed", unique_id=None, body=b"")
    with store.write(account=text) as writer:
        writer.insert(wanted)
        writer.insert(unnamed)
        writer.link(Link("member", text, "group", body))
        assert writer.find_by_id(f"id {text}") == wanted
        assert writer.count("user", text) == 2
    with store.read() as reader:
        assert reader.find("user", text, f"key {text}") == wanted
        assert reader.find("user", text, "unnamed") == unnamed
        assert reader.find_link("member", text, "group") == Link("member", text, "group", body)
        assert reader.count("user", text) == 2


def test_statements_of_both_ways_are_in_one_transaction(store: Store) -> None:
    """A page goes through SQLAlchemy, and an insert does not."""
    record = user("alice")
    with store.write(account=record.account) as writer:
        writer.insert(record)
        assert writer.page("user", record.account, limit=10) == [record]
        writer.delete("user", record.account, record.key)
        assert writer.page("user", record.account, limit=10) == []
        assert writer.targets("member", "x") == []


def test_failed_writes_give_their_connections_back(store: Store) -> None:
    """A process has ten connections."""
    record = user("alice")
    with store.write(account=record.account) as writer:
        writer.insert(record)
    for account in (record.account, None):
        for _ in range(12):
            with pytest.raises(RecordExistsError), store.write(account=account) as writer:  # noqa: PT012 - one write
                writer.delete("user", record.account, record.key)
                writer.insert(record)
                writer.insert(record)
    with store.read() as reader:
        assert reader.find("user", record.account, record.key) == record
        assert reader.count("user", record.account) == 1
