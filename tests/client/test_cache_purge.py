"""Entries that expired long ago leave the cache; all others stay."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daypass.client.credentials import Credentials
from daypass.client.sessions.cache import SHOWN, CachedCredentials, CredentialCache, sweep

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - SHOWN - timedelta(seconds=1)


def _entry(key: str, end: datetime | None) -> CachedCredentials:
    return CachedCredentials(key, Credentials("ASIAX", "secret", "token", end), "p", "arn", "https://x")


@pytest.mark.parametrize(
    ("end", "stays"),
    [(LONG_AGO, False), (NOW - SHOWN, True), (NOW - timedelta(hours=1), True), (NOW + timedelta(hours=1), True)],
)
def test_what_ended_a_day_ago_goes(tmp_path: Path, end: datetime, *, stays: bool) -> None:
    """For a day `daypass status` shows them as expired."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", end))
    sweep(cache, now=NOW)
    assert (tmp_path / "a.json").exists() == stays


def test_what_does_not_end_stays(tmp_path: Path) -> None:
    """Credentials without an expiry never expire."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", None))
    sweep(cache, now=NOW)
    assert (tmp_path / "a.json").exists()


def test_keeping_sweeps(tmp_path: Path) -> None:
    """Storing an entry sweeps, and also removes files of a killed process."""
    cache = CredentialCache(tmp_path)
    real = datetime.now(UTC)
    cache.keep(_entry("new", real + timedelta(hours=1)))
    document = json.loads((tmp_path / "new.json").read_text())
    document["credentials"]["Expiration"] = "2020-01-01T00:00:00Z"
    (tmp_path / "old.json").write_text(json.dumps(document))
    (tmp_path / ".old.4711").write_text("secret")
    cache.keep(_entry("newer", real + timedelta(hours=1)))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["new.json", "newer.json"]
    assert not (tmp_path / ".old.4711").exists()


def test_what_another_process_works_at_is_left_to_it(tmp_path: Path) -> None:
    """It has the lock of that key, and the sweep does not wait."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", LONG_AGO))
    with cache.alone("a"):
        sweep(CredentialCache(tmp_path), now=NOW)
        assert (tmp_path / "a.json").exists()
    sweep(cache, now=NOW)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"credentials": {"Expiration": "2020-01-01T00:00:00Z"}}'])
def test_what_is_not_ours_stays(tmp_path: Path, content: str) -> None:
    """Unknown files are not deleted."""
    (tmp_path / "a.json").write_text(content)
    sweep(CredentialCache(tmp_path), now=NOW)
    assert (tmp_path / "a.json").read_text() == content


def test_a_keyring_that_is_switched_off_is_not_used(tmp_path: Path) -> None:
    """Deleting its entry would require unlocking it."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("a", LONG_AGO))
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "in_keyring": True}))
    sweep(cache, now=NOW)
    assert path.exists()


def test_very_many_are_taken_little_by_little(tmp_path: Path) -> None:
    """One command sweeps a limited number; the next one continues."""
    cache = CredentialCache(tmp_path)
    cache.keep(_entry("k0", LONG_AGO))
    text = (tmp_path / "k0.json").read_text()
    for number in range(1, 50):
        (tmp_path / f"k{number}.json").write_text(text)
    sweep(cache, now=NOW)
    left = len(list(tmp_path.glob("*.json")))
    assert 0 < left < 50
    sweep(cache, now=NOW)
    assert not list(tmp_path.glob("*.json"))


def test_a_folder_that_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    """A sweep never makes a command fail."""
    sweep(CredentialCache(tmp_path / "none"), now=NOW)
