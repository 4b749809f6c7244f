"""AssumeRole: trust, durations, chaining, policies, tags, source identity and MFA."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.documents import allow, document
from tests.refusals import refused
from tests.sts.authenticator import (
    ALLOW_ALL,
    User,
    enrol,
    loose_client,
    new_device,
    new_user,
    who,
)

from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

ACCOUNT = "123456789012"


def trust(principal: Any, *actions: str, **condition: Any) -> str:
    """Return a trust policy of one statement."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions) or ["sts:AssumeRole"],
    }
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


ANYBODY_HERE = trust({"AWS": ACCOUNT}, "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")


def new_role(iam: Any, name: str, document: str = ANYBODY_HERE, policy: str | None = ALLOW_ALL, **more: Any) -> str:
    """Create a role, which may do anything by default, and return its ARN."""
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]
    if policy is not None:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return arn


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningServer]:
    """Run one server for the tests that change no shared state."""
    with running_server() as server:
        iam = client_factory(server)("iam")
        new_user(iam, "alice")
        new_role(iam, "shared", MaxSessionDuration=7200)
        yield server


@pytest.fixture(scope="module")
def sts(shared: RunningServer) -> Any:
    """Return alice's client, which does not validate parameters."""
    iam = client_factory(shared)("iam")
    return loose_client(shared, iam.create_access_key(UserName="alice")["AccessKey"])


SHARED = f"arn:aws:iam::{ACCOUNT}:role/shared"


@pytest.fixture
def alice(client: ClientFactory) -> User:
    """Return a user who may do anything."""
    return new_user(client("iam"), "alice")


def denied(caller: str, role: str, action: str = "sts:AssumeRole") -> str:
    """Return AWS's message."""
    return f"User: {caller} is not authorized to perform: {action} on resource: {role}"


def test_the_answer_s_names(client: ClientFactory, alice: User) -> None:
    """The session's ARN leaves out the role's path; its id is the role's unique id with the session's name."""
    role = client("iam").create_role(RoleName="deep", Path="/a/b/", AssumeRolePolicyDocument=ANYBODY_HERE)["Role"]
    answer = client("sts", alice.key).assume_role(RoleArn=role["Arn"], RoleSessionName="build-7")
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role['RoleId']}:build-7",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deep/build-7",
    }
    assert "PackedPolicySize" not in answer
    assert "SourceIdentity" not in answer
    assert who(client, answer["Credentials"]) == answer["AssumedRoleUser"]["Arn"]


@pytest.mark.parametrize(
    "arn",
    [
        "x" * 20,
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:iam::12345678901:role/short",
        "arn:aws:iam:us-east-1:123456789012:role/r",
        "arn:aws:s3:::bucket/role/somewhere",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:sts::123456789012:assumed-role/r/s",
    ],
)
def test_what_is_no_role_is_invalid(sts: Any, arn: str) -> None:
    """AWS repeats the value."""
    assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="s1") == ("ValidationError", 400, f"{arn} is invalid")


def test_missing_and_closed_roles_are_refused_alike(client: ClientFactory, alice: User) -> None:
    """A caller cannot learn whether a role exists, neither from the message nor by account, path or case."""
    iam, caller = client("iam"), client("sts", alice.key)
    new_user(iam, "other")
    closed = new_role(iam, "closed", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/other"}))
    new_role(iam, "open", Path="/in/")
    me = who(client, alice.key)
    for role in (
        closed,
        f"arn:aws:iam::{ACCOUNT}:role/none",
        f"arn:aws:iam::{ACCOUNT}:role/open",
        f"arn:aws:iam::{ACCOUNT}:role/in/OPEN",
        "arn:aws:iam::999999999999:role/none",
        f"arn:aws-cn:iam::{ACCOUNT}:role/in/open",
    ):
        refusal = refused(caller.assume_role, RoleArn=role, RoleSessionName="s1")
        assert refusal == ("AccessDenied", 403, denied(me, role))


def test_root_users_assume_no_roles(client: ClientFactory) -> None:
    """Neither with their key nor with one of their sessions."""
    role = new_role(client("iam"), "r")
    for credentials in (None, client("sts").get_session_token()["Credentials"]):
        refusal = refused(client("sts", credentials).assume_role, RoleArn=role, RoleSessionName="s1")
        assert refusal == ("AccessDenied", 403, "Roles may not be assumed by root accounts.")


def test_naming_the_caller_is_enough_and_naming_the_account_is_not(client: ClientFactory) -> None:
    """In one account: a trust policy that names the user is enough; with the account, the user needs a policy too."""
    iam = client("iam")
    nobody = new_user(iam, "nobody", policy=None)
    named = new_role(iam, "named", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}))
    everyone = new_role(iam, "everyone", trust("*"))
    delegated = new_role(iam, "delegated")
    caller = client("sts", nobody.key)
    caller.assume_role(RoleArn=named, RoleSessionName="s1")
    caller.assume_role(RoleArn=everyone, RoleSessionName="s1")
    assert refused(caller.assume_role, RoleArn=delegated, RoleSessionName="s1").code == "AccessDenied"


