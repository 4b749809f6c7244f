"""`daypass keys`, `daypass sessions` and `daypass mfa` beside a live server."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.refusals import refused
from tests.sts.authenticator import Authenticator, enrol, new_device, new_user, who
from tests.sts.test_assume_role import new_role

from daypass.cli.main import cli
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

INVALID = "The security token included in the request is invalid."
Command = Callable[..., Result]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Run a server on a store that a command can open beside it."""
    with running_server(store=f"sqlite:///{tmp_path / 'd.db'}") as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> ClientFactory:
    """Make clients of that server."""
    return client_factory(server)


@pytest.fixture
def daypass(server: RunningServer) -> Command:
    """Run a command on the server's store."""

    def run(*arguments: str, typed: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [*arguments, "--store", server.config.store], input=typed)
        assert result.exit_code == code, result.output
        return result

    return run


def answer(result: Result) -> Any:
    """Return the JSON output of a command."""
    return json.loads(result.stdout)


def test_rotating_keys_ends_no_session(daypass: Command, server: RunningServer, client: ClientFactory) -> None:
    """A rotated key seals new tokens a minute later. Tokens of the old key stay valid until they expire."""
    (first,) = answer(daypass("keys", "list", "--output", "json"))["Keys"]
    assert (first["Purpose"], first["State"], first["RetiresAt"]) == ("sealing", "active", None)
    old = client("sts").get_session_token(DurationSeconds=3600)["Credentials"]
    before, after = answer(daypass("keys", "rotate", "--output", "json"))["Keys"]
    assert (before["State"], after["State"]) == ("active", "published")
    again = answer(daypass("keys", "rotate", "--output", "json"))["Keys"]
    assert [key["KeyId"] for key in again] == [before["KeyId"], after["KeyId"]]
    server.clock.move(timedelta(seconds=61))
    new = client("sts").get_session_token()["Credentials"]
    assert _key_of(old) == before["KeyId"]
    assert _key_of(new) == after["KeyId"]
    assert who(client, old) == who(client, new)


def _key_of(credentials: Any) -> str:
    """Return the ID of the key that sealed a token: it follows the tag, unencrypted."""
    return base64.urlsafe_b64decode(credentials["SessionToken"])[3:9].hex()


def test_revoking_a_role_s_sessions_is_a_policy_that_iam_shows(daypass: Command, client: ClientFactory) -> None:
    """The inline policy has AWS's name and document. Without it the sessions work again."""
    iam = client("iam")
    alice = new_user(iam, "alice")
    role = new_role(iam, "r")
    session = client("sts", alice.key).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    client("iam", session).list_users()
    daypass("sessions", "revoke", "--role", "r")
    assert refused(client("iam", session).list_users).code == "AccessDenied"
    document = iam.get_role_policy(RoleName="r", PolicyName="AWSRevokeOlderSessions")["PolicyDocument"]
    (statement,) = document["Statement"]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Deny", ["*"], ["*"])
    assert list(statement["Condition"]["DateLessThan"]) == ["aws:TokenIssueTime"]
    who(client, session)  # what no policy can deny goes on, as on AWS
    iam.delete_role_policy(RoleName="r", PolicyName="AWSRevokeOlderSessions")
    client("iam", session).list_users()


def test_sessions_made_after_a_revocation_are_good(
    daypass: Command, server: RunningServer, client: ClientFactory
) -> None:
    """Only earlier sessions are revoked. A revocation with an earlier time does not undo a later one."""
    iam = client("iam")
    alice = new_user(iam, "alice")
    role = new_role(iam, "r")
    daypass("sessions", "revoke", "--role", "r")
    daypass("sessions", "revoke", "--role", "r", "--issued-before", "2020-01-01T00:00:00Z")
    cut = iam.get_role_policy(RoleName="r", PolicyName="AWSRevokeOlderSessions")["PolicyDocument"]
    instant = cut["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"]
    assert datetime.now(UTC) - datetime.fromisoformat(instant) < timedelta(minutes=2)
    server.clock.move(timedelta(seconds=2))
    session = client("sts", alice.key).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    client("iam", session).list_users()


def test_revoking_a_user_s_sessions_leaves_its_keys(daypass: Command, client: ClientFactory) -> None:
    """A long-term key has no issue time, so the policy does not apply to it."""
    alice = new_user(client("iam"), "alice")
    sts = client("sts", alice.key)
    role = new_role(client("iam"), "r")
    session = sts.get_session_token()["Credentials"]
    daypass("sessions", "revoke", "--user", "alice", "--output", "json")
    assert refused(client("sts", session).assume_role, RoleArn=role, RoleSessionName="s1").code == "AccessDenied"
    sts.assume_role(RoleArn=role, RoleSessionName="s1")


