"""A SQLite file that is replaced under a running server: the server follows the new file."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.storage.conftest import HandClock
from tests.storage.sample_records import user

from daypass.directory.store import Reader, Record, Store, StoreUnavailableError, WouldBlockError
from daypass.storage.cache import StoreCache
from daypass.storage.open import open_store
from daypass.storage.refusals import StoreReplacedError

ACCOUNT = "111111111111"


def load_user(reader: Reader, name: str) -> bytes | None:
    """Return the body of a user, which stands for a right."""
    found = reader.find("user", ACCOUNT, name)
    return None if found is None else found.body


def _backup(source: Path, target: Path) -> None:
    """Make a copy of one file, without a write-ahead log."""
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


def _write(store: Store, *records: Record) -> None:
    for record in records:
        with store.write() as writer:
            if writer.find(record.kind, record.account, record.key) is None:
                writer.insert(record)
            else:
                writer.replace(record)


def _rename(new: Path, path: Path) -> None:
    """Put another file in the place, and leave the log of the old one behind."""
    new.rename(path)


def _rename_all(new: Path, path: Path) -> None:
    """Put another file in the place, and remove the log of the old one."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.rename(path)


def _copy_over_all(new: Path, path: Path) -> None:
    """Overwrite the file in its place, and remove its log."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(new, path)


REPLACEMENTS = [_rename, _rename_all]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the database."""
    return tmp_path / "daypass.db"


@pytest.fixture
def stores(path: Path, clock: HandClock) -> Iterator[list[Store]]:
    """Return two stores on one file, as two processes have them."""
    opened = [open_store(f"sqlite:///{path}", clock=clock) for _ in range(2)]
    yield opened
    for store in opened:
        store.close()


@pytest.mark.parametrize("writes_in_between", [1, 2, 3])
@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_a_replaced_file_is_followed(
    path: Path,
    stores: list[Store],
    clock: HandClock,
    replace: Callable[[Path, Path], None],
    writes_in_between: int,
) -> None:
    """The backup has fewer, equally many or more writes than the caches have seen."""
    first, second = stores
    _write(first, user("ada", body=b"may"))
    _backup(path, path.with_name("backup.db"))
    other = open_store(f"sqlite:///{path}".replace("daypass.db", "backup.db"), clock=clock)
    _write(other, *[user("ada", body=b"may not")] * writes_in_between)
    other.close()
    _write(first, user("bob"), user("cy"))
    caches = [StoreCache(first), StoreCache(second)]
    for cache in caches:
        assert cache.loading.get(load_user, "ada") == b"may"
        assert cache.loading.get(load_user, "bob") == b""
    replace(path.with_name("backup.db"), path)
    for cache in caches:
        cache.poll()
        assert cache.loading.get(load_user, "ada") == b"may not"
        assert cache.loading.get(load_user, "bob") is None
    _write(second, user("dan"))
    _write(first, user("eve"))
    for cache in caches:
        assert cache.loading.get(load_user, "dan") == cache.loading.get(load_user, "eve") == b""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("SELECT count(*) FROM changes").fetchone() == (3 + writes_in_between,)


def test_a_copy_over_a_quiet_file_is_followed(path: Path, stores: list[Store], clock: HandClock) -> None:
    """Connections do not keep pages of the old content, if the log had been written into the file."""
    first, second = stores
    _write(first, user("ada", body=b"may"))
    _backup(path, path.with_name("backup.db"))
    other = open_store(f"sqlite:///{path}".replace("daypass.db", "backup.db"), clock=clock)
    _write(other, user("ada", body=b"may not"))
    other.close()
    _write(first, user("bob"))
    caches = [StoreCache(first), StoreCache(second)]
    for cache in caches:
        assert cache.loading.get(load_user, "ada") == b"may"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()[0] == 0
    shutil.copyfile(path.with_name("backup.db"), path)
    for cache in caches:
        cache.poll()
        assert cache.loading.get(load_user, "ada") == b"may not"


def test_a_mixture_of_two_databases_is_refused(path: Path, stores: list[Store]) -> None:
    """The file was overwritten in its place and its log removed: caches are emptied, until a restart all is refused."""
    first, second = stores
    _write(first, user("ada", body=b"may"))
    _backup(path, path.with_name("backup.db"))
    _write(first, user("bob"))
    caches = [StoreCache(first), StoreCache(second)]
    for cache in caches:
        assert cache.loading.get(load_user, "ada") == b"may"
    _copy_over_all(path.with_name("backup.db"), path)
    for store, cache in zip(stores, caches, strict=True):
        with pytest.raises(StoreUnavailableError):
            cache.poll()
        assert cache.health() == "unable"
        with pytest.raises(WouldBlockError):
            cache.cached_only.get(load_user, "ada")
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                cache.loading.get(load_user, "ada")
        with pytest.raises(StoreReplacedError) as refused, store.write() as writer:
            writer.insert(user("cy"))
        assert "overwritten" in str(refused.value.detail)


def test_a_missing_file_is_not_created(path: Path, stores: list[Store]) -> None:
    """Writes and reads fail until it is there again; they never go to a file without a name."""
    store = stores[0]
    _write(store, user("ada"))
    path.rename(path.with_name("away.db"))
    cache = StoreCache(store)
    with pytest.raises(StoreUnavailableError):
        cache.poll()
    with pytest.raises(StoreUnavailableError), store.write() as writer:
        writer.insert(user("bob"))
    assert not path.exists()
    path.with_name("away.db").rename(path)
    cache.poll()
    _write(store, user("bob"))
    assert store.revision() == 2


def test_a_checkpoint_is_not_a_replacement(path: Path, stores: list[Store]) -> None:
    """It changes the file, and keeps what the caches know."""
    first, second = stores
    _write(first, user("ada", body=b"may"))
    cache = StoreCache(second)
    cache.loading.get(load_user, "ada")
    generation = cache.cached_only.generation()
    for _ in range(3):
        _write(first, user("bob"))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        cache.poll()
    assert cache.cached_only.generation() == generation