def test_across_accounts_both_sides_must_allow(daypass_server: RunningServer, client: ClientFactory) -> None:
    """The caller's own account must allow the call in addition to the trust policy."""
    other = daypass_server.new_account("210987654321")
    theirs = client("iam", other)
    poor, rich = new_user(theirs, "poor", policy=None), new_user(theirs, "rich")
    iam = client("iam")
    everyone = new_role(iam, "everyone", trust("*"))
    closed = new_role(iam, "closed")
    assert refused(client("sts", poor.key).assume_role, RoleArn=everyone, RoleSessionName="s1").code == "AccessDenied"
    client("sts", rich.key).assume_role(RoleArn=everyone, RoleSessionName="s1")
    assert refused(client("sts", rich.key).assume_role, RoleArn=closed, RoleSessionName="s1").code == "AccessDenied"


def test_a_recreated_user_is_not_trusted(client: ClientFactory) -> None:
    """A trust policy refers to the user that existed when it was written."""
    iam = client("iam")
    first = new_user(iam, "bob", policy=None)
    role = new_role(iam, "r", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}))
    client("sts", first.key).assume_role(RoleArn=role, RoleSessionName="s1")
    iam.delete_access_key(UserName="bob", AccessKeyId=first.key["AccessKeyId"])
    iam.delete_user(UserName="bob")
    second = new_user(iam, "bob")
    assert refused(client("sts", second.key).assume_role, RoleArn=role, RoleSessionName="s1").code == "AccessDenied"


