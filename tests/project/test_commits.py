"""`.ci/check-commits` on a scratch repository: the rule of CONTRIBUTING, "A change"."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_CHECKER = _ROOT / ".ci" / "check-commits"
_GOOD = "gateway: verify signed chunk trailers\n\nA client could append bytes that its signature did not cover.\n"


def _check(folder: Path, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = dict(os.environ) if path is None else {"PATH": path}
    return subprocess.run(
        [sys.executable, str(_CHECKER), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class Repository:
    """A scratch repository.

    Its first commit is the one that `.ci/commits-from` names.
    """

    folder: Path

    def git(self, *words: str, message: str | None = None) -> str:
        """Run git and return its output. `message` is its standard input."""
        settings = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", "-C", str(self.folder), *settings, *words],
            input=message,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Make an empty commit with exactly this message, and return its hash."""
        self.git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "--file=-", message=message)
        return self.git("rev-parse", "HEAD")

    def start_from(self, commit: str) -> None:
        """Write the commit after which messages are checked."""
        file = self.folder / ".ci" / "commits-from"
        file.parent.mkdir(exist_ok=True)
        file.write_text(commit + "\n")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a repository with one commit, whose message breaks the rule and is not checked."""
    made = Repository(tmp_path / "repository")
    made.folder.mkdir()
    made.git("init", "-q", "-b", "main")
    made.start_from(made.commit("Everything before the rule."))
    return made


@pytest.mark.parametrize(
    "message",
    [
        _GOOD,
        f"a: {'b' * 69}\n\nWhy.\n",
        "revocation tests: share the nodes\n\nWhy.\n\nCo-authored-by: A <a@example.com>\n",
    ],
)
def test_a_message_that_keeps_the_rule_passes(repository: Repository, message: str) -> None:
    """A subject of at most 72 characters with its area, a blank line and a body are enough."""
    repository.commit(message)
    done = _check(repository.folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("commits: 1 messages after")


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (f"a: {'b' * 70}\n\nWhy.\n", "73 characters"),
        ("Verify trailers\n\nWhy.\n", "area: imperative"),
        ("fixup! gateway: verify trailers\n\nWhy.\n", "area: imperative"),
        ("gateway: verify trailers.\n\nWhy.\n", "area: imperative"),
        ("gateway: Verified trailers\n\nWhy.\n", "area: imperative"),
        ("gateway: verify trailers\nWhy.\n", "second line"),
        ("gateway: verify trailers\n", "body"),
        ("gateway: verify trailers\n\n\n", "body"),
        ("gateway: verify trailers\n\nSigned-off-by: A <a@example.com>\n", "body"),
    ],
)
def test_a_message_that_breaks_the_rule_is_named(repository: Repository, message: str, complaint: str) -> None:
    """The checker prints the commit with the violated part of the rule, and fails."""
    commit = repository.commit(message)
    repository.commit(_GOOD)
    done = _check(repository.folder)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert commit[:12] in line
    assert complaint in line


def test_merges_and_their_older_branches_are_left_out(repository: Repository) -> None:
    """Merges are exempt, and a commit that does not descend from the named one is older than the rule."""
    repository.git("switch", "-q", "-c", "older")
    repository.commit("An old commit on a branch")
    repository.git("switch", "-q", "main")
    repository.start_from(repository.commit("The last commit before the rule"))
    repository.commit(_GOOD)
    repository.git("merge", "-q", "--no-ff", "-m", "Merge branch 'older'", "older")
    done = _check(repository.folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("commits: 1 messages after")


def test_a_shallow_history_is_skipped_aloud(repository: Repository, tmp_path: Path) -> None:
    """If the clone does not contain the named commit, the checker says so and passes."""
    start = repository.git("rev-parse", "HEAD")
    repository.commit("This Breaks The Rule")
    shallow = Repository(tmp_path / "shallow")
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.folder}", str(shallow.folder))
    shallow.start_from(start)
    done = _check(shallow.folder)
    assert done.returncode == 0
    assert "not checked: the history is too shallow" in done.stdout


def test_a_rewritten_history_is_skipped_aloud(repository: Repository) -> None:
    """If HEAD does not descend from the named commit, the rule does not apply to its commits."""
    repository.git("switch", "-q", "--orphan", "rewritten")
    repository.commit("Everything in one commit")
    done = _check(repository.folder)
    assert done.returncode == 0
    assert "does not descend from" in done.stdout


def test_a_folder_without_history_is_skipped_aloud(repository: Repository, tmp_path: Path) -> None:
    """A source archive has no history, and a machine may lack git."""
    archive = Repository(tmp_path / "archive")
    archive.folder.mkdir()
    archive.start_from(repository.git("rev-parse", "HEAD"))
    (tmp_path / "empty").mkdir()
    for done in (_check(archive.folder), _check(repository.folder, path=str(tmp_path / "empty"))):
        assert done.returncode == 0
        assert "commits: not checked: git" in done.stdout


def test_the_gate_checks_commits_after_a_whole_hash() -> None:
    """`.ci/run` calls the executable checker, and `.ci/commits-from` contains one complete hash."""
    assert re.search(r"^\.ci/check-commits$", (_ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert _CHECKER.stat().st_mode & 0o111 == 0o111
    assert re.fullmatch(r"[0-9a-f]{40}\n", (_ROOT / ".ci" / "commits-from").read_text(encoding="ascii"))
