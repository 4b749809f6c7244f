"""GetSessionToken and GetFederationToken: their permissions, durations and allowed calls."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.documents import document
from tests.refusals import refused
from tests.sts.authenticator import ALLOW_ALL, enrol, loose_client, new_device, new_user, who

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

NO_IAM = "The security token included in the request is invalid"


def policy(*actions: str, effect: str = "Allow", **more: Any) -> str:
    """Return a policy of one statement about everything."""
    return document({"Effect": effect, "Action": list(actions), "Resource": "*", **more})


def lifetime(server: RunningServer, credentials: Any) -> int:
    """Return the remaining lifetime of credentials, in seconds."""
    left: timedelta = credentials["Expiration"] - server.clock.now()
    return round(left.total_seconds())


def test_a_user_s_session_is_the_user(client: ClientFactory) -> None:
    """GetCallerIdentity returns the same for a user and its session, but the key id differs."""
    alice = new_user(client("iam"), "alice", policy=None)
    answer = client("sts", alice.key).get_session_token()
    assert who(client, answer["Credentials"]) == who(client, alice.key)
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"])


def test_no_policy_can_deny_get_session_token(client: ClientFactory) -> None:
    """AWS: no permissions are required, even under an explicit deny."""
    alice = new_user(client("iam"), "alice", policy=policy("*", effect="Deny"))
    client("sts", alice.key).get_session_token()


def test_durations(daypass_server: RunningServer, client: ClientFactory) -> None:
    """Users get twelve hours by default, root users one, and a longer request of a root user is cut."""
    daypass_server.clock.freeze(datetime.now(UTC).replace(microsecond=0))
    alice = client("sts", new_user(client("iam"), "alice").key)
    root = client("sts")
    for caller, expected in ((alice, (43200, 900, 129600)), (root, (3600, 900, 3600))):
        asked: tuple[dict[str, int], ...] = ({}, {"DurationSeconds": 900}, {"DurationSeconds": 129600})
        for parameters, seconds in zip(asked, expected, strict=True):
            made = caller.get_session_token(**parameters)["Credentials"]
            assert lifetime(daypass_server, made) == seconds
            made = caller.get_federation_token(Name="fed", **parameters)["Credentials"]
            assert lifetime(daypass_server, made) == seconds


@pytest.mark.parametrize("seconds", [0, 899, 129601, -1])
def test_durations_beyond_the_limits_are_refused(
    daypass_server: RunningServer, client: ClientFactory, seconds: int
) -> None:
    """900 to 129,600 seconds."""
    sts = loose_client(daypass_server, new_user(client("iam"), "alice").key)
    assert refused(sts.get_session_token, DurationSeconds=seconds)[:2] == ("ValidationError", 400)
    assert refused(sts.get_federation_token, Name="fed", DurationSeconds=seconds)[:2] == ("ValidationError", 400)


def test_a_session_ends(daypass_server: RunningServer, client: ClientFactory) -> None:
    """An expired session is refused, with AWS's error code."""
    daypass_server.clock.freeze()
    made = client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    who(client, made)
    daypass_server.clock.move(timedelta(seconds=900))
    assert refused(who, client, made) == ("ExpiredToken", 403, "The security token included in the request is expired")


@pytest.mark.parametrize("action", ["get_session_token", "get_federation_token"])
def test_sessions_are_for_long_term_credentials(client: ClientFactory, action: str) -> None:
    """No kind of session can create another of these."""
    sts = client("sts", new_user(client("iam"), "alice").key)
    parameters = {"Name": "fed"} if "federation" in action else {}
    name = "GetFederationToken" if "federation" in action else "GetSessionToken"
    for made in (sts.get_session_token(), sts.get_federation_token(Name="fed", Policy=ALLOW_ALL)):
        refusal = refused(getattr(client("sts", made["Credentials"]), action), **parameters)
        assert refusal == ("AccessDenied", 403, f"Cannot call {name} with session credentials")


def test_a_session_without_mfa_calls_no_iam(daypass_server: RunningServer, client: ClientFactory) -> None:
    """IAM answers such a session as AWS does: as if the token were invalid.

    With MFA it serves it.
    """
    daypass_server.clock.freeze()
    alice = new_user(client("iam"), "alice")
    made = client("sts", alice.key).get_session_token()["Credentials"]
    assert refused(client("iam", made).list_users) == ("InvalidClientTokenId", 403, NO_IAM)
    app = new_device(client("iam"), daypass_server.clock, "phone")
    enrol(client("iam"), app, "alice")
    made = client("sts", alice.key).get_session_token(SerialNumber=app.serial, TokenCode=app.code(1))["Credentials"]
    client("iam", made).list_users()


def test_a_user_s_session_calls_two_actions_of_sts(client: ClientFactory) -> None:
    """AssumeRole and GetCallerIdentity are allowed, and no other."""
    made = client("sts", new_user(client("iam"), "alice").key).get_session_token()["Credentials"]
    refusal = refused(client("sts", made).get_access_key_info, AccessKeyId=made["AccessKeyId"])
    assert refusal == ("AccessDenied", 403, "Cannot call GetAccessKeyInfo with session credentials")


def test_a_federated_user_calls_who_am_i_alone(client: ClientFactory) -> None:
    """Neither IAM nor other actions of STS, whatever policies it has."""
    sts = client("sts", new_user(client("iam"), "alice").key)
    made = sts.get_federation_token(Name="fed", Policy=ALLOW_ALL)["Credentials"]
    assert who(client, made) == "arn:aws:sts::123456789012:federated-user/fed"
    assert refused(client("iam", made).list_users) == ("InvalidClientTokenId", 403, NO_IAM)
    refusal = refused(
        client("sts", made).assume_role, RoleArn="arn:aws:iam::123456789012:role/any", RoleSessionName="s1"
    )
    assert refusal.code == "AccessDenied"