def test_live_sessions_and_changes(client: ClientFactory, alice: User) -> None:
    """A changed trust policy does not affect them; changed permissions do; deleting the role ends them forever."""
    iam = client("iam")
    role = new_role(iam, "r")
    session = client("sts", alice.key).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    iam.update_assume_role_policy(RoleName="r", PolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:user/alice"}))
    client("iam", session).list_users()
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    assert refused(client("iam", session).list_users).code == "AccessDenied"
    iam.delete_role(RoleName="r")
    new_role(iam, "r")
    refusal = refused(who, client, session)
    assert refusal == ("InvalidClientTokenId", 403, "The security token included in the request is invalid.")


def test_durations(shared: RunningServer, sts: Any) -> None:
    """An hour by default, at most the role's own maximum; the schema is checked first."""
    over = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    for seconds in (900, 3600, 7200):
        made = sts.assume_role(RoleArn=SHARED, RoleSessionName="s1", DurationSeconds=seconds)["Credentials"]
        assert abs((made["Expiration"] - shared.clock.now()).total_seconds() - seconds) < 60
    made = sts.assume_role(RoleArn=SHARED, RoleSessionName="s1")["Credentials"]
    assert abs((made["Expiration"] - shared.clock.now()).total_seconds() - 3600) < 60
    refusal = refused(sts.assume_role, RoleArn=SHARED, RoleSessionName="s1", DurationSeconds=7201)
    assert refusal == ("ValidationError", 400, over)
    for seconds in (0, 899, 43201):
        refusal = refused(sts.assume_role, RoleArn=SHARED, RoleSessionName="s1", DurationSeconds=seconds)
        assert refusal.code == "ValidationError"


def test_a_chained_session_lives_an_hour_at_most(shared: RunningServer, sts: Any) -> None:
    """At most an hour for any role; the role's own maximum is checked first."""
    first = sts.assume_role(RoleArn=SHARED, RoleSessionName="s1")["Credentials"]
    chained = loose_client(shared, first)
    chained.assume_role(RoleArn=SHARED, RoleSessionName="s2", DurationSeconds=3600)
    message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    refusal = refused(chained.assume_role, RoleArn=SHARED, RoleSessionName="s2", DurationSeconds=3601)
    assert refusal == ("ValidationError", 400, message)
    refusal = refused(chained.assume_role, RoleArn=SHARED, RoleSessionName="s2", DurationSeconds=7201)
    assert refusal == (
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"RoleSessionName": "s"}, "ValidationError"),
        ({"RoleSessionName": "s" * 65}, "ValidationError"),
        ({"RoleSessionName": "a b"}, "ValidationError"),
        ({"ExternalId": "x"}, "ValidationError"),
        ({"ExternalId": "x" * 1225}, "ValidationError"),
        ({"ExternalId": "a b"}, "ValidationError"),
        ({"SourceIdentity": "x"}, "ValidationError"),
        ({"SourceIdentity": "a b"}, "ValidationError"),
        ({"SerialNumber": "x" * 257, "TokenCode": "123456"}, "ValidationError"),
        ({"MinimumSessionTokenSize": 4097}, "ValidationError"),
        ({"MinimumSessionTokenSize": -1}, "ValidationError"),
        ({"DurationSeconds": "abc"}, "MalformedInput"),
        ({"DurationSeconds": "900.0"}, "MalformedInput"),
        ({"Policy": ""}, "ValidationError"),
        ({"Policy": "{}"}, "MalformedPolicyDocument"),
        ({"Policy": "[]"}, "MalformedPolicyDocument"),
        ({"Policy": "\u20ac"}, "ValidationError"),
        ({"Policy": " " * 2049}, "PackedPolicyTooLarge"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}]}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::210987654321:policy/theirs"}]}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/NoSuchPolicy"}]}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "x" * 20}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}] * 2}, "InvalidParameterValue"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::aws:policy/p{n}"} for n in range(11)]}, "InvalidParameterValue"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "ValidationError"),
        ({"Tags": [{"Key": "", "Value": "v"}]}, "ValidationError"),
        ({"Tags": [{"Key": "k" * 129, "Value": "v"}]}, "ValidationError"),
        ({"Tags": [{"Key": "k", "Value": "v" * 257}]}, "ValidationError"),
        ({"Tags": [{"Key": "AWS:k", "Value": "v"}]}, "InvalidParameterValue"),
        ({"TransitiveTagKeys": ["k" * 129]}, "ValidationError"),
        ({"ProvidedContexts": [{"ProviderArn": "x" * 20, "ContextAssertion": "assertion"}]}, "InvalidContextAssertion"),
        ({"ProvidedContexts": [{"ProviderArn": "x" * 20, "ContextAssertion": "a" * 3073}]}, "ValidationError"),
    ],
)
def test_what_cannot_be_is_refused(sts: Any, given: dict[str, Any], code: str) -> None:
    """Every parameter at and beyond its limits: AWS's code, and no credentials."""
    assert refused(sts.assume_role, **{"RoleArn": SHARED, "RoleSessionName": "s1", **given})[:2] == (code, 400)


@pytest.mark.parametrize(
    "given",
    [
        {"RoleSessionName": "ss"},
        {"RoleSessionName": "s" * 64},
        {"RoleSessionName": "a_Z0+=,.@-"},
        {"ExternalId": "x" * 1224},
        {"SourceIdentity": "xx"},
        {"DurationSeconds": "0900"},
        {"MinimumSessionTokenSize": 4096},
        {"Tags": [{"Key": "k" * 128, "Value": "v" * 256}]},
        {"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(50)]},
        {"Tags": [{"Key": "\u00e9\u4e2d", "Value": "\u00fc \u00df"}]},
        {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]},
    ],
)
def test_what_is_at_its_limit_is_taken(shared: RunningServer, sts: Any, given: dict[str, Any]) -> None:
    """The last value before each limit is valid, and so are the credentials."""
    answer = sts.assume_role(**{"RoleArn": SHARED, "RoleSessionName": "s1", **given})
    assert who(client_factory(shared), answer["Credentials"]) == answer["AssumedRoleUser"]["Arn"]
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"])
    assert answer["SessionTokenSize"] >= int(given.get("MinimumSessionTokenSize", 0))


