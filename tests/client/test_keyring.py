"""`DAYPASS_KEYRING=1`: secrets lie in the keyring, and whatever becomes of it is one sentence.

The backends are keyring's own kind, chosen as a person chooses one (PYTHON_KEYRING_BACKEND).
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.client.machine import Machine
from tests.slow_cases import quick_first

# A desktop's keyring in a file; DESKTOP sets its state.
BACKEND = """
import json, os, pathlib
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

FILE = pathlib.Path(os.environ["HOME"], "keyring.json")


class Keyring(KeyringBackend):
    priority = 1

    def _read(self):
        state = os.environ.get("DESKTOP", "")
        if state == "locked":
            raise KeyringLocked("Failed to unlock the collection!")
        if state == "broken":
            raise ZeroDivisionError("bus\\x1b[2J\\nis gone")
        return json.loads(FILE.read_text()) if FILE.exists() else {}

    def _write(self, kept):
        FILE.write_text(json.dumps(kept))

    def get_password(self, service, username):
        return self._read().get(f"{service} {username}")

    def set_password(self, service, username, password):
        self._write({**self._read(), f"{service} {username}": password})

    def delete_password(self, service, username):
        kept = self._read()
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("not found")
        self._write(kept)
"""


@pytest.fixture
def desktop(machine: Machine) -> Machine:
    """Return a machine with a keyring that is switched on, and a profile that caches credentials."""
    folder = machine.home / "python"
    folder.mkdir()
    (folder / "desktop.py").write_text(BACKEND)
    machine.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    wanted = {"PYTHONPATH": str(folder), "PYTHON_KEYRING_BACKEND": "desktop.Keyring", "DAYPASS_KEYRING": "1"}
    return replace(machine, more=wanted)


def process(machine: Machine, **environment: str) -> Any:
    """Run the credential process."""
    return machine.daypass("credential-process", "--profile", "deploy", **environment)


def in_keyring(machine: Machine) -> dict[str, str]:
    """Return the content of the keyring."""
    path = machine.home / "keyring.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def in_files(machine: Machine) -> str:
    """Return the content of the cache files."""
    return "".join(path.read_text() for path in (machine.home / ".cache/daypass/credentials").glob("*.json"))


def test_secrets_lie_in_the_keyring_and_in_no_file(desktop: Machine) -> None:
    """The second result is the first one, from the keyring. The file has only the members that are not secret."""
    first = process(desktop).json
    assert process(desktop).json == first
    (kept,) = in_keyring(desktop).values()
    assert json.loads(kept)["SecretAccessKey"] == first["SecretAccessKey"]
    assert first["AccessKeyId"] in in_files(desktop)
    assert first["SecretAccessKey"] not in in_files(desktop)
    assert first["SessionToken"] not in in_files(desktop)
    assert desktop.run("aws", "sts", "get-caller-identity", "--profile", "deploy").code == 0


def test_cached_entries_are_listed_without_the_keyring(desktop: Machine) -> None:
    """A desktop may prompt for each secret; `status` and `whoami` do not read secrets."""
    assert process(desktop).code == 0
    row = desktop.good("status", "--output", "json", DESKTOP="locked").json[0]
    assert (row["Profile"], row["Left"]) == ("deploy", "1 h")


@pytest.mark.slow
def test_logging_out_takes_it_out_of_the_keyring(desktop: Machine) -> None:
    """Both places are empty afterwards; an entry that is already deleted is not an error."""
    assert process(desktop).code == 0
    desktop.good("logout", "deploy")
    assert (in_keyring(desktop), in_files(desktop)) == ({}, "")
    assert process(desktop).code == 0
    (desktop.home / "keyring.json").write_text("{}")
    assert desktop.daypass("status", "--check", "deploy").code == 5
    desktop.good("logout", "--all")
    assert in_files(desktop) == ""


@pytest.mark.parametrize(
    "entry", quick_first(["", "null", "[]", "{", '{"AccessKeyId": "x"}', '{"AccessKeyId": 1}', "\x1b", "7"], quick=2)
)
def test_an_entry_that_cannot_be_read_is_fetched_anew(desktop: Machine, entry: str) -> None:
    """Another program may have changed it. The next credentials are valid and stored again."""
    first = process(desktop).json
    kept = dict.fromkeys(in_keyring(desktop), entry)
    (desktop.home / "keyring.json").write_text(json.dumps(kept))
    second = process(desktop).json
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert process(desktop).json == second


@pytest.mark.parametrize(
    ("change", "code", "words"),
    quick_first(
        [
            ({"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}, 6, "This machine has no keyring"),
            ({"PYTHON_KEYRING_BACKEND": "nosuch.Keyring"}, 6, "does not work (ModuleNotFoundError"),
            ({"PYTHON_KEYRING_BACKEND": "desktop.Other"}, 6, "does not work (AttributeError"),
            ({"DESKTOP": "locked"}, 9, "The keyring is locked"),
            ({"DESKTOP": "broken"}, 6, "does not work (ZeroDivisionError: bus [2J is gone)"),
        ],
        quick=2,
    ),
)
def test_a_keyring_that_fails_is_one_sentence(desktop: Machine, change: dict[str, str], code: int, words: str) -> None:
    """With or without an entry: the exit code, the reason, and the next step."""
    for _ in range(2):
        done = process(desktop, **change)
        assert (done.code, done.out) == (code, ""), done
        assert done.err.startswith("daypass: ")
        assert len(done.err.splitlines()) == 1
        assert words in done.err
        assert "unset daypass_keyring" in done.err.lower()
        assert process(desktop).code == 0


def test_a_keyring_that_is_not_installed_is_one_sentence(desktop: Machine) -> None:
    """It is an extra of the package."""
    (desktop.home / "python/keyring.py").write_text("raise ImportError")
    done = process(desktop)
    assert (done.code, done.out) == (6, "")
    assert "pip install 'daypass[keyring]'" in done.err


@pytest.mark.slow
def test_who_wants_it_no_longer_gets_a_file(desktop: Machine) -> None:
    """If the keyring is switched off and unreadable, credentials are requested again and stored in a file."""
    first = process(desktop).json
    without = replace(desktop, more={**desktop.more, "DAYPASS_KEYRING": "", "DESKTOP": "locked"})
    second = process(without).json
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert second["SecretAccessKey"] in in_files(desktop)
    assert process(without).json == second


def test_nobody_signs_in_for_a_keyring_that_is_locked(desktop: Machine, tmp_path: Path) -> None:
    """The keyring is tested before the browser opens."""
    token = tmp_path / "assertion"
    token.write_text("PHg+")
    done = desktop.daypass("login", "saml", "--assertion-file", str(token), DESKTOP="locked")
    assert (done.code, done.out) == (9, "")
    assert "The keyring is locked" in done.err