def test_revoking_an_access_key_ends_all_that_came_of_it(daypass: Command, client: ClientFactory) -> None:
    """Its own sessions and those of a chain end; other keys of the user stay valid."""
    iam = client("iam")
    alice = new_user(iam, "alice")
    other = iam.create_access_key(UserName="alice")["AccessKey"]
    role = new_role(iam, "r")
    sts = client("sts", alice.key)
    own = sts.get_session_token()["Credentials"]
    first = sts.assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    second = client("sts", first).assume_role(RoleArn=role, RoleSessionName="s2")["Credentials"]
    third = client("sts", second).assume_role(RoleArn=role, RoleSessionName="s3")["Credentials"]
    safe = client("sts", other).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    daypass("sessions", "revoke", "--access-key", alice.key["AccessKeyId"])
    for session in (own, first, second, third):
        assert refused(who, client, session) == ("InvalidClientTokenId", 403, INVALID)
    who(client, safe)
    who(client, alice.key)
    daypass("sessions", "revoke", "--access-key", safe["AccessKeyId"])
    assert refused(who, client, safe) == ("InvalidClientTokenId", 403, INVALID)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--role", "r", "--user", "u"), 2),
        (("--role", "none"), 6),
        (("--user", "none"), 6),
        (("--user", "none", "--account", "000000000000"), 6),
        (("--access-key", "short"), 6),
        (("--access-key", "A" * 20, "--issued-before", "yesterday"), 2),
        (("--access-key", "A" * 20, "--issued-before", "2026-01-01T00:00:00"), 2),
        (("--access-key", "A" * 20, "--issued-before", "0001-01-01T00:00:00+01:00"), 2),
        (("--access-key", "A" * 20, "--issued-before", "9999-12-31T23:59:59.5Z"), 2),
        (("--access-key", "A" * 20, "--issued-before", "9999-12-31T23:59:59-01:00"), 2),
    ],
)
def test_revocations_that_cannot_be(daypass: Command, arguments: tuple[str, ...], code: int) -> None:
    """Exit code 2 for an invalid option, 6 for an entity that does not exist."""
    daypass("sessions", "revoke", *arguments, code=code)


def test_a_hardware_token_is_registered_and_used(
    daypass: Command, server: RunningServer, client: ClientFactory
) -> None:
    """An operator registers serial number and seed; the owner enables it through IAM. It is not a virtual device."""
    server.clock.freeze()
    alice = new_user(client("iam"), "alice")
    app = Authenticator("GAHT12345678", b"0123456789abcdefghij", server.clock)
    daypass("mfa", "add-hardware", app.serial, typed=base64.b32encode(app.seed).decode())
    daypass("mfa", "add-hardware", app.serial, typed=app.seed.hex(), code=6)
    enrol(client("iam"), app, "alice")
    client("sts", alice.key).get_session_token(SerialNumber=app.serial, TokenCode=app.code(1))
    assert client("iam").list_virtual_mfa_devices()["VirtualMFADevices"] == []
    assert client("iam").list_mfa_devices(UserName="alice")["MFADevices"][0]["SerialNumber"] == app.serial
    (shown,) = answer(daypass("mfa", "list", "--output", "json"))["Devices"]
    assert (shown["Kind"], shown["Locked"]) == ("hardware", False)
    assert refused(client("iam").delete_virtual_mfa_device, SerialNumber=app.serial).code == "NoSuchEntity"


def test_an_operator_unlocks_a_device(daypass: Command, server: RunningServer, client: ClientFactory) -> None:
    """After nine failures only an operator, Resync or Deactivate unlocks it. Used codes stay invalid."""
    server.clock.freeze()
    alice = new_user(client("iam"), "alice")
    app = new_device(client("iam"), server.clock, "phone")
    enrol(client("iam"), app, "alice")
    sts = client("sts", alice.key)
    wrong = app.wrong()
    for _ in range(9):
        assert refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=wrong).code == "AccessDenied"
    assert refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.code(1)).code == "AccessDenied"
    daypass("mfa", "unlock", app.serial)
    assert refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.code()).code == "AccessDenied"
    sts.get_session_token(SerialNumber=app.serial, TokenCode=app.code(1))
    daypass("mfa", "unlock", "no-such-device", code=6)


@pytest.mark.parametrize("typed", ["", "short", "MZXW6", "0123456789", "!" * 40, "1" * 41])
def test_seeds_that_are_none(daypass: Command, typed: str) -> None:
    """A seed that is not base32 or hexadecimal, or too short, is rejected."""
    daypass("mfa", "add-hardware", "GAHT12345678", typed=typed, code=6)
