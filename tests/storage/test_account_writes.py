"""The promises of every store about transactions of one account."""

from pathlib import Path

import msgspec
import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import abandoned, user

from daypass.directory.store import Link, Record, RecordExistsError, Store, Writer
from daypass.storage.open import open_store
from daypass.storage.sql import postgresql_writers, sql_writer, sqlite_writer

ACCOUNT, OTHER = "111111111111", "222222222222"


def _number(account: str, body: bytes = b"0") -> Record:
    return Record(kind="number", account=account, key="n", sort="n", body=body)


def test_a_write_of_an_account_is_a_write_like_any_other(store: Store) -> None:
    """Its records, links, counts, revision and changes are as after a write of the whole store."""
    before = store.position()
    with store.write(account=ACCOUNT) as writer:
        writer.insert(user("ada"))
        writer.link(Link("member", "a", "b"))
        assert writer.find("user", ACCOUNT, "ada") == user("ada")
        assert writer.count("user", ACCOUNT) == 1
        with store.read() as reader:
            assert reader.find("user", ACCOUNT, "ada") is None
    with store.read() as reader:
        assert reader.find("user", ACCOUNT, "ada") == user("ada")
        assert (reader.revision(), reader.count("user", ACCOUNT)) == (1, 1)
    changes = store.changes_since(before)
    assert changes is not None
    assert (changes.revision, len(changes.changed)) == (1, 2)


def test_an_account_s_write_reads_the_whole_store(store: Store) -> None:
    """Records of other accounts are visible in it."""
    with store.write() as writer:
        writer.insert(_number(OTHER))
    with store.write(account=ACCOUNT) as writer:
        assert writer.find("number", OTHER, "n") == _number(OTHER)


@pytest.mark.parametrize("account", [OTHER, ""])
def test_an_account_s_write_changes_no_other_account(store: Store, account: str) -> None:
    """Another account, and what belongs to no account, are refused, and the transaction stays usable."""
    with store.write() as writer:
        writer.insert(_number(account))
    with store.write(account=ACCOUNT) as writer:
        writer.insert(_number(ACCOUNT))
        with pytest.raises(ValueError, match="cannot change"):
            writer.insert(msgspec.structs.replace(_number(account), key="m", sort="m"))
        with pytest.raises(ValueError, match="cannot change"):
            writer.replace(_number(account, b"1"))
        with pytest.raises(ValueError, match="cannot change"):
            writer.delete("number", account, "n")
    with store.read() as reader:
        assert reader.find("number", account, "n") == _number(account)
        assert reader.find("number", ACCOUNT, "n") == _number(ACCOUNT)
        assert reader.revision() == 2


def test_an_account_s_write_does_not_know_its_number(store: Store) -> None:
    """Another write may end first, so a number would be a guess."""
    with store.write(account=ACCOUNT) as writer, pytest.raises(ValueError, match="only at its end"):
        writer.revision()


def test_an_exception_rolls_an_account_s_write_back(store: Store) -> None:
    """The record and its count are gone."""
    with abandoned(store, account=ACCOUNT) as writer:
        writer.insert(user("ada"))
    with store.read() as reader:
        assert reader.find("user", ACCOUNT, "ada") is None
        assert (reader.revision(), reader.count("user", ACCOUNT)) == (0, 0)


def test_an_account_s_write_without_changes_makes_no_revision(store: Store) -> None:
    """Refusals do not notify caches."""
    with store.write() as writer:
        writer.insert(user("ada"))
    before = store.position(), store.change_counter[0]
    with store.write(account=ACCOUNT) as writer, pytest.raises(RecordExistsError):
        writer.insert(user("ada"))
    assert (store.position(), store.change_counter[0]) == before


def test_counts_are_those_of_the_records(store: Store) -> None:
    """Inserts and deletions of both types of writes add up, and a count may become zero."""
    with store.write(account=ACCOUNT) as writer:
        writer.insert(user("ada"))
        writer.insert(user("bob"))
        writer.insert(_number(ACCOUNT))
    with store.write() as writer:
        writer.insert(user("cy"))
        writer.delete("number", ACCOUNT, "n")
    with store.write(account=ACCOUNT) as writer:
        writer.delete("user", ACCOUNT, "ada")
    with store.read() as reader:
        assert (reader.count("user", ACCOUNT), reader.count("number", ACCOUNT)) == (2, 0)


def test_odd_strings_are_data(store: Store) -> None:
    """Quotes, backslashes, percent signs and every byte are stored unchanged."""
    odd = "o'\"\\%s%%;--ü"
    record = Record(kind=odd, account=odd, key=odd, sort=odd, body=bytes(range(256)), unique_id=odd)
    before = store.position()
    with store.write(account=odd) as writer:
        writer.insert(record)
    with store.read() as reader:
        assert reader.find_by_id(odd) == record
        assert reader.count(odd, odd) == 1
    changes = store.changes_since(before)
    assert changes is not None
    assert len(changes.changed) == 1


def test_the_log_of_an_account_s_writes_is_trimmed(
    postgresql_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL one write in a few trims it. Here each does."""
    monkeypatch.setattr(sql_writer, "LOG_LENGTH", 3)
    monkeypatch.setattr(postgresql_writers, "TRIM_EVERY", 1)
    store = open_store(postgresql_url, clock=clock)
    positions = []
    for number in range(6):
        with store.write(account=ACCOUNT) as writer:
            writer.link(Link("member", "a", str(number)))
        positions.append(store.position())
    assert store.changes_since(positions[1]) is None
    changes = store.changes_since(positions[3])
    assert changes is not None
    assert len(changes.changed) == 2
    store.close()


def test_one_write_in_a_few_trims_the_log_of_sqlite(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log keeps its length, and at most that many writes more. Here every fourth write trims it."""
    monkeypatch.setattr(sql_writer, "LOG_LENGTH", 3)
    monkeypatch.setattr(sqlite_writer, "TRIM_EVERY", 4)
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", clock=clock)
    positions = [store.position()]
    for number in range(8):
        with store.write(account=ACCOUNT) as writer:
            writer.link(Link("member", "a", str(number)))
        positions.append(store.position())
        if number + 1 == 7:
            assert store.changes_since(positions[2]) is not None
    assert store.changes_since(positions[5]) is None
    changes = store.changes_since(positions[6])
    assert changes is not None
    assert len(changes.changed) == 2
    store.close()


def test_a_write_of_thousands_is_logged_as_unknown(store: Store) -> None:
    """The log stays small for writes of an account too."""
    before = store.position()
    with store.write(account=ACCOUNT) as writer:
        _link_thousands(writer)
    changes = store.changes_since(before)
    assert changes is None or len(changes.changed) == 3000
    assert store.revision() == 1


def _link_thousands(writer: Writer) -> None:
    for number in range(3000):
        writer.link(Link("member", "source-of-some-length", str(number)))
