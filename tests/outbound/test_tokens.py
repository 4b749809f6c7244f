"""sts:GetWebIdentityToken, verified by PyJWT as a relying party would."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import jwt
import pytest
from botocore.config import Config
from tests.documents import allow
from tests.outbound.conftest import token_of, verify
from tests.refusals import refused

from daypass.directory.organization import organization_changes as changes
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

_MAY = allow("sts:*")
_OURS = "https://sts.amazonaws.com/"
_ASK = {"Audience": ["https://api.example.com"], "SigningAlgorithm": "ES384"}


@pytest.mark.parametrize(("algorithm", "key_id"), [("RS256", "RSA_0"), ("ES384", "EC384_0")])
def test_a_relying_party_verifies_the_token(
    issuer: str, as_caller: ClientFactory, user: Callable[..., Any], algorithm: str, key_id: str
) -> None:
    """Both algorithms, with the key ids that AWS has, through discovery and keys over HTTP."""
    sts = as_caller("sts", user("alice", _MAY))
    token = token_of(sts, SigningAlgorithm=algorithm)
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": key_id, "typ": "JWT"}
    claims = verify(token, issuer)
    assert claims["aud"] == "https://api.example.com"
    assert claims["exp"] - claims["iat"] == 300
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", claims["jti"])


def test_the_claims_say_who_asks(issuer: str, as_caller: ClientFactory, user: Callable[..., Any]) -> None:
    """The subject is the caller's ARN with its path; the account, region and tags are AWS's own claims."""
    key = user("alice", _MAY, Path="/eng/", Tags=[{"Key": "Team", "Value": "red"}])
    sts = as_caller("sts", key)
    claims = verify(token_of(sts, Tags=[{"Key": "job", "Value": "42"}, {"Key": "empty", "Value": ""}]), issuer)
    assert claims["sub"] == "arn:aws:iam::123456789012:user/eng/alice"
    assert claims[_OURS] == {
        "aws_account": "123456789012",
        "principal_id": "arn:aws:iam::123456789012:user/eng/alice",
        "source_region": "us-east-1",
        "principal_tags": {"Team": "red"},
        "request_tags": {"job": "42", "empty": ""},
    }


def test_several_audiences_are_a_list(issuer: str, as_caller: ClientFactory, user: Callable[..., Any]) -> None:
    """One audience is a string, two are a list."""
    sts = as_caller("sts", user("alice", _MAY))
    assert verify(token_of(sts, Audience=["a", "b"]), issuer, "b")["aud"] == ["a", "b"]


def test_a_session_shows_its_own_context(issuer: str, iam: Any, as_caller: ClientFactory, user: Any) -> None:
    """The subject is the role, not the session; session tags override the role's; the session's end is a claim."""
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": "123456789012"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    tags = [{"Key": "Team", "Value": "red"}, {"Key": "cost", "Value": "1"}]
    role = iam.create_role(RoleName="job", Path="/ci/", AssumeRolePolicyDocument=document, Tags=tags)["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": _MAY})
    iam.put_role_policy(RoleName="job", PolicyName="own", PolicyDocument=policy)
    credentials = as_caller("sts", user("alice", _MAY)).assume_role(
        RoleArn=role["Arn"],
        RoleSessionName="session",
        SourceIdentity="alice",
        Tags=[{"Key": "team", "Value": "blue"}],
    )["Credentials"]
    claims = verify(token_of(as_caller("sts", credentials)), issuer)
    assert claims["sub"] == role["Arn"]
    assert claims[_OURS]["principal_tags"] == {"cost": "1", "team": "blue"}
    assert claims[_OURS]["source_identity"] == "alice"
    assert claims[_OURS]["original_session_exp"] == credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_organization_is_told(server: RunningServer, as_caller: ClientFactory) -> None:
    """A member's token contains the organization's id and the path of units."""
    server.new_account(standing="management")
    member = server.new_account()
    with server.there.store.write() as writer:
        organization = changes.get_organization(writer)
        unit = changes.create_unit(writer, "/", "prod", entropy=server.there.entropy)
        changes.move_account(writer, member.account, "/prod")
    issuer = as_caller("iam", member).enable_outbound_web_identity_federation()["IssuerIdentifier"]
    claims = verify(token_of(as_caller("sts", member)), issuer)
    assert claims["sub"] == f"arn:aws:iam::{member.account}:root"
    assert claims[_OURS]["org_id"] == organization.id
    assert claims[_OURS]["ou_path"] == f"{organization.id}/{organization.root}/{unit.id}/"


def test_the_answer_says_when_the_token_ends(issuer: str, as_caller: ClientFactory, user: Any) -> None:
    """Expiration is the claim exp, printed with milliseconds."""
    sts = as_caller("sts", user("alice", _MAY))
    answer = sts.get_web_identity_token(**_ASK, DurationSeconds=3600)
    claims = jwt.decode(answer["WebIdentityToken"], options={"verify_signature": False})
    assert answer["Expiration"].timestamp() == claims["exp"] == claims["iat"] + 3600


def test_nobody_gets_a_token_before_it_is_enabled(iam: Any, as_caller: ClientFactory, user: Any) -> None:
    """AWS's code and status, also after it is disabled again."""
    sts = as_caller("sts", user("alice", _MAY))
    code = ("OutboundWebIdentityFederationDisabledException", 403)
    assert refused(sts.get_web_identity_token, **_ASK)[:2] == code
    iam.enable_outbound_web_identity_federation()
    assert token_of(sts)
    iam.disable_outbound_web_identity_federation()
    assert refused(sts.get_web_identity_token, **_ASK)[:2] == code


