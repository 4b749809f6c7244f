"""The cache: one refresh at a time, complete files, and folders that cannot be written."""

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

from daypass.client.credentials import Credentials
from daypass.client.sessions.cache import CachedCredentials, CredentialCache
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials

NOW = datetime(2030, 1, 1, tzinfo=UTC)
# Root can write everywhere; without these capabilities it has the rights of other users.
AS_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


@pytest.fixture
def deploy(machine: Machine) -> Machine:
    """Return a machine with a profile that caches credentials."""
    machine.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    return machine


def test_those_who_renew_at_once_renew_once(deploy: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waited for another's refresh uses its result, which is newer than its own start."""
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

        client_context = ClientContext.of(os.environ, now, fresh=True)
        wanted = client_context.profiles.get("deploy").request
        assert wanted is not None
        return get_credentials(wanted, client_context).credentials.access_key_id

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(renew, range(3)))) == 1
    # A request that starts now needs a newer result.
    client_context = ClientContext.of(os.environ, lambda: datetime.now(UTC), fresh=True)
    wanted = client_context.profiles.get("deploy").request
    assert wanted is not None
    newer = get_credentials(wanted, client_context).credentials.access_key_id
    assert (
        newer
        == get_credentials(wanted, ClientContext.of(os.environ, lambda: datetime.now(UTC))).credentials.access_key_id
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'{"key": 1}', b"\xff\xfe", b'{"credentials": []}', b'{"credentials": {"a": "b"}}'],
)
def test_a_file_that_cannot_be_read_is_not_there(tmp_path: Path, content: bytes) -> None:
    """An incomplete file, or one of another owner, causes a new sign-in and not a failure."""
    cache = CredentialCache(tmp_path)
    (tmp_path / "k.json").write_bytes(content)
    assert cache.find("k", now=NOW) is None
    assert list(cache.entries()) == []
    cache.drop("k")
    assert list(tmp_path.iterdir()) == []


def _entry(key: str, end: datetime) -> CachedCredentials:
    return CachedCredentials(key, Credentials("ASIAX", "secret", "token", end), "p", "arn", "https://x")


def test_what_lies_under_another_name_is_not_served(tmp_path: Path) -> None:
    """A file that was copied to another key's name is not used."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", NOW + timedelta(hours=1)))
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes())
    assert cache.find("a", now=NOW) is not None
    assert cache.find("b", now=NOW) is None


@pytest.mark.parametrize(("left", "served"), [(899, False), (900, True), (901, True)])
def test_fifteen_minutes_must_be_left(tmp_path: Path, left: int, *, served: bool) -> None:
    """A tool that starts now must not fail in the middle of its work."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", NOW + timedelta(seconds=left)))
    assert (cache.find("a", now=NOW) is not None) == served


@pytest.mark.parametrize(("left", "lasts"), [(1, True), (0, False), (-1, False)])
def test_credentials_are_of_no_use_at_their_end(tmp_path: Path, left: int, *, lasts: bool) -> None:
    """In the second of their expiry they are invalid, also if no further time is requested."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", NOW + timedelta(seconds=left)))
    assert (cache.find("a", now=NOW, least=timedelta()) is not None) == lasts


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    """The file may contain secrets, and only the sweep removes it."""
    cache = CredentialCache(tmp_path)
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
    """Return the way to make a folder of the machine read-only."""

    def close(name: str) -> Path:
        folder = deploy.home / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o500)
        return folder

    return close


def test_credentials_are_had_where_nothing_can_be_kept(deploy: Machine, closed: Callable[[str], Path]) -> None:
    """A container's disk is often read-only, but its tools need credentials."""
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
        (
            ".aws",
            ("profile", "add", "q", "--role", "deploy", "--source-profile", "ann"),
            "Check the owner of the directory",
        ),
        (".aws", ("profile", "set", "ann", "region=us-west-2"), "Check the owner of the directory"),
    ],
)
def test_what_must_be_written_and_cannot_has_its_exit_code(
    deploy: Machine, closed: Callable[[str], Path], folder: str, words: tuple[str, ...], help_words: str
) -> None:
    """Exit code 9, before the person signs in."""
    closed(folder)
    done = _as_anybody(deploy, *words)
    assert (done.returncode, done.stdout) == (9, ""), done
    assert help_words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [("status",), ("status", "--check", "deploy"), ("logout", "--all")])
def test_a_cache_that_may_not_be_read_is_a_sentence(deploy: Machine, words: tuple[str, ...]) -> None:
    """Every mode of the folder gives an ordinary message."""
    folder = deploy.home / ".cache"
    folder.mkdir()
    folder.chmod(0)
    done = _as_anybody(deploy, *words)
    folder.chmod(0o700)
    assert (done.returncode, done.stdout) == (9, ""), done
    assert "cannot be used: Permission denied" in done.stderr


@pytest.mark.slow
def test_a_session_from_before_the_clock_went_back_is_not_served(machine: Machine) -> None:
    """It would have more time left than it was given, as after a machine's sleep with a clock that was ahead."""
    words = ("assume", "deploy", "--profile", "ann", "--output", "json")
    first = machine.good(*words).json["Credentials"]["AccessKeyId"]
    (path,) = (machine.home / ".cache/daypass/credentials").glob("*.json")
    document = json.loads(path.read_text())
    later = datetime.now(UTC) + timedelta(hours=3)
    path.write_text(json.dumps({**document, "kept": later.isoformat()}))
    assert "clock, which has gone back" in machine.daypass("doctor", "--profile", "ann").out
    assert machine.good(*words).json["Credentials"]["AccessKeyId"] != first