def test_external_ids(client: ClientFactory, alice: User) -> None:
    """A trust policy with an external id requires exactly that id."""
    role = new_role(client("iam"), "r", trust({"AWS": ACCOUNT}, StringEquals={"sts:ExternalId": "s3cret"}))
    caller = client("sts", alice.key)
    caller.assume_role(RoleArn=role, RoleSessionName="s1", ExternalId="s3cret")
    for wrong in ({}, {"ExternalId": "S3CRET"}, {"ExternalId": "s3cret2"}):
        refusal = refused(caller.assume_role, RoleArn=role, RoleSessionName="s1", **wrong)
        assert refusal == ("AccessDenied", 403, denied(who(client, alice.key), role))


def test_session_names_can_be_tied_to_the_user(client: ClientFactory, alice: User) -> None:
    """sts:RoleSessionName is the name in the request, and a policy variable contains the user's."""
    role = new_role(client("iam"), "r", trust({"AWS": ACCOUNT}, StringLike={"sts:RoleSessionName": "${aws:username}"}))
    client("sts", alice.key).assume_role(RoleArn=role, RoleSessionName="alice")
    assert refused(client("sts", alice.key).assume_role, RoleArn=role, RoleSessionName="bob").code == "AccessDenied"


def test_mfa_can_be_demanded(daypass_server: RunningServer, client: ClientFactory, alice: User) -> None:
    """With the code of this call, or of the calling session; and the new session knows the time of its MFA."""
    daypass_server.clock.freeze()
    iam = client("iam")
    demands = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}
    role = new_role(
        iam,
        "r",
        trust({"AWS": ACCOUNT}, **demands),
        policy=document(allow("iam:ListUsers", Condition=demands)),
    )
    app = new_device(iam, daypass_server.clock, "phone")
    enrol(iam, app, "alice")
    caller = client("sts", alice.key)
    assert refused(caller.assume_role, RoleArn=role, RoleSessionName="s1").code == "AccessDenied"
    refusal = refused(
        client("sts", caller.get_session_token()["Credentials"]).assume_role, RoleArn=role, RoleSessionName="s1"
    )
    assert refusal.code == "AccessDenied"
    direct = caller.assume_role(RoleArn=role, RoleSessionName="s1", SerialNumber=app.serial, TokenCode=app.code(1))[
        "Credentials"
    ]
    proved = caller.get_session_token(SerialNumber=app.serial, TokenCode=app.code(2))["Credentials"]
    handed_on = client("sts", proved).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    for session in (direct, handed_on):
        client("iam", session).list_users()
    daypass_server.clock.move(timedelta(seconds=300))
    for session in (direct, handed_on):
        assert refused(client("iam", session).list_users).code == "AccessDenied"
    assert refused(client("sts", proved).assume_role, RoleArn=role, RoleSessionName="s1").code == "AccessDenied"


def test_mfa_is_not_handed_on_along_a_chain(daypass_server: RunningServer, client: ClientFactory, alice: User) -> None:
    """A role session with MFA creates role sessions without it."""
    daypass_server.clock.freeze()
    iam = client("iam")
    demand = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    first = new_role(iam, "first")
    second = new_role(
        iam,
        "second",
        policy=document(allow("iam:ListUsers", Condition=demand)),
    )
    app = new_device(iam, daypass_server.clock, "phone")
    enrol(iam, app, "alice")
    session = client("sts", alice.key).assume_role(
        RoleArn=first, RoleSessionName="s1", SerialNumber=app.serial, TokenCode=app.code(1)
    )["Credentials"]
    chained = client("sts", session).assume_role(RoleArn=second, RoleSessionName="s2")["Credentials"]
    assert refused(client("iam", chained).list_users).code == "AccessDenied"
