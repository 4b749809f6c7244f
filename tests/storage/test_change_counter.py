"""The file of the change counter: private, shared, and safe from planted files."""

import stat
import tempfile
from pathlib import Path

import pytest

from daypass.storage.change_counter import ChangeCounter, counter_beside, counter_of_server
from daypass.storage.refusals import StoreOpenError


def test_a_ring_is_seen_through_every_mapping(tmp_path: Path) -> None:
    """Two mappings of one file show the same number, and a write changes it."""
    here, there = (ChangeCounter(tmp_path / "counter") for _ in range(2))
    before = there.value[0]
    here.bump()
    assert there.value[0] == here.value[0] != before


def test_a_change_counter_is_as_private_as_its_database(tmp_path: Path) -> None:
    """It has the mode of the database and never wider permissions."""
    database = tmp_path / "daypass.db"
    database.touch(mode=0o600)
    counter_beside(database)
    assert stat.S_IMODE((tmp_path / "daypass.db-beacon").stat().st_mode) == 0o600


def test_a_change_counter_is_never_a_symbolic_link(tmp_path: Path) -> None:
    """An attacker who plants a link cannot make us write to its target."""
    (tmp_path / "beacon").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreOpenError, match="beacon"):
        ChangeCounter(tmp_path / "beacon")
    assert not (tmp_path / "elsewhere").exists()


def test_servers_share_a_change_counter_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of the same database find the same counter, others another, in a private folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    one, same, other = (counter_of_server(name) for name in ("db:5432/a", "db:5432/a", "db:5432/b"))
    one.bump()
    assert same.value[0] == one.value[0] != other.value[0]
    (folder,) = tmp_path.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("planted", ["open folder", "link", "file"])
def test_a_planted_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    """Any user can create our folder first in a shared temporary directory: then the store does not open."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    counter_of_server("db")
    (folder,) = tmp_path.iterdir()
    if planted == "open folder":
        folder.chmod(0o777)
    else:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        folder.symlink_to(elsewhere) if planted == "link" else folder.touch()
    with pytest.raises(StoreOpenError, match=r"cannot use|is open to other users"):
        counter_of_server("db")
