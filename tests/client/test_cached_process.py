"""`daypass credential-process NAME` prints cached credentials without the command line, and changes nothing else.

The short way of entry.py is compared with main.py, and each condition under which it steps aside is tested.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.client.in_process import here
from tests.client.machine import Done, Machine

from daypass.cli import entry
from daypass.cli.shared.cached_process import find_cached_document
from daypass.client.credentials import Credentials
from daypass.client.sessions.cache import CachedCredentials, CredentialCache
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import with_endpoint
from daypass.client.sessions.server_sign_in import SignInStore, begin
from daypass.client.sign_in.sso_api import Registration, SignInTokens

# Modules that the short way does without, for their own time or for that of the modules that they import.
_HEAVY = {
    "asyncio",
    "botocore",
    "click",
    "daypass.cli.main",
    "email",
    "getpass",
    "hashlib",
    "http",
    "http.client",
    "importlib.metadata",
    "logging",
    "msgspec",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "urllib.request",
}
_MOST_MODULES = 150  # 128 on Python 3.11

_PROGRAM = """
import sys
from daypass.cli.entry import main
sys.argv[0] = "daypass"
try:
    main()
finally:
    print("modules:", *sorted(sys.modules), file=sys.stderr)
"""


def _enter(machine: Machine, *words: str, **environment: str) -> tuple[Done, set[str]]:
    """Run the entry point, and return its result and the imported modules."""
    done = machine.run(sys.executable, "-c", _PROGRAM, *words, **environment)
    rest, _, modules = done.err.partition("modules: ")
    return Done(done.code, done.out, rest), set(modules.split())


@pytest.fixture
def deploy(machine: Machine) -> Machine:
    """Return a machine with the cached credentials of a profile."""
    assert here(machine, "profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann").code == 0
    assert here(machine, "credential-process", "deploy").code == 0
    return machine


@pytest.fixture
def found(deploy: Machine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str | None]:
    """Return the function that looks up a profile on the machine, without a process."""

    def find(profile: str = "deploy", **environment: str) -> str | None:
        for name in set(os.environ) - {"PATH"}:
            monkeypatch.delenv(name)
        for name, value in {**deploy.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        return find_cached_document(profile)

    return find


def _entry_file(machine: Machine) -> Path:
    (file,) = (machine.home / ".cache/daypass/credentials").glob("*.json")
    return file


def _change(machine: Machine, **members: object) -> None:
    file = _entry_file(machine)
    file.write_text(json.dumps({**json.loads(file.read_text()), **members}))


@pytest.mark.parametrize("words", [("deploy",), ("--profile", "deploy")])
def test_the_short_way_prints_what_the_command_prints(deploy: Machine, words: tuple[str, ...]) -> None:
    """It imports few modules, which are most of the time of the command."""
    done, modules = _enter(deploy, "credential-process", *words)
    assert done == here(deploy, "credential-process", *words)
    assert done.code == 0
    assert not done.err
    assert modules & _HEAVY == set()
    assert len(modules) <= _MOST_MODULES, sorted(modules)


@pytest.mark.parametrize("words", [("--help",), ("credential-process", "--help")])
def test_help_imports_few_modules(machine: Machine, words: tuple[str, ...]) -> None:
    """It imports click, and of the client only what reads an option."""
    done, modules = _enter(machine, *words)
    assert done.code == 0
    assert done.out.startswith("Usage: daypass ")
    assert modules & (_HEAVY - {"click", "daypass.cli.main"}) == set()
    of_client = {name for name in modules if name.startswith("daypass.client.")}
    assert of_client <= {"daypass.client.durations", "daypass.client.problems"}
    assert len(modules) <= _MOST_MODULES, sorted(modules)


def test_no_file_is_changed(deploy: Machine, found: Callable[..., str | None]) -> None:
    """The lookup only reads."""

    def files() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in deploy.home.rglob("*") if path.is_file()}

    before = files()
    assert found() is not None
    assert files() == before


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["credential-process"],
        ["credential-process", ""],
        ["credential-process", "--help"],
        ["credential-process", "deploy", "other"],
        ["credential-process", "deploy", "--fresh"],
        ["credential-process", "--profile=deploy"],
        ["credential-process", "--profile", "--fresh"],
        ["credential-process", "--profile", "deploy", "deploy"],
        ["credential-process", "--", "deploy"],
        ["whoami", "deploy"],
        ["Credential-Process", "deploy"],
    ],
)
def test_every_other_command_line_takes_the_way_through_click(arguments: list[str]) -> None:
    """Only two spellings are read without click."""
    assert not entry._profile_of(arguments)


def test_completion_takes_the_way_through_click(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its variable, a command line has another meaning."""
    assert entry._profile_of(["credential-process", "deploy"]) == "deploy"
    monkeypatch.setenv("_DAYPASS_COMPLETE", "bash_complete")
    assert not entry._profile_of(["credential-process", "deploy"])


