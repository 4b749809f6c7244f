"""What is kept: one refresh at a time, whole files, and a disk that cannot be written."""

import json
import os
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.client.machine import Machine

from daypass.client.cache import Cache, Entry
from daypass.client.credentials import Credentials
from daypass.client.obtain import Means, obtain

NOW = datetime(2030, 1, 1, tzinfo=UTC)
# Root may write anywhere; without these it may what others may.
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


@pytest.fixture
def deploy(machine: Machine) -> Machine:
    """Return a machine with a profile that keeps something."""
    machine.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    return machine


def test_those_who_renew_at_once_renew_once(deploy: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waited for another's refresh takes it: it was made after they asked."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(deploy.config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(deploy.credentials))
    monkeypatch.setenv("DAYPASS_CACHE_DIR", str(deploy.home / "cache"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    everybody = threading.Barrier(3)

    def renew(_: int) -> str:
        begun = False

        def now() -> datetime:
            nonlocal begun
            if not begun:
                begun = True
                everybody.wait(30)
            return datetime.now(UTC)

        means = Means.of(os.environ, now, fresh=True)
        wanted = means.profiles.get("deploy").wanted
        assert wanted is not None
        return obtain(wanted, means).credentials.access_key_id

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(renew, range(3)))) == 1
    # Whoever asks now asks for something newer.
    means = Means.of(os.environ, lambda: datetime.now(UTC), fresh=True)
    wanted = means.profiles.get("deploy").wanted
    assert wanted is not None
    newer = obtain(wanted, means).credentials.access_key_id
    assert newer == obtain(wanted, Means.of(os.environ, lambda: datetime.now(UTC))).credentials.access_key_id


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'{"key": 1}', b"\xff\xfe", b'{"credentials": []}', b'{"credentials": {"a": "b"}}'],
)
def test_a_file_that_cannot_be_read_is_not_there(tmp_path: Path, content: bytes) -> None:
    """Half a file, or somebody else's, is worth a new sign-in and no failure."""
    cache = Cache(tmp_path)
    (tmp_path / "k.json").write_bytes(content)
    assert cache.find("k", now=NOW) is None
    assert list(cache.entries()) == []
    cache.drop("k")
    assert list(tmp_path.iterdir()) == []


def _entry(key: str, end: datetime) -> Entry:
    return Entry(key, Credentials("ASIAX", "secret", "token", end), "p", "arn", "https://x")


def test_what_lies_under_another_name_is_not_served(tmp_path: Path) -> None:
    """A file that was copied over another's name is nobody's answer."""
    cache = Cache(tmp_path)
    cache.keep(_entry("a", NOW + timedelta(hours=1)))
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes())
    assert cache.find("a", now=NOW) is not None
    assert cache.find("b", now=NOW) is None


@pytest.mark.parametrize(("left", "served"), [(899, False), (900, True), (901, True)])
def test_fifteen_minutes_must_be_left(tmp_path: Path, left: int, *, served: bool) -> None:
    """A tool that starts now must not fail in the middle."""
    cache = Cache(tmp_path)
    cache.keep(_entry("a", NOW + timedelta(seconds=left)))
    assert (cache.find("a", now=NOW) is not None) == served


@pytest.mark.parametrize(("left", "lasts"), [(1, True), (0, False), (-1, False)])
def test_credentials_are_of_no_use_at_their_end(tmp_path: Path, left: int, *, lasts: bool) -> None:
    """Every server refuses them in that second, also for a caller who asks for no further time."""
    cache = Cache(tmp_path)
    cache.keep(_entry("a", NOW + timedelta(seconds=left)))
    assert (cache.find("a", now=NOW, least=timedelta()) is not None) == lasts


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    """It may hold secrets, and nothing else would ever take it."""
    cache = Cache(tmp_path)
    cache.keep(_entry("a", NOW))
    (tmp_path / ".a.4711").write_text("secret")
    cache.drop("a")
    assert list(tmp_path.iterdir()) == []


def _as_anybody(machine: Machine, *words: str) -> "subprocess.CompletedProcess[str]":
    root = AS_ANYBODY if os.geteuid() == 0 else ()
    return subprocess.run(
        [*root, "daypass", *words],
        env=machine.environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.fixture
def closed(deploy: Machine) -> Callable[[str], Path]:
    """Return how a folder of the machine's home is closed for writing."""

    def close(name: str) -> Path:
        folder = deploy.home / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o500)
        return folder

    return close


def test_credentials_are_had_where_nothing_can_be_kept(deploy: Machine, closed: Callable[[str], Path]) -> None:
    """A container's disk is often read-only; its tools need credentials all the same."""
    closed(".cache")
    first = _as_anybody(deploy, "credential-process", "--profile", "deploy")
    assert (first.returncode, first.stderr) == (0, "")
    assert json.loads(first.stdout)["Version"] == 1
    assert _as_anybody(deploy, "exec", "--profile", "deploy", "--", "true").returncode == 0


@pytest.mark.parametrize(
    ("folder", "words", "help_words"),
    [
        (".cache", ("login", "saml", "--assertion-file", "x"), "DAYPASS_CACHE_DIR"),
        (".aws", ("login", "saml", "--assertion-file", "x"), "AWS_CONFIG_FILE"),
        (".aws", ("profile", "add", "q", "--role", "deploy", "--source-profile", "ann"), "Is the directory yours"),
        (".aws", ("profile", "set", "ann", "region=us-west-2"), "Is the directory yours"),
    ],
)
def test_what_must_be_written_and_cannot_has_its_exit_code(
    deploy: Machine, closed: Callable[[str], Path], folder: str, words: tuple[str, ...], help_words: str
) -> None:
    """9, before anybody signs in for it."""
    closed(folder)
    done = _as_anybody(deploy, *words)
    assert (done.returncode, done.stdout) == (9, ""), done
    assert help_words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("status",), ("status", "--check", "deploy"), ("logout", "--all")])
def test_a_cache_that_may_not_be_read_is_a_sentence(deploy: Machine, words: tuple[str, ...]) -> None:
    """Whatever the mode of the folder is, nothing is unexpected."""
    folder = deploy.home / ".cache"
    folder.mkdir()
    folder.chmod(0)
    done = _as_anybody(deploy, *words)
    folder.chmod(0o700)
    assert (done.returncode, done.stdout) == (9, ""), done
    assert "cannot be used: Permission denied" in done.stderr
