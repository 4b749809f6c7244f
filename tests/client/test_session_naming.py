"""One session for a request, however its profile, role and MFA device were named; one MFA code for a source."""

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.client.machine import ACCOUNT, ANYTHING, Machine, prepared, trusting
from tests.documents import deny, document
from tests.sts.authenticator import Authenticator, enrol, new_device

from daypass.cli.shared.selection import select
from daypass.client.problems import ExpiredError, RefusedError, SignInNeededError
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.sessions.get_credentials import cache_key, with_endpoint
from daypass.client.sessions.source_keys import source_key
from daypass.testing.server import RunningServer, running_server

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
RECENT = {"NumericLessThan": {"aws:MultiFactorAuthAge": "90"}}
EMPTY = {
    "profile": "",
    "endpoint_url": "",
    "region": "",
    "duration": 0,
    "mfa_serial": "",
    "mfa_command": "",
    "roles": (),
}


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    """Run a server whose user has roles that require MFA."""
    with running_server(account=ACCOUNT) as server:
        yield server


@pytest.fixture(scope="module")
def ready(served: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Authenticator]:
    """Return a machine whose profile `ann` has keys, an MFA device and roles."""
    machine = prepared(tmp_path_factory.mktemp("naming") / "home", served)
    device = new_device(machine.iam, served.clock, "phone")
    enrol(machine.iam, device, "ann")
    served.clock.move(timedelta(seconds=90))  # both codes are used up
    account = f"arn:aws:iam::{ACCOUNT}:root"
    for name, condition in (("careful", MFA), ("other", MFA), ("recent", RECENT)):
        trust = trusting(account, Condition=condition)
        machine.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    with machine.config.open("a") as config:
        config.write(
            f"[profile bob]\nregion = eu-west-1\nendpoint_url = {served.url}\nmfa_serial = {device.serial}\n"
            f"aws_access_key_id = {_keys(machine)[0]}\naws_secret_access_key = {_keys(machine)[1]}\n"
        )
    return machine, device


def _keys(machine: Machine) -> list[str]:
    return [line.partition(" = ")[2] for line in machine.credentials.read_text().splitlines()[1:3]]


class Commands:
    """The commands of a machine, without a process for each."""

    def __init__(self, ready: tuple[Machine, Authenticator], cache: Path, patch: pytest.MonkeyPatch) -> None:
        self.machine, self.device = ready
        self.patch = patch
        for name in os.environ:
            if name.startswith(("AWS_", "DAYPASS_")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(self.machine.config))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(self.machine.credentials))
        patch.setenv("DAYPASS_CACHE_DIR", str(cache))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def get(self, *roles: str, environment: dict[str, str] | None = None, **given: Any) -> CachedCredentials:
        """Return what a command with these options gets; no terminal, and one code at most."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            selection = select("role", {**EMPTY, "no_input": True, **given}, roles)
            found: CachedCredentials = selection.get_credentials()
            return found

    def code(self) -> str:
        """Return a code that was not used before."""
        self.device.clock.move(timedelta(seconds=60))
        return self.device.code()

    def later(self, minutes: int) -> None:
        """Let time pass on the server, and in the cache's own record of it."""
        self.device.clock.move(timedelta(minutes=minutes))
        for path in Path(os.environ["DAYPASS_CACHE_DIR"]).rglob("*.json"):
            entry = json.loads(path.read_text())
            entry["kept"] = (datetime.fromisoformat(entry["kept"]) - timedelta(minutes=minutes)).isoformat()
            path.write_text(json.dumps(entry))


