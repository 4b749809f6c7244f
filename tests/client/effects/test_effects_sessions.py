"""The effects of each option of `assume`, `session-token` and `federation-token` on the session."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.client.machine import ACCOUNT, Done, Machine, trusting
from tests.sts.authenticator import Authenticator, enrol, new_device

from daypass.testing.server import RunningServer

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/"
READING = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}}
)
# One process that makes two calls, to test the session's permissions.
MAY = """
import boto3, botocore.exceptions
for call in ("list_users", "list_roles"):
    try: getattr(boto3.client("iam"), call)(); print(call)
    except botocore.exceptions.ClientError as error: print(error.response["Error"]["Code"])
"""


def _asked(machine: Machine, action: str) -> list[Mapping[str, Any]]:
    """Return the parameters of the calls that reached the server, in order."""
    return [each.parameters or {} for each in machine.server.audit.audit_records if each.action == action]


def _left(done: Done) -> timedelta:
    return datetime.fromisoformat(done.json["Credentials"]["Expiration"]) - datetime.now(UTC)


def _about(hours: float) -> Any:
    return pytest.approx(hours * 3600, abs=120)


def test_every_option_of_assume_reaches_the_role(machine: Machine) -> None:
    """STS gets the name, duration, external ID, source identity and tags."""
    trust = trusting(
        f"arn:aws:iam::{ACCOUNT}:root",
        Condition={
            "StringEquals": {"sts:ExternalId": "e-1", "sts:SourceIdentity": "ann", "aws:RequestTag/team": "blue"},
            "ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]},
        },
    )
    machine.iam.create_role(RoleName="strict", AssumeRolePolicyDocument=trust, MaxSessionDuration=7200)
    words = ["assume", f"{ACCOUNT}/strict", "--profile", "ann", "--output", "json", "--session-name", "n@1"]
    words += ["--external-id", "e-1", "--source-identity", "ann", "--tag", "team=blue", "--transitive-tag", "team"]
    done = machine.good(*words, "--duration", "1h30m")
    assert done.json["Arn"] == f"{SESSION}strict/n@1"
    assert _left(done).total_seconds() == _about(1.5)
    told = _asked(machine, "AssumeRole")[-1]
    assert (told["DurationSeconds"], told["ExternalId"], told["SourceIdentity"]) == (5400, "e-1", "ann")
    assert told["Tags"] == [{"Key": "team", "Value": "blue"}]
    # If one of them is wrong, the role cannot be assumed.
    assert machine.daypass(*[word.replace("e-1", "e-2") for word in words]).code == 4


def test_the_parameters_of_a_chain_go_where_they_count(machine: Machine) -> None:
    """Source identity to the first role; tags, policies and duration to the last; transitive tags from the first."""
    words = ("assume", "deploy", "second", "--profile", "ann", "--output", "process", "--source-identity", "ann")
    machine.good(*words, "--tag", "a=1", "--duration", "45m", "--policy", READING)
    first, last = _asked(machine, "AssumeRole")[-2:]
    assert [each["RoleArn"] for each in (first, last)] == [f"{ROLE}deploy", f"{ROLE}second"]
    assert (first.get("SourceIdentity"), last.get("SourceIdentity")) == ("ann", None)
    assert not first.get("Tags")
    assert last["Tags"] == [{"Key": "a", "Value": "1"}]
    assert (first.get("DurationSeconds"), last["DurationSeconds"]) == (None, 2700)
    machine.good(*words, "--tag", "a=2", "--transitive-tag", "a")
    first, last = _asked(machine, "AssumeRole")[-2:]
    assert first["Tags"] == [{"Key": "a", "Value": "2"}]
    assert not last.get("Tags")


def test_no_session_is_short_unless_requested(machine: Machine) -> None:
    """By default no duration is sent, so STS's own default of more than half an hour applies."""
    cases = ((("assume", "deploy"), 1), (("session-token",), 12), (("federation-token", "bob"), 12))
    for words, hours in cases:
        done = machine.good(*words, "--profile", "ann", "--output", "json")
        assert _left(done).total_seconds() == _about(hours)
        assert _left(done) > timedelta(minutes=30)


@pytest.mark.slow
def test_session_policies_limit_what_a_session_may(machine: Machine) -> None:
    """A policy from a file and a managed policy both limit a command under `exec`."""
    file = machine.home / "policy.json"
    file.write_text(READING)
    arn = machine.iam.create_policy(PolicyName="reading", PolicyDocument=READING)["Policy"]["Arn"]
    for limit in (("--policy", f"file://{file}"), ("--policy-arn", arn)):
        words = ("exec", "--profile", "ann", "--role", "deploy", *limit, "--", sys.executable, "-c", MAY)
        assert machine.good(*words).out.split() == ["list_users", "AccessDenied"], limit
    assert machine.daypass("assume", "deploy", "--profile", "ann", "--policy", "file:///nonexistent").code == 2


