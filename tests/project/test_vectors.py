"""`.ci/vectors` on a scratch checkout with a small package index, and the search for the files that it unpacks."""

import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.components import find_vector_paths

_ROOT = Path(__file__).parents[2]
_NAME = "botocore-1.2.3"
_VECTORS = {
    "tests/unit/auth/aws4_testsuite/get-vanilla/get-vanilla.sreq": "GET / HTTP/1.1\n",
    "tests/unit/protocols/input/query.json": "[]\n",
}
_SOURCES = {
    "PKG-INFO": "Metadata-Version: 2.1\nName: botocore\nVersion: 1.2.3\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    # pip reads the metadata of a source distribution, for which it asks the distribution's own backend.
    "backend.py": """
import pathlib

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    made = pathlib.Path(folder, "botocore-1.2.3.dist-info")
    made.mkdir()
    made.joinpath("METADATA").write_text("Metadata-Version: 2.1\\nName: botocore\\nVersion: 1.2.3\\n")
    return made.name

def build_wheel(*arguments):
    raise NotImplementedError
""",
}


def _write_index(folder: Path, files: dict[str, str]) -> str:
    """Write a source distribution into the folder, and return its hash."""
    folder.mkdir()
    archive = folder / f"{_NAME}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{_NAME}/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def _checkout(folder: Path, digest: str) -> Path:
    """Make a checkout that has the script, this environment and one pin."""
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(_ROOT / ".ci/vectors", folder / ".ci/vectors")
    (folder / ".venv").symlink_to(sys.prefix)
    pins = f"boto3==1.0 \\\n    --hash=sha256:{'0' * 64}\nbotocore==1.2.3 \\\n    --hash=sha256:{'1' * 64} \\\n"
    (folder / "constraints.txt").write_text(f"{pins}    --hash=sha256:{digest}\nclick==1.0 \\\n    --hash=sha256:00\n")
    return folder


def _download(checkout: Path, index: Path) -> "subprocess.CompletedProcess[str]":
    """Run the script with no other package index than this folder."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("this environment has no pip: uv made it")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    return subprocess.run(
        [checkout / ".ci/vectors"], env=environment | offline, capture_output=True, text=True, check=False
    )


def _files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_vectors_of_the_pinned_release_are_unpacked(tmp_path: Path) -> None:
    """build/vectors contains only the two sets of the distribution; they replace an older download."""
    digest = _write_index(tmp_path / "index", _SOURCES | _VECTORS)
    checkout = _checkout(tmp_path / "checkout", digest)
    (checkout / "build/vectors").mkdir(parents=True)
    (checkout / "build/vectors/version").write_text("1.2.2\n")
    (checkout / "build/vectors/old").write_text("old")
    done = _download(checkout, tmp_path / "index")
    assert (done.returncode, done.stderr) == (0, "")
    assert _files(checkout / "build") == {
        "vectors/version": "1.2.3\n",
        "vectors/auth/aws4_testsuite/get-vanilla/get-vanilla.sreq": "GET / HTTP/1.1\n",
        "vectors/protocols/input/query.json": "[]\n",
    }


def test_they_are_downloaded_once(tmp_path: Path) -> None:
    """With the vectors of the pinned release in build/vectors, the script needs no index."""
    checkout = _checkout(tmp_path / "checkout", _write_index(tmp_path / "index", _SOURCES | _VECTORS))
    assert _download(checkout, tmp_path / "index").returncode == 0
    assert _download(checkout, tmp_path / "missing").returncode == 0


def test_a_machine_without_an_index_has_a_status_of_its_own(tmp_path: Path) -> None:
    """Status 75 lets `.ci/run` go on without the vectors, and the script says why. It leaves no directory behind."""
    checkout = _checkout(tmp_path / "checkout", "2" * 64)
    done = _download(checkout, tmp_path / "missing")
    assert done.returncode == 75
    assert "vectors: the source distribution of botocore 1.2.3 could not be downloaded\n" in done.stderr
    assert _files(checkout / "build") == {}


@pytest.mark.slow
def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """An archive whose hash is not in constraints.txt is neither unpacked nor run."""
    _write_index(tmp_path / "index", _SOURCES | _VECTORS)
    checkout = _checkout(tmp_path / "checkout", "2" * 64)
    done = _download(checkout, tmp_path / "index")
    assert done.returncode == 75
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert _files(checkout / "build") == {}


@pytest.mark.slow
def test_a_release_without_the_vectors_is_an_error(tmp_path: Path) -> None:
    """If botocore moves its files, the gate fails: its tests must not become skipped unnoticed."""
    checkout = _checkout(tmp_path / "checkout", _write_index(tmp_path / "index", _SOURCES))
    done = _download(checkout, tmp_path / "index")
    assert done.returncode not in {0, 75}
    assert "aws4_testsuite" in done.stderr
    assert _files(checkout / "build") == {}


def test_each_layout_that_exists_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory may have one layout of a set or several."""
    monkeypatch.setenv("DAYPASS_TEST_VECTORS", str(tmp_path))
    (tmp_path / "b").mkdir()
    assert find_vector_paths("a", "b") == [tmp_path / "b"]
    (tmp_path / "a").mkdir()
    assert find_vector_paths("a", "b") == [tmp_path / "a", tmp_path / "b"]


def test_a_directory_without_vectors_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory without a known layout, or a missing directory, is an error and not a skipped test."""
    monkeypatch.setenv("DAYPASS_TEST_VECTORS", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="missing, which does not contain a or b"):
        find_vector_paths("a", "b")
    monkeypatch.delenv("DAYPASS_TEST_VECTORS")
    assert find_vector_paths("a", "b") == []