def test_unusable_entries_are_not_found(deploy: Machine, found: Callable[..., str | None]) -> None:
    """Credentials that end soon, are from the future, or cannot be read are requested anew."""
    good = _entry_file(deploy).read_text()
    assert found() is not None
    soon = (datetime.now(UTC) + timedelta(minutes=14)).strftime("%Y-%m-%dT%H:%M:%SZ")
    _change(deploy, credentials={**json.loads(good)["credentials"], "Expiration": soon})
    assert found() is None
    _entry_file(deploy).write_text(good)
    _change(deploy, kept=(datetime.now(UTC) + timedelta(minutes=2)).isoformat())
    assert found() is None
    _entry_file(deploy).write_text(good[:-2])
    assert found() is None
    _entry_file(deploy).write_text(good)
    _change(deploy, in_keyring=True)
    assert found() is None
    _entry_file(deploy).write_text(good)
    assert found() is not None
    assert found(DAYPASS_KEYRING="1") is None
    assert found("ann") is None  # its own keys are not cached


def test_a_second_profile_is_recorded_by_the_command(deploy: Machine, found: Callable[..., str | None]) -> None:
    """`daypass logout` of one profile must not end the session of the other."""
    here(deploy, "profile", "add", "again", "--role", "deploy", "--source-profile", "ann")
    assert found("again") is None
    first = here(deploy, "credential-process", "again")
    assert json.loads(_entry_file(deploy).read_text())["further_profiles"] == ["again"]
    assert found("again") == first.out.strip()


def test_errors_are_those_of_the_command(deploy: Machine) -> None:
    """The short way leaves each error to the command."""
    for words in (("absent",), ("--profile", "absent")):
        done, modules = _enter(deploy, "credential-process", *words)
        assert done == here(deploy, "credential-process", *words)
        assert done.code != 0
        assert "click" in modules
    deploy.config.write_text(deploy.config.read_text() + "[profile deploy]\nstray line\n")
    done, _ = _enter(deploy, "credential-process", "deploy")
    assert done == here(deploy, "credential-process", "deploy")
    assert done.code != 0


def test_a_closed_pipe_is_not_an_error(deploy: Machine) -> None:
    """As in every command: the reader has seen enough."""
    script = f"{sys.executable} -c {_quoted(_PROGRAM)} credential-process deploy 2>/dev/null; echo code $? >&2"
    done = deploy.run("bash", "-c", f"( sleep 0; {script} ) | true")
    assert done.err == "code 0\n"


def _quoted(program: str) -> str:
    return "'" + program.replace("'", "'\\''") + "'"


def test_roles_of_a_sign_in_are_found(deploy: Machine, found: Callable[..., str | None]) -> None:
    """The id of the sign-in is part of the key: another sign-in does not find them."""
    deploy.config.write_text(
        deploy.config.read_text()
        + f"[profile portal]\nregion = eu-west-1\nendpoint_url = {deploy.server.url}\ndaypass_method = portal\n"
        "daypass_role_arn = arn:aws:iam::123456789012:role/deploy\n"
    )
    assert found("portal") is None
    context = ClientContext.of(os.environ, lambda: datetime.now(UTC))
    wanted = context.profiles.get("portal").request
    assert wanted is not None
    request = with_endpoint(wanted, context)
    tokens = SignInTokens("access", "refresh", 3600)
    client = Registration("client", "secret", 0.0)
    begin(deploy.server.url, client, tokens, context)
    signed_in = SignInStore(context.cache).find_id(deploy.server.url)
    expires = datetime.now(UTC) + timedelta(hours=1)
    CredentialCache(context.cache.folder).keep(
        CachedCredentials(
            key=request.cache_key(f"sign-in {signed_in}"),
            credentials=Credentials("ASIAEXAMPLE", "s" * 40, "token", expires),
            profile="portal",
            arn="",
            endpoint_url=request.endpoint_url,
        )
    )
    document = found("portal")
    assert document is not None
    assert json.loads(document)["AccessKeyId"] == "ASIAEXAMPLE"
    assert here(deploy, "credential-process", "portal").out.strip() == document
    begin(deploy.server.url, client, tokens, context)
    assert found("portal") is None
