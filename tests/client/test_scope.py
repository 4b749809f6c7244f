"""`daypass scope`: a command with a part of a person's permissions."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine
from tests.documents import allow, document
from tests.sts.authenticator import enrol, new_device

from daypass.cli.people.scope import command
from daypass.client.sessions.scoped_session import READ_ONLY, policy_of
from daypass.operations.sts.packed_size import packed_percent
from daypass.policy.language.document import DocumentKind, parse_document

ROLE = ("--profile", "ann", "--role", "deploy")
DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/"
# One process that makes three calls.
MAY = """
import boto3, botocore.exceptions
for call, given in (("list_users", {}), ("list_roles", {}), ("create_group", {"GroupName": "g"})):
    try: getattr(boto3.client("iam"), call)(**given); print(call)
    except botocore.exceptions.ClientError as error: print(error.response["Error"]["Code"])
"""


def may(machine: Machine, *words: str, **environment: str) -> list[str]:
    """Return the results of three calls with scoped credentials."""
    return machine.good("scope", *words, "--", "python3", "-c", MAY, **environment).out.split()


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (("--read-only",), ["list_users", "list_roles", "AccessDenied"]),
        pytest.param(
            ("--actions", "iam:ListUsers,iam:CreateGroup", "--resource", f"arn:aws:iam::{ACCOUNT}:user/*"),
            ["list_users", "AccessDenied", "AccessDenied"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("--policy", document(allow("iam:ListRoles"))),
            ["AccessDenied", "list_roles", "AccessDenied"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_command_has_only_these_permissions(machine: Machine, limits: tuple[str, ...], expected: list[str]) -> None:
    """The other calls are denied."""
    assert may(machine, *ROLE, *limits) == expected


@pytest.mark.slow
def test_the_policy_of_a_file(machine: Machine, tmp_path: Path) -> None:
    """A path, and the form of the AWS CLI."""
    path = tmp_path / "policy.json"
    path.write_text(document(allow("iam:ListUsers")))
    for named in (str(path), f"file://{path}"):
        assert may(machine, *ROLE, "--policy", named) == ["list_users", "AccessDenied", "AccessDenied"]


def test_the_command_has_no_other_credentials(machine: Machine) -> None:
    """As with `daypass exec`: neither the variables nor the files of the person are within reach."""
    words = (*ROLE, "--actions", "sts:*", "--duration", "10m", "--description", "test run")
    done = machine.good("scope", *words, "--", "env", AWS_PROFILE="ann", AWS_SECURITY_TOKEN="old")
    seen = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line)
    assert seen["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert not {"AWS_PROFILE", "AWS_SECURITY_TOKEN"} & set(seen)
    assert seen["AWS_CONFIG_FILE"] != str(machine.config)
    left = datetime.fromisoformat(seen["AWS_CREDENTIAL_EXPIRATION"]) - datetime.now(UTC)
    assert 0 < left.total_seconds() <= 600
    event = [one for one in machine.server.audit.audit_records if one.action == "GetScopedCredentials"][-1]
    assert (event.parameters or {})["ScopedSessionDescription"] == "test run"


@pytest.mark.slow
def test_a_user_s_keys_are_scoped_down_through_a_session(machine: Machine) -> None:
    """GetSessionToken comes first, because only sessions can be scoped down. IAM does not accept it without MFA."""
    for limits, is_told in ((("--duration", "5m"), True), (("--actions", "sts:GetCallerIdentity"), False)):
        done = machine.good("scope", "--profile", "ann", *limits, "--", "aws", "sts", "get-caller-identity")
        assert done.json["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/ann"
        assert ("add --mfa-serial auto, or --role" in done.err) is is_told


@pytest.mark.slow
def test_without_a_command_the_credentials_are_printed(machine: Machine) -> None:
    """As `daypass assume` prints them, and each time new ones."""
    printed = [machine.good("scope", *ROLE, "--read-only", "--output", "json").json for _ in range(2)]
    assert printed[0]["Arn"].startswith(DEPLOY)
    assert printed[0]["Credentials"]["AccessKeyId"] != printed[1]["Credentials"]["AccessKeyId"]
    shell = machine.good("scope", *ROLE, "--read-only", "--shell", "sh").out
    assert "export AWS_SESSION_TOKEN=" in shell


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("scope",), 2, "Name the limits"),
        (("scope", "--", "true"), 125, "Name the limits"),
        (("scope", "--nonsense"), 2, "nonsense"),
        (("scope", "--nonsense", "--", "true"), 125, "nonsense"),
        (("scope", "--duration", "soon", "--", "true"), 125, "not a valid duration"),
        (("scope", "--policy", "/missing.json", "--", "true"), 125, "cannot be read"),
        (("scope", "--duration", "soon"), 2, "not a valid duration"),
        (("scope", "--read-only", "--actions", "s3:*"), 2, "Use only one of"),
        (("scope", "--duration", "5m", "--resource", "arn:aws:s3:::b"), 2, "--resource needs"),
        (("scope", "--actions", "GetObject"), 2, "is not an action"),
        (("scope", "--policy", "/nonexistent.json"), 2, "cannot be read"),
        (("scope", "--profile", "ann", "--read-only", "--tag", "a=b"), 2, "--tags needs a role"),
        (("scope", *ROLE, "--duration", "12h", "--", "true"), 125, "InsufficientSessionLifetime"),
        (("scope", *ROLE, "--policy", "{}"), 2, "MalformedPolicyDocument"),
        (("scope", *ROLE, "--read-only", "--", "sh", "-c", "exit 42"), 42, ""),
    ],
)
def test_exit_codes(machine: Machine, words: tuple[str, ...], code: int, said: str) -> None:
    """With a command, Daypass's own failures have the codes of `daypass exec`; without one, the usual ones."""
    done = machine.daypass(*words)
    assert done.code == code, done
    assert said in done.err


def test_the_read_only_policy_is_small_and_hands_out_nothing() -> None:
    """It fits beside another layer, and has no action that changes something or returns credentials."""
    text = policy_of(READ_ONLY, ())
    assert parse_document(text, DocumentKind.SESSION).statements
    assert packed_percent([text], {}) <= 100
    reading = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "Simulate", "Filter", "Decode")
    names = {action.partition(":")[2] for action in READ_ONLY}
    assert all(name.startswith(reading) for name in names)
    assert not {"sts:Get*", "s3:Get*", "secretsmanager:Get*", "ssm:Get*", "kms:*"} & set(READ_ONLY)


def test_the_help_names_the_use() -> None:
    """It names agents, because that is the use people look for."""
    assert command.help is not None
    assert "agents" in command.help


@pytest.mark.slow
def test_a_user_s_keys_with_mfa(machine: Machine) -> None:
    """The session of the keys has MFA, so its narrowed credentials may call IAM. A session needs no code."""
    device = new_device(machine.iam, machine.server.clock, "phone")
    enrol(machine.iam, device, "ann")
    code = ("--mfa-serial", device.serial, "--mfa-code", device.code(1))
    assert may(machine, "--profile", "ann", "--read-only", *code) == ["list_users", "list_roles", "AccessDenied"]
    session = machine.good("scope", *ROLE, "--duration", "15m", "--output", "json").json["Credentials"]
    variables = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
        "AWS_ENDPOINT_URL": machine.server.url,
    }
    assert machine.daypass("scope", "--read-only", *code, **variables).code == 2
    assert may(machine, "--read-only", **variables) == ["list_users", "list_roles", "AccessDenied"]