def test_it_needs_a_permission_on_oneself(issuer: str, as_caller: ClientFactory, user: Callable[..., Any]) -> None:
    """The resource is the account's `self`, and the denial names it."""
    code, status, words = refused(as_caller("sts", user("nobody")).get_web_identity_token, **_ASK)
    assert (code, status) == ("AccessDenied", 403)
    assert words == (
        "User: arn:aws:iam::123456789012:user/nobody is not authorized to perform: sts:GetWebIdentityToken on "
        "resource: arn:aws:sts::123456789012:self because no identity-based policy allows the "
        "sts:GetWebIdentityToken action"
    )
    key = user("alice", allow("sts:GetWebIdentityToken", "arn:aws:sts::123456789012:self"))
    assert token_of(as_caller("sts", key))


def test_tags_need_a_permission_of_their_own(issuer: str, as_caller: ClientFactory, user: Any) -> None:
    """sts:TagGetWebIdentityToken, with the tags as condition keys."""
    tags = [{"Key": "Job", "Value": "1"}]
    plain = as_caller("sts", user("plain", allow("sts:GetWebIdentityToken")))
    assert "sts:TagGetWebIdentityToken" in refused(plain.get_web_identity_token, **_ASK, Tags=tags)[2]
    condition = {
        "StringEquals": {"aws:RequestTag/job": "1"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["Job"]},
    }
    key = user("tagger", allow("sts:GetWebIdentityToken"), allow("sts:TagGetWebIdentityToken", Condition=condition))
    assert token_of(as_caller("sts", key), Tags=tags)
    other = [{"Key": "Job", "Value": "2"}]
    assert refused(as_caller("sts", key).get_web_identity_token, **_ASK, Tags=other)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("condition", "bad"),
    [
        (
            {"ForAllValues:StringEquals": {"sts:IdentityTokenAudience": ["https://api.example.com"]}},
            {"Audience": ["x"]},
        ),
        ({"StringEquals": {"sts:SigningAlgorithm": "ES384"}}, {"SigningAlgorithm": "RS256"}),
        ({"NumericLessThanEquals": {"sts:DurationSeconds": "300"}}, {"DurationSeconds": 301}),
    ],
)
def test_conditions_see_the_request(
    issuer: str, as_caller: ClientFactory, user: Callable[..., Any], condition: Any, bad: dict[str, Any]
) -> None:
    """Policies can restrict audience, algorithm and duration; the default duration counts as requested."""
    sts = as_caller("sts", user("alice", allow("sts:GetWebIdentityToken", Condition=condition)))
    assert token_of(sts)
    assert refused(sts.get_web_identity_token, **{**_ASK, **bad})[0] == "AccessDenied"


