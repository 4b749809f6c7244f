"""The promises of every store about records: find, list, count and refuse."""

import msgspec
import pytest
from tests.storage.sample_records import abandoned, user

from daypass.directory.store import RecordExistsError, RecordMissingError, Store

ACCOUNT = "111111111111"
OTHER = "222222222222"


def _names(store: Store, *, after: str = "", limit: int = 100, prefix: str = "") -> list[str]:
    with store.read() as reader:
        return [r.sort for r in reader.page("user", ACCOUNT, after=after, limit=limit, prefix=prefix)]


def test_a_record_comes_back_as_it_went_in(store: Store) -> None:
    """`find` and `find_by_id` return the record of exactly this key or id, bytes included."""
    ada = user("Ada", path="/é/", body=bytes(range(256)))
    with store.write() as writer:
        writer.insert(ada)
    with store.read() as reader:
        assert reader.find("user", ACCOUNT, "ada") == ada
        assert reader.find_by_id(f"AIDA{ACCOUNT}Ada") == ada


@pytest.mark.parametrize(
    ("kind", "account", "key"), [("user", ACCOUNT, "Ada"), ("user", OTHER, "ada"), ("role", ACCOUNT, "ada")]
)
def test_a_key_belongs_to_its_kind_and_account(store: Store, kind: str, account: str, key: str) -> None:
    """Another kind, another account or another spelling is another key."""
    with store.write() as writer:
        writer.insert(user("Ada"))
    with store.read() as reader:
        assert reader.find(kind, account, key) is None
        assert reader.find_by_id("AIDA") is None


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 1001, "é" * 501])
def test_text_that_no_database_could_hold_is_not_found(store: Store, text: str) -> None:
    """Clients choose names: impossible ones do not exist, and are not an error."""
    with store.read() as reader:
        assert reader.find("user", ACCOUNT, text) is None
        assert reader.find_by_id(text) is None
        assert reader.page("user", ACCOUNT, after=text, limit=9) == []
        assert reader.page("user", ACCOUNT, prefix=text, limit=9) == []
        assert reader.count("user", text) == 0
        assert reader.find_link("member", text, "b") is None
        assert reader.targets("member", text) == []
        assert reader.sources("member", text) == []
        assert reader.count_sources("member", text) == 0


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 1001])
def test_text_that_no_database_could_hold_is_not_written(store: Store, text: str) -> None:
    """The same names raise ValueError from a writer, which stays usable."""
    with store.write() as writer:
        for broken in (
            msgspec.structs.replace(user("ada"), key=text),
            msgspec.structs.replace(user("ada"), sort=text),
            msgspec.structs.replace(user("ada"), unique_id=text),
        ):
            with pytest.raises(ValueError, match="to be stored"):
                writer.insert(broken)
        writer.insert(user("ada"))
        with pytest.raises(ValueError, match="to be stored"):
            writer.replace(msgspec.structs.replace(user("ada"), sort=text))
        with pytest.raises(RecordMissingError):
            writer.delete("user", ACCOUNT, text)
    assert _names(store) == ["/ada"]


@pytest.mark.parametrize(
    "second",
    [
        msgspec.structs.replace(user("bob"), key="ada"),
        msgspec.structs.replace(user("bob"), sort="/ada"),
        msgspec.structs.replace(user("bob", account=OTHER), unique_id=f"AIDA{ACCOUNT}ada"),
    ],
    ids=["key", "sort", "unique id"],
)
def test_what_is_taken_is_refused_and_changes_nothing(store: Store, second: msgspec.Struct) -> None:
    """`insert` raises RecordExistsError for a taken key, sort string or unique id.

    The writer stays usable.
    """
    with store.write() as writer:
        writer.insert(user("ada", body=b"first"))
        with pytest.raises(RecordExistsError):
            writer.insert(second)  # type: ignore[arg-type]
        writer.insert(user("cyd"))
    with store.read() as reader:
        found = reader.find("user", ACCOUNT, "ada")
        assert found is not None
        assert found.body == b"first"
        assert reader.count("user", ACCOUNT) == 2
        assert reader.count("user", OTHER) == 0


def test_two_records_without_a_unique_id_do_not_clash(store: Store) -> None:
    """A unique id is unique among the records that have one."""
    with store.write() as writer:
        writer.insert(msgspec.structs.replace(user("ada"), unique_id=None))
        writer.insert(msgspec.structs.replace(user("bob"), unique_id=None))
    assert _names(store) == ["/ada", "/bob"]