@pytest.fixture
def commands(ready: tuple[Machine, Authenticator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Return the commands with a cache of their own."""
    return Commands(ready, tmp_path, monkeypatch)


def test_a_session_does_not_depend_on_how_it_was_named(commands: Commands) -> None:
    """Every naming of the profile, the role and the device gets the first one's session, and needs no code."""
    machine, device = commands.machine, commands.device
    key_id, secret = _keys(machine)
    profiles: tuple[tuple[dict[str, Any], dict[str, str]], ...] = (
        ({"profile": "ann"}, {}),
        ({}, {"AWS_PROFILE": "ann"}),
        ({}, {"AWS_DEFAULT_PROFILE": "ann"}),
        ({"profile": "bob"}, {}),
        ({}, {"AWS_PROFILE": "bob"}),
        (
            {"endpoint_url": machine.server.url, "region": "eu-west-1"},
            {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret},
        ),
    )
    roles = ("careful", f"{ACCOUNT}/careful", f"{ROLE}careful")
    serials = ("auto", device.serial)
    first = commands.get("careful", profile="ann", mfa_serial="auto", mfa_code=commands.code())
    for (given, environment), role, serial in itertools.product(profiles, roles, serials):
        found = commands.get(role, environment=environment, mfa_serial=serial, **given)
        assert found.credentials.access_key_id == first.credentials.access_key_id, (given, environment, role, serial)
    for given, environment in profiles[3:5]:  # The device is in the profile.
        assert commands.get("careful", environment=environment, **given).key == first.key
    before = machine.config.read_text()
    with machine.config.open("a") as config:
        saved = {"method": "role", "role_arn": f"{ROLE}careful", "source_profile": "bob", "mfa_serial": "auto"}
        config.write(
            "[profile saved]\nregion = eu-west-1\n" + "".join(f"daypass_{k} = {v}\n" for k, v in saved.items())
        )
        config.write(f"endpoint_url = {machine.server.url}\n")
    try:
        assert commands.get(profile="saved").key == first.key
        assert commands.get(environment={"AWS_PROFILE": "saved"}).key == first.key
    finally:
        machine.config.write_text(before)


@pytest.mark.parametrize(
    "more",
    [
        {"duration": 900},
        {"session_name": "other"},
        {"external_id": "x"},
        {"policy": ANYTHING},
        {"tags": ("a=b",)},
        {"source_identity": "ann"},
        {"region": "eu-west-2"},
        {"mfa_serial": ""},
    ],
)
def test_what_changes_the_session_is_another_session(commands: Commands, more: dict[str, Any]) -> None:
    """Each setting that STS sees is part of the cache key."""
    given = {"profile": "ann", "mfa_serial": "auto"}
    keys = set()
    for options in (given, {**given, **more}):
        selection = select("role", {**EMPTY, "no_input": True, **options}, (f"{ROLE}careful",))
        keys.add(cache_key(with_endpoint(selection.request, selection.client_context), selection.client_context))
    assert len(keys) == 2
    assert "" not in keys


def test_one_code_serves_all_roles_of_a_source(commands: Commands) -> None:
    """The session with MFA is the source's; `daypass session-token` shows the same one."""
    first = commands.get("careful", profile="ann", mfa_serial="auto", mfa_code=commands.code())
    other = commands.get("other", profile="ann", mfa_serial=commands.device.serial)
    assert other.arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/other/")
    assert other.key != first.key
    fresh = commands.get("careful", profile="ann", mfa_serial="auto", fresh=True)
    assert fresh.credentials.access_key_id != first.credentials.access_key_id


@pytest.mark.slow
def test_a_role_that_wants_a_newer_code_gets_one(commands: Commands) -> None:
    """The role is refused with the old session; a new code makes a new session for all roles."""
    commands.get("recent", profile="ann", mfa_serial="auto", mfa_code=commands.code())
    commands.later(2)
    with pytest.raises(RefusedError, match="needs a newer MFA code"):
        commands.get("recent", profile="ann", mfa_serial="auto", fresh=True)
    found = commands.get(
        "recent", profile="ann", mfa_serial="auto", mfa_command=f"echo {commands.device.code()}", fresh=True
    )
    assert "/recent/" in found.arn
    assert "/recent/" in commands.get("recent", profile="ann", mfa_serial="auto", fresh=True).arn


def test_a_refusal_right_after_the_code_asks_for_no_other(commands: Commands) -> None:
    """Age is not the reason then."""
    code = commands.code()
    with pytest.raises(RefusedError, match="AccessDenied") as caught:
        commands.get("second", profile="ann", mfa_serial="auto", mfa_code=code)
    assert "newer" not in str(caught.value)


def test_a_wrong_code_makes_no_session(commands: Commands) -> None:
    """Neither does the lack of one."""
    with pytest.raises(ExpiredError):
        commands.get("careful", profile="ann", mfa_serial="auto", mfa_code=commands.device.wrong())
    with pytest.raises(SignInNeededError):
        commands.get("careful", profile="ann", mfa_serial="auto")


def test_a_source_that_may_not_get_a_session_uses_the_code_for_the_role(commands: Commands) -> None:
    """STS refuses the session before it counts the code as used."""
    iam = commands.machine.iam
    iam.put_user_policy(UserName="ann", PolicyName="no", PolicyDocument=document(deny("sts:GetSessionToken")))
    try:
        found = commands.get("careful", profile="ann", mfa_serial="auto", mfa_code=commands.code())
    finally:
        iam.delete_user_policy(UserName="ann", PolicyName="no")
    assert "/careful/" in found.arn


def test_a_session_of_version_0_1_0_is_served(commands: Commands) -> None:
    """It is found under its old key, until it expires."""
    new = commands.get("deploy", profile="ann")
    selection = select("role", {**EMPTY, "profile": "ann", "no_input": True}, ("deploy",))
    context = selection.client_context
    request = with_endpoint(selection.request, context)
    former = request.former_cache_key(source_key(request, context.profiles, context.environment))
    old = replace(new, key=former, credentials=replace(new.credentials, access_key_id="ASIAOLD"))
    context.cache.keep(old)
    assert commands.get("deploy", profile="ann").credentials.access_key_id == "ASIAOLD"


@pytest.mark.slow
def test_a_shared_session_belongs_to_each_of_its_profiles(ready: tuple[Machine, Authenticator], tmp_path: Path) -> None:
    """`logout` of one profile leaves the session to the other, and that of the last one deletes it."""
    machine = replace(ready[0], home=tmp_path, more={"AWS_CONFIG_FILE": str(tmp_path / "config")})
    (tmp_path / "config").write_text(ready[0].config.read_text())
    machine = replace(machine, more={**machine.more, "AWS_SHARED_CREDENTIALS_FILE": str(ready[0].credentials)})
    first = machine.good("assume", "deploy", "--profile", "ann", "--output", "process").json["AccessKeyId"]
    for name in ("one", "two"):
        machine.good("profile", "add", name, "--role", "deploy", "--source-profile", "ann")
        assert machine.good("credential-process", "--profile", name).json["AccessKeyId"] == first
    assert machine.good("status", "--output", "json").json[0]["Profile"] == "one, two"
    machine.good("logout", "one")
    assert [machine.daypass("status", "--check", name).code for name in ("one", "two")] == [3, 0]
    machine.good("logout", "two")
    assert not list(tmp_path.rglob("*.json"))