def test_a_token_cannot_outlive_its_session(issuer: str, iam: Any, as_caller: ClientFactory, user: Any) -> None:
    """A session with ten minutes left creates tokens of at most ten minutes."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    role = iam.create_role(RoleName="job", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": _MAY})
    iam.put_role_policy(RoleName="job", PolicyName="own", PolicyDocument=policy)
    credentials = as_caller("sts", user("alice", _MAY)).assume_role(
        RoleArn=role, RoleSessionName="session", DurationSeconds=900
    )["Credentials"]
    sts = as_caller("sts", credentials)
    assert token_of(sts, DurationSeconds=840)
    code, status, words = refused(sts.get_web_identity_token, **_ASK, DurationSeconds=901)
    assert (code, status) == ("SessionDurationEscalationException", 403)
    assert words.startswith("The requested token duration would extend the session beyond its original expiration")


def test_sessions_of_users_and_federated_users_cannot_ask(issuer: str, as_caller: ClientFactory, user: Any) -> None:
    """Sessions from GetSessionToken and GetFederationToken may call few actions of STS, and not this one."""
    key = user("alice", _MAY)
    session = as_caller("sts", key).get_session_token()["Credentials"]
    assert refused(as_caller("sts", session).get_web_identity_token, **_ASK)[0] == "AccessDenied"


def _tags(count: int, size: int) -> list[dict[str, str]]:
    return [{"Key": f"{number:03d}", "Value": "v" * size} for number in range(count)]


@pytest.mark.parametrize(
    ("bad", "code", "words"),
    [
        ({"Audience": ["a"] * 11}, "ValidationError", "length less than or equal to 10"),
        ({"Audience": ["a" * 1001]}, "ValidationError", "length less than or equal to 1000"),
        ({"SigningAlgorithm": "RS512"}, "ValidationError", "enum value set: [RS256, ES384]"),
        ({"SigningAlgorithm": "none_"}, "ValidationError", "enum value set: [RS256, ES384]"),
        ({"SigningAlgorithm": "es384"}, "ValidationError", "enum value set: [RS256, ES384]"),
        ({"DurationSeconds": 59}, "ValidationError", "value greater than or equal to 60"),
        ({"DurationSeconds": 3601}, "ValidationError", "value less than or equal to 3600"),
        ({"Tags": _tags(51, 1)}, "ValidationError", "length less than or equal to 50"),
        ({"Tags": _tags(1, 257)}, "ValidationError", "length less than or equal to 256"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "InvalidParameterValue", "Duplicate tag"),
        ({"Tags": _tags(50, 256)}, "JWTPayloadSizeExceededException", ""),
    ],
)
def test_bad_input_is_refused(
    issuer: str, as_caller: ClientFactory, user: Callable[..., Any], bad: dict[str, Any], code: str, words: str
) -> None:
    """At and beyond each limit: a clear refusal, and no token."""
    key = user("alice", _MAY)
    sts = boto3.client(
        "sts",
        endpoint_url=as_caller("sts", key).meta.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    if code == "JWTPayloadSizeExceededException":
        bad = {**bad, "Audience": [f"{number}" * 200 for number in range(10)]}
    found, status, message = refused(sts.get_web_identity_token, **{**_ASK, **bad})
    assert (found, status) == (code, 400)
    assert words in message


def test_the_limits_themselves_pass(issuer: str, as_caller: ClientFactory, user: Callable[..., Any]) -> None:
    """Ten audiences of a thousand characters, and fifty tags."""
    sts = as_caller("sts", user("alice", _MAY))
    audiences = [f"{number}".ljust(1000, "x") for number in range(10)]
    token = token_of(sts, Audience=audiences, Tags=_tags(50, 1), SigningAlgorithm="RS256", DurationSeconds=60)
    assert verify(token, issuer, audiences[9])["aud"] == audiences
    assert len(token) <= 20_000


def test_a_token_ends_when_it_says(server: RunningServer, iam: Any, as_caller: ClientFactory) -> None:
    """A relying party refuses it afterwards."""
    server.clock.move(timedelta(minutes=-4))  # the server's first sealing key is valid from five minutes ago
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    token = token_of(as_caller("sts"), DurationSeconds=60)
    with pytest.raises(jwt.ExpiredSignatureError):
        verify(token, issuer)
