"""The promises of every store about snapshots, transactions, revisions and changes."""

import pytest
from tests.storage.sample_records import abandoned, user

from daypass.directory.changes import EMPTY, NOWHERE, Changes, LinkChange, Position, StoreChange
from daypass.directory.store import Link, RecordExistsError, RecordMissingError, Store
from daypass.storage import memory
from daypass.storage.invalidation import change_of
from daypass.storage.sql import sql_writer, sqlite_writer

ACCOUNT = "111111111111"


def test_a_snapshot_does_not_see_later_writes(store: Store) -> None:
    """After a reader is opened, later writes are not visible in it."""
    with store.write() as writer:
        writer.insert(user("ada"))
    with store.read() as reader:
        with store.write() as writer:
            writer.delete("user", ACCOUNT, "ada")
            writer.insert(user("bob"))
        assert [record.key for record in reader.page("user", ACCOUNT, limit=9)] == ["ada"]
        assert reader.count("user", ACCOUNT) == 1
        assert reader.revision() == 1
    with store.read() as reader:
        assert [record.key for record in reader.page("user", ACCOUNT, limit=9)] == ["bob"]
        assert reader.revision() == 2


def test_a_transaction_reads_what_it_wrote(store: Store) -> None:
    """Inside the transaction all changes are visible.

    Outside they are not before its end.
    """
    with store.write() as writer:
        writer.insert(user("ada"))
        writer.link(Link("member", "a", "b"))
        assert writer.find("user", ACCOUNT, "ada") == user("ada")
        assert writer.find_by_id(f"AIDA{ACCOUNT}ada") == user("ada")
        assert writer.targets("member", "a")
        assert writer.revision() == 1
        with store.read() as reader:
            assert reader.find("user", ACCOUNT, "ada") is None
            assert reader.revision() == 0


def test_whoever_writes_may_ask_for_news(store: Store) -> None:
    """A cache that reads changes during a transaction does not wait, even if both are in one thread."""
    with store.write() as writer:
        writer.insert(user("ada"))
    with store.write() as writer:
        writer.insert(user("bob"))
        news = store.changes_since(EMPTY)
        assert store.revision() == 1
    assert news is not None
    assert news.revision == 1


def test_an_exception_rolls_everything_back(store: Store) -> None:
    """Records, links, revision and change counter are as before, and the exception is passed on unchanged."""
    before = store.change_counter[0]
    with abandoned(store) as writer:
        writer.insert(user("ada"))
        writer.link(Link("member", "a", "b"))
    with store.read() as reader:
        assert reader.find("user", ACCOUNT, "ada") is None
        assert reader.targets("member", "a") == []
    assert (store.revision(), store.change_counter[0]) == (0, before)


def test_a_write_without_changes_makes_no_revision(store: Store) -> None:
    """Refusals and reads alone do not notify caches."""
    with store.write() as writer:
        writer.insert(user("ada"))
    before = store.revision(), store.change_counter[0]
    with store.write() as writer:
        with pytest.raises(RecordExistsError):
            writer.insert(user("ada"))
        with pytest.raises(RecordMissingError):
            writer.delete("user", ACCOUNT, "bob")
        with pytest.raises(RecordMissingError):
            writer.unlink("member", "a", "b")
    assert (store.revision(), store.change_counter[0]) == before


def test_each_write_moves_the_change_counter(store: Store) -> None:
    """The number differs after each write."""
    seen = {store.change_counter[0]}
    for number in range(5):
        with store.write() as writer:
            writer.link(Link("member", "a", str(number)))
        assert store.change_counter[0] not in seen
        seen.add(store.change_counter[0])


def test_changes_name_everything_that_changed(store: Store) -> None:
    """Records under their old and new names, and links.

    No changes before the given revision.
    """
    old, new = user("ada"), user("ada", path="/x/")
    positions = [store.position()]
    with store.write() as writer:
        writer.insert(user("early"))
    positions.append(store.position())
    with store.write() as writer:
        writer.insert(old)
    positions.append(store.position())
    with store.write() as writer:
        writer.replace(new)
        writer.link(Link("member", "a", "b"))
    positions.append(store.position())
    with store.write() as writer:
        writer.delete("user", ACCOUNT, "ada")
        writer.unlink("member", "a", "b")
    positions.append(store.position())
    assert [position.number for position in positions] == [0, 1, 2, 3, 4]
    nonces = tuple(position.nonce for position in positions)
    assert len(set(nonces)) == 5
    link = LinkChange("member", "a", "b")
    newest = positions[4]
    all_changes: set[StoreChange] = {change_of(old), change_of(new), link}
    assert store.changes_since(positions[1]) == Changes(newest, frozenset(all_changes), nonces[2:])
    assert store.changes_since(positions[3]) == Changes(newest, frozenset({change_of(new), link}), nonces[4:])
    assert store.changes_since(newest) == Changes(newest, frozenset())
    from_the_start = store.changes_since(EMPTY)
    assert from_the_start is not None
    assert from_the_start.changed == all_changes | {change_of(user("early"))}
    assert all(from_the_start.has_passed(position) for position in positions[1:])
    assert not any(from_the_start.has_passed(Position(number, b"other")) for number in range(6))


def test_a_position_of_another_history_is_not_known(store: Store) -> None:
    """The number alone does not identify a write: a restored database reaches it again with another one."""
    for number in range(3):
        with store.write() as writer:
            writer.link(Link("member", "a", str(number)))
    newest = store.position()
    assert newest.number == 3
    for number in range(5):
        assert store.changes_since(Position(number, b"of another one")) is None
        assert number == 0 or store.changes_since(Position(number, b"")) is None
    assert store.changes_since(NOWHERE) is None


def test_a_snapshot_knows_its_position(store: Store) -> None:
    """It is that of the last write in the snapshot, not of the newest one."""
    with store.read() as reader:
        assert reader.position() == EMPTY
    with store.write() as writer:
        writer.link(Link("member", "a", "b"))
    before = store.position()
    with store.read() as reader:
        with store.write() as writer:
            writer.unlink("member", "a", "b")
        assert reader.position() == before
    assert store.position() != before


def test_nobody_pretends_to_know_what_was_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision from before the log, or from a future that a restored backup removed, returns None."""
    monkeypatch.setattr(memory, "LOG_LENGTH", 3)
    monkeypatch.setattr(sql_writer, "LOG_LENGTH", 3)
    monkeypatch.setattr(sqlite_writer, "TRIM_EVERY", 1)
    positions = [EMPTY]
    for number in range(6):
        with store.write() as writer:
            writer.link(Link("member", "a", str(number)))
        positions.append(store.position())
    assert store.changes_since(positions[2]) is None
    assert store.changes_since(EMPTY) is None
    assert store.changes_since(NOWHERE) is None
    assert store.changes_since(Position(7, positions[6].nonce)) is None
    changes = store.changes_since(positions[4])
    assert changes is not None
    assert {change.target for change in changes.changed if isinstance(change, LinkChange)} == {"4", "5"}


def test_a_write_of_thousands_is_told_as_too_much_to_tell(store: Store) -> None:
    """The log stays small: after a large write the changes may be unknown, and later ones are known again."""
    with store.write() as writer:
        for number in range(3000):
            writer.link(Link("member", "source-of-some-length", str(number)))
    changes = store.changes_since(EMPTY)
    assert changes is None or len(changes.changed) == 3000
    large = store.position()
    with store.write() as writer:
        writer.unlink("member", "source-of-some-length", "7")
    unlinked = frozenset({LinkChange("member", "source-of-some-length", "7")})
    assert store.changes_since(large) == Changes(store.position(), unlinked, (store.position().nonce,))
