"""A restored store has every record of the backup, in either kind of database."""

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.backup.conftest import NEW_MASTER, back_up, content_of, query, restore
from tests.storage.postgresql import fresh_database
from tests.upgrade.conftest import COPIES, recorded

from daypass.config import Config
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.storage.backup.archive import (
    ArchiveEnd,
    ArchiveHead,
    ArchiveReader,
    ArchiveRows,
    Frame,
    encode_frame,
    in_frames,
)
from daypass.storage.master_key import MasterKeySource
from daypass.storage.refusals import WrongMasterKeyError
from daypass.storage.sql import tables
from daypass.storage.sql.table_rows import CONTENT, MADE_AGAIN, TableRow, each_row
from daypass.wiring_store import open_everything


@pytest.fixture
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a store that does not exist, of the kind of the parameter."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            yield f"sqlite:///{tmp_path}/new/daypass.db"
        else:
            yield stack.enter_context(fresh_database())


@pytest.mark.parametrize(
    ("source", "new_store"),
    [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite"), ("postgresql", "postgresql")],
    indirect=["new_store"],
)
def test_every_row_comes_back(source: str, new_store: str, tmp_path: Path) -> None:
    """All tables are the same, the history is a new one, and the new master key opens the old secrets."""
    with COPIES[source](tmp_path) as url:
        content = back_up(url)
        before = content_of(url)
        position = query(url, "SELECT revision, nonce FROM changes ORDER BY revision DESC LIMIT 1")
    summary = restore(content, new_store)
    assert content_of(new_store) == before
    ((number, nonce),) = query(new_store, "SELECT revision, nonce FROM changes")
    assert number == query(new_store, "SELECT number FROM revision")[0][0] == position[0][0] + 1 == summary.revision + 1
    assert len(nonce) == 16
    assert bytes(nonce) != bytes(position[0][1])
    there = open_everything(Config(store=new_store), MasterKeySource(text=NEW_MASTER))
    with there.store.read() as reader:
        assert len(load_sealing_ring(reader, there.vault).keys) == 2
    there.store.close()
    with pytest.raises(WrongMasterKeyError):
        open_everything(Config(store=new_store), MasterKeySource(text=recorded()["master_key"]))


def test_every_table_is_in_a_backup_or_made_again() -> None:
    """A new table needs a decision."""
    assert set(CONTENT) | set(MADE_AGAIN) == set(tables.metadata.tables)
    assert not set(CONTENT) & set(MADE_AGAIN)


def test_a_backup_is_one_snapshot(tmp_path: Path) -> None:
    """Writes during a backup succeed at once, and none of them is in it."""
    with COPIES["sqlite"](tmp_path) as url:
        beside = open_everything(Config(store=url), MasterKeySource(text=recorded()["master_key"]))
        before = content_of(url)

        def write(_done: int, _total: int) -> None:
            with beside.store.write() as writer:
                for record in writer.page("role", None, limit=1):
                    writer.delete(record.kind, record.account, record.key)

        content = back_up(url, advance=write)
        beside.store.close()
        assert content_of(url) != before
    new = f"sqlite:///{tmp_path}/new.db"
    restore(content, new)
    assert content_of(new) == before


class Pages:
    """Rows that are read page by page."""

    def __init__(self, rows: list[tuple[str, str, str]]) -> None:
        self.rows = sorted(rows)

    def table_page(self, table: str, after: TableRow, limit: int) -> list[TableRow]:
        """Return the next rows."""
        assert table == "links"
        return list[TableRow](row for row in self.rows if list(row) > list(after))[:limit]

    def table_size(self, table: str) -> int:
        """Return their number."""
        assert table == "links"
        return len(self.rows)


@pytest.mark.parametrize("number", [0, 1, 199, 200, 201, 400])
def test_each_row_is_read_once(number: int) -> None:
    """Also at the end of a page."""
    rows = [("kind", f"{each:04}", "target") for each in range(number)]
    assert list(each_row(Pages(rows), "links")) == rows


_VALUES = st.lists(st.tuples(st.text(), st.binary(), st.none() | st.integers(-(2**62), 2**62)), max_size=8)


@settings(max_examples=20, deadline=None)
@given(_VALUES, st.integers(1, 40))
def test_frames_come_back_from_pieces_of_any_size(rows: list[tuple[object, ...]], size: int) -> None:
    """The stream is cut anywhere."""
    sent: list[Frame] = [*in_frames("records", iter(rows)), ArchiveEnd({"records": len(rows)})]
    stream = io.BytesIO(b"".join(map(encode_frame, sent)))
    got: list[Frame] = []
    reader = ArchiveReader(got.append)
    while piece := stream.read(size):
        reader.write(piece)
    reader.finish()
    assert got == sent


def test_a_frame_shows_no_secret() -> None:
    """A frame may be in a traceback or a log."""
    head = ArchiveHead(
        format=1,
        daypass_version="",
        created=None,  # type: ignore[arg-type] # not used
        schema_version="",
        revision=0,
        file_digest=b"",
        data_key=b"secret-bytes",
        rows={},
    )
    assert "secret-bytes" not in f"{head!r} {ArchiveRows('records', [[b'secret-bytes']])!r}"