def test_a_federated_user_s_names_and_size(client: ClientFactory) -> None:
    """Its id consists of the account and the name; without a policy its packed size is 0."""
    sts = client("sts", new_user(client("iam"), "alice").key)
    bare = sts.get_federation_token(Name="bob@example.com")
    assert bare["FederatedUser"] == {
        "FederatedUserId": "123456789012:bob@example.com",
        "Arn": "arn:aws:sts::123456789012:federated-user/bob@example.com",
    }
    assert bare["PackedPolicySize"] == 0
    assert 0 < sts.get_federation_token(Name="bob", Policy=ALLOW_ALL)["PackedPolicySize"] < 100


@pytest.mark.parametrize("name", ["b", "b" * 33, "b b", "b/b", "b:b", "b\u00e9", ""])
def test_names_beyond_the_rules_are_refused(daypass_server: RunningServer, client: ClientFactory, name: str) -> None:
    """Two to thirty-two characters out of letters, digits and +=,.@-_."""
    refusal = refused(
        loose_client(daypass_server, new_user(client("iam"), "alice").key).get_federation_token, Name=name
    )
    assert refusal[:2] == ("ValidationError", 400)


def test_federation_needs_a_permission(client: ClientFactory) -> None:
    """sts:GetFederationToken on the federated user's ARN, and sts:TagSession if tags are given."""
    tags = [{"Key": "team", "Value": "a"}]
    nobody = client("sts", new_user(client("iam"), "nobody", policy=None).key)
    assert refused(nobody.get_federation_token, Name="fed")[:2] == ("AccessDenied", 403)
    alice = client("sts", new_user(client("iam"), "alice", policy=policy("sts:GetFederationToken")).key)
    alice.get_federation_token(Name="fed")
    assert refused(alice.get_federation_token, Name="fed", Tags=tags).code == "AccessDenied"
    both = policy("sts:GetFederationToken", "sts:TagSession")
    client("sts", new_user(client("iam"), "bob", policy=both).key).get_federation_token(Name="fed", Tags=tags)


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": "team", "Value": "a"}, {"Key": "TEAM", "Value": "b"}], "InvalidParameterValue"),
        ([{"Key": "aws:team", "Value": "a"}], "InvalidParameterValue"),
        ([{"Key": f"k{number}", "Value": ""} for number in range(51)], "ValidationError"),
        ([{"Key": "k" * 129, "Value": ""}], "ValidationError"),
        ([{"Key": "k", "Value": "v" * 257}], "ValidationError"),
        ([{"Key": "k!", "Value": ""}], "ValidationError"),
    ],
)
def test_tags_that_cannot_be(
    daypass_server: RunningServer, client: ClientFactory, tags: list[dict[str, str]], code: str
) -> None:
    """Keys that collide by case, reserved ones, and those beyond the limits."""
    refusal = refused(
        loose_client(daypass_server, new_user(client("iam"), "alice").key).get_federation_token, Name="fed", Tags=tags
    )
    assert refusal[:2] == (code, 400)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": policy("*", Principal="*")}, "MalformedPolicyDocument"),
        ({"Policy": " " * 2049}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::123456789012:policy/none"}]}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::210987654321:policy/foreign"}]}, "MalformedPolicyDocument"),
        ({"PolicyArns": [{"arn": "not-an-arn-but-long-enough"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": f"arn:aws:iam::aws:policy/p{n}"} for n in range(11)]}, "InvalidParameterValue"),
    ],
)
def test_session_policies_that_cannot_be(
    daypass_server: RunningServer, client: ClientFactory, given: dict[str, Any], code: str
) -> None:
    """Malformed documents, and managed policies that do not exist or belong to another account."""
    refusal = refused(
        loose_client(daypass_server, new_user(client("iam"), "alice").key).get_federation_token, Name="fed", **given
    )
    assert refusal[:2] == (code, 400)


def test_sizes_of_tokens(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A token has at least the requested length, and the answer contains its length and its share of the limit."""
    alice = new_user(client("iam"), "alice")
    for size in (0, 2000, 4096):
        answer = client("sts", alice.key).get_session_token(MinimumSessionTokenSize=size)
        assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) >= size
        assert 0 < answer["SessionTokenUtilization"] <= 100
        who(client, answer["Credentials"])
    refusal = refused(loose_client(daypass_server, alice.key).get_session_token, MinimumSessionTokenSize=4097)
    assert refusal.code == "ValidationError"


def test_a_deleted_or_recreated_user_ends_its_sessions(client: ClientFactory) -> None:
    """Sessions belong to the unique id: they are not valid for a new user with the same name."""
    iam = client("iam")
    alice = new_user(iam, "alice", policy=None)
    iam.put_user_policy(UserName="alice", PolicyName="p", PolicyDocument=ALLOW_ALL)
    sts = client("sts", alice.key)
    sessions = [sts.get_session_token()["Credentials"], sts.get_federation_token(Name="fed")["Credentials"]]
    iam.delete_access_key(UserName="alice", AccessKeyId=alice.key["AccessKeyId"])
    for session in sessions:
        who(client, session)  # a session outlives the key that created it
    iam.delete_user_policy(UserName="alice", PolicyName="p")
    iam.delete_user(UserName="alice")
    new_user(iam, "alice")
    for session in sessions:
        refusal = refused(who, client, session)
        assert refusal == ("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
