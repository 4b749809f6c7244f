"""Keys and policies of callers, over a real socket from a real server."""

import json
from typing import Any

import msgspec
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from tests.documents import allow, document, trust
from tests.resource_server.claims import claim_of, load

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.bootstrap import RootKey
from daypass.errors import ExpiredToken, Fault, InvalidClientTokenId, ServiceUnavailable, SignatureDoesNotMatch
from daypass.policy.decision import Allowed, Denied
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer, running_server
from daypass.verify.decision import decide
from daypass.verify.remote import RemoteKeys

OBJECT = "arn:aws:s3:::bucket/key"


@pytest.fixture
def reader(iam: Any) -> Credentials:
    """Return a long-term key of a user that may read one bucket."""
    iam.create_user(UserName="reader", Tags=[{"Key": "team", "Value": "blue"}])
    policy = document(allow("s3:GetObject", "arn:aws:s3:::bucket/*"))
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    made = iam.create_access_key(UserName="reader")["AccessKey"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture
def session(root: RootKey, iam: Any, as_caller: ClientFactory, reader: Credentials) -> Credentials:
    """Return a session of a role with a session policy."""
    arn = f"arn:aws:iam::{root.account}:user/reader"
    iam.create_role(RoleName="wide", AssumeRolePolicyDocument=trust(AWS=arn))
    iam.put_role_policy(RoleName="wide", PolicyName="all", PolicyDocument=document(allow("s3:*", "*")))
    iam.put_user_policy(UserName="reader", PolicyName="assume", PolicyDocument=document(allow("sts:AssumeRole", "*")))
    key = {"AccessKeyId": reader.access_key, "SecretAccessKey": reader.secret_key}
    made = as_caller("sts", key).assume_role(
        RoleArn=f"arn:aws:iam::{root.account}:role/wide",
        RoleSessionName="one",
        DurationSeconds=900,
        Policy=document(allow("s3:GetObject", "arn:aws:s3:::bucket/*")),
    )["Credentials"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])


def test_a_long_term_key_gives_the_derived_key_and_the_policies(
    server: RunningServer, keys: RemoteKeys, reader: Credentials, root: RootKey
) -> None:
    """The key is the one of the date, region and service. The secret does not leave the server."""
    claim = claim_of(reader)
    granted = load(keys, claim, server.clock.now())
    assert granted.signing_key.raw == signing_key(reader.secret_key, claim.date, "us-east-1", "s3").raw
    caller = granted.caller
    assert (caller.account, caller.arn) == (root.account, f"arn:aws:iam::{root.account}:user/reader")
    assert caller.context["aws:principaltag/team"] == "blue"
    assert isinstance(decide(caller, "s3:GetObject", OBJECT, {}), Allowed)
    assert isinstance(decide(caller, "s3:PutObject", OBJECT, {}), Denied)


def test_a_session_has_its_session_policy_and_its_end(
    server: RunningServer, keys: RemoteKeys, session: Credentials
) -> None:
    """The role allows more than its session does."""
    granted = load(keys, claim_of(session), server.clock.now())
    assert isinstance(decide(granted.caller, "s3:GetObject", OBJECT, {}), Allowed)
    assert isinstance(decide(granted.caller, "s3:DeleteObject", OBJECT, {}), Denied)
    assert granted.caller.expires is not None
    with pytest.raises(ExpiredToken):
        keys.find(
            claim_of(session), server.clock.now().fromtimestamp(granted.caller.expires, server.clock.now().tzinfo)
        )


def test_the_second_question_is_answered_from_the_cache(
    server: RunningServer, keys: RemoteKeys, reader: Credentials
) -> None:
    """`find` does not raise NotLoadedError, also for another request of the same day."""
    load(keys, claim_of(reader), server.clock.now())
    assert keys.find(claim_of(reader), server.clock.now()).caller.access_key_id == reader.access_key


@pytest.mark.parametrize("change", ["key", "secret", "token", "signature", "string"])
def test_a_claim_without_proof_gets_no_key(
    server: RunningServer, keys: RemoteKeys, session: Credentials, change: str
) -> None:
    """A resource server that holds a token, and does not know its secret, cannot collect keys for it."""
    claim = claim_of(session)
    expected: type[Fault] = SignatureDoesNotMatch
    match change:
        case "key":
            claim = msgspec.structs.replace(claim, access_key_id="ASIA" + "A" * 16)
            expected = InvalidClientTokenId
        case "secret":
            claim = claim_of(Credentials(session.access_key, "x" * 40, session.token))
        case "token":
            claim = msgspec.structs.replace(claim, token=(claim.token or "")[:-4] + "AAAA")
            expected = InvalidClientTokenId
        case "signature":
            claim = msgspec.structs.replace(claim, signature="0" * 64)
        case "string":
            last = "0" if claim.string_to_sign[-1] != "0" else "1"
            claim = msgspec.structs.replace(claim, string_to_sign=claim.string_to_sign[:-1] + last)
    with pytest.raises(expected):
        load(keys, claim, server.clock.now())


@pytest.mark.parametrize("scope", [{"region": "eu-west-1"}, {"service": "sts"}, {"service": "iam"}])
def test_only_the_registered_service_and_region_are_granted(
    server: RunningServer, keys: RemoteKeys, reader: Credentials, scope: dict[str, str]
) -> None:
    """The signature is right, but the resource server is not registered for its scope."""
    with pytest.raises(SignatureDoesNotMatch):
        load(keys, claim_of(reader, **scope), server.clock.now())


def test_callers_of_other_accounts_are_unknown(
    server: RunningServer, keys: RemoteKeys, as_caller: ClientFactory
) -> None:
    """The registration names the accounts; the answer is the one for an unknown key."""
    other = server.new_account()
    with pytest.raises(InvalidClientTokenId):
        load(keys, claim_of(Credentials(other.access_key_id, other.secret_access_key)), server.clock.now())


def test_a_principal_without_the_permission_gets_no_keys(
    server: RunningServer, keys: RemoteKeys, reader: Credentials, iam: Any
) -> None:
    """The permission is checked at each question, and its loss ends the feed too."""
    iam.delete_user_policy(UserName="gateway", PolicyName="keys")
    with pytest.raises(ServiceUnavailable):
        load(keys, claim_of(reader), server.clock.now())


def test_the_paths_do_not_exist_without_a_registration() -> None:
    """A server without resource servers does not offer anything to attack."""
    with running_server() as server:
        response = URLLib3Session().send(
            AWSRequest("POST", f"{server.url}/resource-server/v1/keys", data=b"{}").prepare()
        )
    assert response.status_code == 404


def test_the_answer_has_no_secret(server: RunningServer, keys: RemoteKeys, session: Credentials) -> None:
    """Neither the caller's secret nor the token is anywhere in what the resource server keeps."""
    granted = load(keys, claim_of(session), server.clock.now())
    kept = repr(granted) + json.dumps(msgspec.to_builtins(granted.caller.context))
    assert session.secret_key not in kept
    assert str(session.token) not in kept