def test_a_federated_user_is_limited_by_the_policies_that_are_given(machine: Machine) -> None:
    """GetFederationToken gets the name, the duration, the tags and the policy."""
    words = ("federation-token", "bob", "--profile", "ann", "--tag", "team=blue", "--duration", "1h")
    lines = machine.good(*words, "--policy", READING, "--shell", "sh").out
    done = machine.run("sh", "-c", f"{lines}\naws sts get-caller-identity --query Arn --output text")
    assert done.out == f"arn:aws:sts::{ACCOUNT}:federated-user/bob\n", done
    told = _asked(machine, "GetFederationToken")[-1]
    assert (told["Name"], told["DurationSeconds"], told["Policy"]) == ("bob", 3600, READING)
    assert told["Tags"] == [{"Key": "team", "Value": "blue"}]


@pytest.fixture
def device(machine: Machine, served: RunningServer) -> Authenticator:
    """Give the user an MFA device, once for the file's server, and create a role that requires it."""
    iam = machine.iam
    for known in iam.list_mfa_devices(UserName="ann")["MFADevices"]:
        iam.deactivate_mfa_device(UserName="ann", SerialNumber=known["SerialNumber"])
        iam.delete_virtual_mfa_device(SerialNumber=known["SerialNumber"])
    authenticator = new_device(iam, served.clock, "phone")
    enrol(iam, authenticator, "ann")
    served.clock.move(timedelta(seconds=90))  # both codes are used up
    return authenticator


def test_a_session_of_one_s_own_counts_as_signed_in_with_mfa(machine: Machine, device: Authenticator) -> None:
    """`session-token` runs the code command once, and its session can assume a role that requires MFA."""
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    trust = trusting(f"arn:aws:iam::{ACCOUNT}:root", Condition=condition)
    machine.iam.create_role(RoleName="careful", AssumeRolePolicyDocument=trust)
    code = machine.home / "code"
    code.write_text(device.code())
    words = ("session-token", "--profile", "ann", "--mfa-serial", "auto", "--mfa-command", f"cat {code}")
    done = machine.good(*words, "--duration", "2h", "--output", "json")
    assert _left(done).total_seconds() == _about(2)
    told = _asked(machine, "GetSessionToken")[-1]
    assert (told["SerialNumber"], told["DurationSeconds"]) == (device.serial, 7200)
    # The same request uses the cache, without a code. The keys alone cannot assume the role.
    code.unlink()
    lines = machine.good(*words, "--duration", "2h", "--output", "env", "--shell", "sh", "--no-input").out
    assert done.json["Credentials"]["AccessKeyId"] in lines
    assumed = machine.run("sh", "-c", f"{lines}\ndaypass assume careful --output json --no-input")
    assert assumed.json["Arn"].startswith(f"{SESSION}careful/"), assumed
    assert machine.daypass("assume", "careful", "--profile", "ann").code == 4


@pytest.mark.parametrize(
    ("command", "help_words"),
    [("false", "exit code 1"), ("/nonexistent", "cannot be run"), ("echo 12", "six digits")],
)
def test_a_command_that_gives_no_code_is_named(machine: Machine, command: str, help_words: str) -> None:
    """It failed, it does not exist, or its output is not a code."""
    done = machine.daypass("session-token", "--profile", "ann", "--mfa-serial", "x" * 9, "--mfa-command", command)
    assert (done.code, done.out, len(done.err.splitlines())) == (5 if "digits" in help_words else 6, "", 1), done
    assert help_words in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("session-token",), {"daypass_method": "session", "daypass_source_profile": "ann"}),
        (("assume", "deploy"), {"daypass_method": "role", "daypass_role_arn": f"{ROLE}deploy"}),
    ],
)
def test_what_is_saved_is_a_profile_that_works(
    machine: Machine, words: tuple[str, ...], expected: dict[str, str]
) -> None:
    """--save writes a credential process instead of printing keys."""
    done = machine.good(*words, "--profile", "ann", "--save", "kept")
    assert done.out == ""
    assert expected.items() <= machine.good("profile", "show", "kept", "--output", "json").json.items()
    assert machine.good("credential-process", "--profile", "kept").json["Version"] == 1


def test_a_tag_that_is_none_is_refused(machine: Machine, tmp_path: Path) -> None:
    """The command fails before it calls STS, and caches no entry."""
    done = machine.daypass("assume", "deploy", "--profile", "ann", "--tag", "blue", DAYPASS_CACHE_DIR=str(tmp_path))
    assert (done.code, done.out, done.err) == (2, "", "daypass: A tag must have the form KEY=VALUE.\n")
    assert not list(tmp_path.rglob("*.json"))
