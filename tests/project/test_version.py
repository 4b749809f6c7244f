"""The version of a build comes from the tag, and a tree without one still builds (packaging/version.py)."""

import os
import re
import runpy
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version
from tests.dependencies import REPOSITORY

from daypass.portal.page_frame import VERSION

_SCRIPT = REPOSITORY / "packaging/version.py"
_PARTS = runpy.run_path(str(_SCRIPT))
find_version: Callable[[Path], str] = _PARTS["find_version"]
NEXT: str = _PARTS["NEXT"]
_IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    """Run git without this machine's configuration."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(folder), *_IDENTITY, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder: Path, name: str) -> str:
    """Commit a new file, and return the commit's abbreviated hash."""
    (folder / name).write_text(name, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", name)
    return git(folder, "rev-parse", "--short=8", "HEAD")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with one commit and no tag."""
    monkeypatch.delenv("DAYPASS_VERSION", raising=False)
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in (".git_archival.txt", ".gitattributes"):
        shutil.copy(REPOSITORY / name, folder)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "first")
    return folder


def test_a_clean_checkout_of_a_tag_is_the_release(tree: Path) -> None:
    """Annotated or not, the tag names the version; other tags do not."""
    git(tree, "tag", "-a", "v0.2.0", "-m", "0.2.0")
    git(tree, "tag", "nightly")
    assert find_version(tree) == "0.2.0"


def test_commits_after_a_tag_are_development_versions_of_the_next_release(tree: Path) -> None:
    """They sort after the release, and before the next one."""
    git(tree, "tag", "v0.2.0")
    commit(tree, "second")
    last = commit(tree, "third")
    assert find_version(tree) == f"0.2.1.dev2+g{last}"
    assert Version("0.2.0") < Version(find_version(tree)) < Version("0.2.1")


def test_a_candidate_leads_to_the_next_candidate(tree: Path) -> None:
    """A development version after 0.2.0rc1 is newer than it."""
    git(tree, "tag", "v0.2.0rc1")
    assert find_version(tree) == "0.2.0rc1"
    last = commit(tree, "second")
    assert find_version(tree) == f"0.2.0rc2.dev1+g{last}"
    assert Version("0.2.0rc1") < Version(find_version(tree)) < Version("0.2.0")


def test_an_older_tag_leads_to_the_release_that_the_file_names(tree: Path) -> None:
    """The tag may be of a long time ago."""
    git(tree, "tag", "v0.0.9")
    last = commit(tree, "second")
    assert find_version(tree) == f"{NEXT}.dev1+g{last}"


def test_changes_that_are_not_committed_are_no_release(tree: Path) -> None:
    """A build of them says so, even at the tag."""
    git(tree, "tag", "v0.2.0")
    (tree / "first").write_text("changed", encoding="utf-8")
    assert find_version(tree) == f"0.2.1.dev0+g{git(tree, 'rev-parse', '--short=8', 'HEAD')}.dirty"


def test_a_checkout_without_a_tag_is_a_development_version(tree: Path, tmp_path: Path) -> None:
    """A shallow clone does not have the tags of its source either."""
    head = git(tree, "rev-parse", "--short=8", "HEAD")
    assert find_version(tree) == f"{NEXT}.dev0+g{head}"
    git(tree, "tag", "v0.2.0")
    last = commit(tree, "second")
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-tags", tree.as_uri(), "shallow")
    assert find_version(tmp_path / "shallow") == f"{NEXT}.dev0+g{last}"


@pytest.mark.parametrize("tag", ["v0.2.0", None])
def test_an_archive_contains_its_version(tree: Path, tmp_path: Path, tag: str | None) -> None:
    """`git archive` fills in .git_archival.txt, as do the servers that offer archives for download."""
    if tag:
        git(tree, "tag", tag)
    git(tree, "archive", "--prefix=unpacked/", "-o", str(tmp_path / "tree.tar"), "HEAD")
    with tarfile.open(tmp_path / "tree.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    found = find_version(tmp_path / "unpacked")
    assert found == ("0.2.0" if tag else f"{NEXT}.dev0+g{git(tree, 'rev-parse', '--short', 'HEAD')}")


def test_a_tree_inside_of_another_repository_does_not_take_its_tag(tree: Path) -> None:
    """The archive was unpacked into a project that has tags of its own."""
    git(tree, "tag", "v9.9.9")
    (tree / "vendor").mkdir()
    assert find_version(tree / "vendor") == f"{NEXT}.dev0"


def test_a_tree_without_git_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the program nor a repository is needed; a file that git did not fill in has no effect."""
    shutil.copy(REPOSITORY / ".git_archival.txt", tmp_path)
    monkeypatch.setenv("PATH", "")
    assert find_version(tmp_path) == f"{NEXT}.dev0"


def test_a_packager_states_the_version(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAYPASS_VERSION replaces everything that the tree says."""
    monkeypatch.setenv("DAYPASS_VERSION", "0.2.0+distribution1")
    assert find_version(tree) == "0.2.0+distribution1"


def test_the_command_and_the_pages_tell_the_installed_version() -> None:
    """`daypass --version` and the footer show the version of the installation, whichever it is."""
    installed = metadata.version("daypass")
    assert str(Version(installed)) == installed
    assert installed == VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", NEXT)
