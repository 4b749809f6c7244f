"""A store of version 0.1.0 is opened unchanged, and every record is readable."""

import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, text
from tests.upgrade.conftest import DATA, recorded, then, unpacked

from daypass.config import Config
from daypass.directory import records
from daypass.directory.records import kinds_by_name
from daypass.directory.store import Record
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.storage.master_key import MasterKeySource
from daypass.storage.schema import VERSION_TABLE, VERSIONS
from daypass.storage.views import OpenedStore
from daypass.testing.clock import MovableClock
from daypass.wiring_store import open_everything

EXPECTED = json.loads(unpacked("records.json"))
COUNTS: dict[str, int] = json.loads((DATA / "counts.json").read_text())


@pytest.fixture
def opened(old_store: str) -> Any:
    """Open the old store, at the time at which it was written."""
    clock = MovableClock()
    clock.freeze(then())
    there = open_everything(Config(store=old_store), MasterKeySource(text=recorded()["master_key"]), clock=clock)
    yield there
    there.store.close()


def holds(present: Any, expected: Any) -> bool:
    """Return whether a value contains the expected one.

    It may contain more under other names.
    """
    if isinstance(expected, dict):
        return isinstance(present, dict) and all(
            name in present and holds(present[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return len(present) == len(expected) and all(map(holds, present, expected))
    return bool(present == expected)


def place(record: Record) -> tuple[str | None, ...]:
    """Return the place of a record: a changed entity must replace the old record, not be added beside it."""
    return record.kind, record.account, record.key, record.sort, record.unique_id


def test_every_record_reads_back(opened: OpenedStore) -> None:
    """Each kind has the same number of records, with the same names and values."""
    kinds = kinds_by_name()
    assert set(EXPECTED) <= set(kinds)
    with opened.store.read() as reader:
        for name, expected in EXPECTED.items():
            found = {f"{each.account}/{each.key}": each for each in reader.page(name, None, limit=1000)}
            assert set(found) == set(expected), name
            for key, value in expected.items():
                entity = records.to_entity(kinds[name], found[key])
                fields = msgspec.structs.asdict(entity)
                assert holds(json.loads(msgspec.json.encode(fields)), value), (name, key)
                assert place(records.to_record(entity)) == place(found[key]), (name, key)


def test_there_is_something_of_every_kind() -> None:
    """The data has a record of each kind of the old version."""
    layouts = json.loads((DATA / "layouts.json").read_text())
    stored = set(layouts["kinds"]) - {"session token", "trade-in token"}
    assert stored | {"vault", "revocations"} == set(COUNTS)


def test_the_counts_are_those_of_the_old_version(opened: OpenedStore) -> None:
    """This includes the two records that are not entities: the wrapped data key and the revocations."""
    with opened.store.read() as reader:
        assert {name: len(reader.page(name, None, limit=1000)) for name in COUNTS} == COUNTS


def test_both_sealing_keys_open(opened: OpenedStore) -> None:
    """The old master key opens the data key, and that opens the ring."""
    with opened.store.read() as reader:
        assert len(load_sealing_ring(reader, opened.vault).keys) == COUNTS["sealing_key"]


def test_opening_changes_nothing(old_store: str, opened: OpenedStore) -> None:
    """The revision and the version of the tables stay: an old node can continue to run beside us."""
    layouts = json.loads((DATA / "layouts.json").read_text())
    assert list(VERSIONS) == layouts["schema_versions"]
    before = opened.store.revision()
    again = open_everything(Config(store=old_store), MasterKeySource(text=recorded()["master_key"]))
    assert again.store.revision() == before
    again.store.close()
    engine = create_engine(old_store.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()  # noqa: S608 - a constant
    engine.dispose()
    assert found == layouts["schema_versions"]