def test_replacing_moves_the_sort_text_and_the_unique_id(store: Store) -> None:
    """After `replace` the old names do not exist and are free again."""
    changed = msgspec.structs.replace(user("ada"), sort="/x/ada", unique_id="AIDAnew", body=b"new")
    with store.write() as writer:
        writer.insert(user("ada"))
        writer.replace(changed)
        writer.insert(msgspec.structs.replace(user("bob"), sort="/ada", unique_id=f"AIDA{ACCOUNT}ada"))
    with store.read() as reader:
        assert reader.find_by_id("AIDAnew") == changed
        found = reader.find_by_id(f"AIDA{ACCOUNT}ada")
        assert found is not None
        assert found.key == "bob"
    assert _names(store) == ["/ada", "/x/ada"]


def test_replacing_refuses_what_another_record_has(store: Store) -> None:
    """`replace` raises RecordMissingError without the record and RecordExistsError for another's names.

    Then the store is unchanged.
    """
    with store.write() as writer:
        writer.insert(user("ada"))
        with pytest.raises(RecordMissingError):
            writer.replace(user("bob"))
        writer.insert(user("bob"))
        with pytest.raises(RecordExistsError):
            writer.replace(msgspec.structs.replace(user("bob"), sort="/ada"))
        with pytest.raises(RecordExistsError):
            writer.replace(msgspec.structs.replace(user("bob"), unique_id=f"AIDA{ACCOUNT}ada"))
    with store.read() as reader:
        assert reader.find("user", ACCOUNT, "bob") == user("bob")


def test_deleting_frees_every_name(store: Store) -> None:
    """A deleted record can be inserted again, and deleting twice raises RecordMissingError."""
    with store.write() as writer:
        writer.insert(user("ada"))
        writer.delete("user", ACCOUNT, "ada")
        with pytest.raises(RecordMissingError):
            writer.delete("user", ACCOUNT, "ada")
        assert writer.find_by_id(f"AIDA{ACCOUNT}ada") is None
        writer.insert(user("ada"))
    assert _names(store) == ["/ada"]


def test_lists_are_ordered_by_code_point(store: Store) -> None:
    """Upper case before lower case, beyond ASCII last, independent of the database's language."""
    names = ["Zoë", "adam", "_x", "Éva", "a-b", "ab", "a.b", "\U0001f600", "\uffee"]
    with store.write() as writer:
        for name in names:
            writer.insert(msgspec.structs.replace(user(name), key=name))
    assert _names(store) == ["/" + name for name in sorted(names)]


def test_a_prefix_selects_literally(store: Store) -> None:
    """Percent signs, underscores and case are literal, and the greatest character ends no list early."""
    for path in ("/", "/a/", "/a%/", "/a_/", "/A/", "/a/b/", "/\U0010ffff/"):
        with store.write() as writer:
            writer.insert(msgspec.structs.replace(user("u", path=path), key=path, unique_id=path))
    assert _names(store, prefix="/a/") == ["/a/b/u", "/a/u"]
    assert _names(store, prefix="/a%") == ["/a%/u"]
    assert _names(store, prefix="/a_") == ["/a_/u"]
    assert _names(store, prefix="/\U0010ffff") == ["/\U0010ffff/u"]
    assert len(_names(store, prefix="/")) == 7
    assert _names(store, prefix="/b") == []


def test_pages_neither_hide_nor_repeat_while_others_come_and_go(store: Store) -> None:
    """A page begins after the last sort string, even if its record was deleted."""
    with store.write() as writer:
        for name in ("b", "d", "f", "h"):
            writer.insert(user(name))
    assert _names(store, limit=2) == ["/b", "/d"]
    with store.write() as writer:
        writer.delete("user", ACCOUNT, "d")
        writer.insert(user("a"))
        writer.insert(user("e"))
    assert _names(store, after="/d", limit=2) == ["/e", "/f"]
    assert _names(store, after="/f", limit=2) == ["/h"]


def test_a_list_of_all_accounts_goes_from_one_to_the_next(store: Store) -> None:
    """Without an account, lists are ordered by account, then sort string, and continue after a `place`."""
    records = [user("b"), user("z"), user("a", account=OTHER), user("c", account=OTHER)]
    with store.write() as writer:
        for record in reversed(records):
            writer.insert(record)
    with store.read() as reader:
        assert reader.page("user", None, limit=9) == records
        assert reader.page("user", None, after=records[1].place, limit=1) == [records[2]]
        assert reader.page("user", None, limit=9, prefix="/c") == [records[3]]
        assert reader.page("role", None, limit=9) == []


def test_counts_follow_every_change(store: Store) -> None:
    """`count` is right inside the transaction, after it, and after a rollback."""
    with store.write() as writer:
        for name in ("a", "b", "c"):
            writer.insert(user(name))
        writer.delete("user", ACCOUNT, "a")
        writer.replace(user("b", body=b"x"))
        assert writer.count("user", ACCOUNT) == 2
    with abandoned(store) as writer:
        writer.insert(user("d"))
    with store.read() as reader:
        assert reader.count("user", ACCOUNT) == 2
        assert reader.count("role", ACCOUNT) == 0
