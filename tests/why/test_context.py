"""Each condition key of a request, with a real policy that depends on it.

The request is allowed with the right value and refused with the wrong one.
"""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import boto3
import pytest
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from tests.documents import allow, document, trusting
from tests.sts.authenticator import enrol, new_device

from daypass.arn import federated_user_arn
from daypass.authenticate.caller import Caller, federated_caller, role_caller, root_caller
from daypass.authenticate.caller_keys import caller_keys
from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.directory.identity import Identity
from daypass.http.peer import PeerRule
from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import compile_set
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

NewUser = Callable[..., Any]
NOTHING = compile_set(())
ABSENT = "absent"


def _is_allowed(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"  # noqa: PT017 - other errors are failures
        return False
    return True


def _condition(operator: str, key: str, value: str) -> dict[str, Any]:
    return {"Null": {key: "true"}} if value == ABSENT else {operator: {key: value}}


# Operator, key, and two values: the request has the first, but not the second.
_USER = [
    ("StringEquals", "aws:username", "alice", "bob"),
    ("StringLike", "aws:userid", "AIDA*", "AROA*"),
    ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:user/people/alice", "arn:aws:iam::*:user/alice"),
    ("StringEquals", "aws:PrincipalAccount", "{account}", "999999999999"),
    ("StringEquals", "aws:PrincipalType", "User", "AssumedRole"),
    ("StringEquals", "aws:PrincipalTag/Team", "red", "blue"),
    ("StringEquals", "AWS:PRINCIPALTAG/TEAM", "red", ABSENT),
    ("Bool", "aws:SecureTransport", "false", "true"),
    ("IpAddress", "aws:SourceIp", "127.0.0.0/8", "10.0.0.0/8"),
    ("StringEquals", "aws:RequestedRegion", "us-east-1", "eu-west-1"),
    ("StringLike", "aws:UserAgent", "*Boto3*", "*curl*"),
    ("DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"),
    ("DateLessThan", "aws:CurrentTime", "2199-01-01", "2020-01-01"),
    ("NumericGreaterThan", "aws:EpochTime", "1577836800", "7226582400"),
    ("DateLessThan", "aws:EpochTime", "2199-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
    ("Bool", "aws:ViaAWSService", "false", "true"),
    ("Bool", "aws:PrincipalIsAWSService", "false", "true"),
    ("StringEquals", "aws:ResourceAccount", "{account}", "999999999999"),
]
_USER_LACKS = (
    *("aws:TokenIssueTime", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:SourceIdentity"),
    *("aws:FederatedProvider", "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "aws:AssumedRoot"),
    *("aws:PrincipalServiceName", "aws:PrincipalServiceNamesList", "aws:SourceArn", "aws:SourceAccount"),
    *("aws:SourceVpc", "aws:SourceVpce", "aws:VpcSourceIp", "aws:referer", "aws:PrincipalTag/Colour"),
    *("aws:PrincipalOrgID", "aws:PrincipalOrgPaths", "aws:ResourceOrgID", "aws:ResourceOrgPaths"),
    *("sts:SourceIdentity", "sts:RoleSessionName", "sts:ExternalId"),
)


@pytest.fixture
def alice(iam: Any, new_user: NewUser, as_caller: ClientFactory, account: str) -> Callable[..., bool]:
    """Return whether alice may list users under a condition."""
    key = new_user("alice", Path="/people/", Tags=[{"Key": "team", "Value": "red"}])
    client = as_caller("iam", key)

    def may(condition: dict[str, Any]) -> bool:
        policy = document(allow("iam:ListUsers", Condition=condition)).replace("{account}", account)
        iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=policy)
        return _is_allowed(client.list_users)

    return may


def test_a_user_with_long_term_keys(alice: Callable[..., bool]) -> None:
    """The request of a user has these keys and values."""
    for operator, key, has, has_not in _USER:
        assert alice(_condition(operator, key, has)), key
        assert not alice(_condition(operator, key, has_not)), key


def test_what_a_user_lacks_is_absent(alice: Callable[..., bool]) -> None:
    """Keys without a value are absent: not empty, and not false."""
    for key in _USER_LACKS:
        assert alice({"Null": {key: "true"}}), key
        assert not alice({"Null": {key: "false"}}), key


def test_mfa_is_false_only_for_sessions(alice: Callable[..., bool]) -> None:
    """With long-term keys the MFA key is absent.

    Bool false does not hold, BoolIfExists does.
    """
    key = "aws:MultiFactorAuthPresent"
    assert not alice({"Bool": {key: "false"}})
    assert alice({"BoolIfExists": {key: "true"}})


_SESSION = [
    ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::{account}:role/apps/app", "arn:aws:sts::*:assumed-role/app/*"),
    ("StringLike", "aws:userid", "AROA*:monday", "AROA*:tuesday"),
    ("StringEquals", "aws:PrincipalType", "AssumedRole", "User"),
    ("StringEquals", "aws:PrincipalAccount", "{account}", "999999999999"),
    ("StringEquals", "aws:username", ABSENT, "app"),
    ("StringEquals", "aws:PrincipalTag/team", "session", "role"),
    ("StringEquals", "aws:PrincipalTag/kept", "role", ABSENT),
    ("StringEquals", "aws:SourceIdentity", "alice@acme", ABSENT),
    ("StringEquals", "sts:SourceIdentity", ABSENT, "alice@acme"),
    ("DateGreaterThan", "aws:TokenIssueTime", "2020-01-01T00:00:00Z", "2199-01-01T00:00:00Z"),
    ("Bool", "aws:MultiFactorAuthPresent", "false", "true"),
    ("NumericLessThan", "aws:MultiFactorAuthAge", ABSENT, "3600"),
    ("StringEquals", "aws:FederatedProvider", ABSENT, "accounts.google.com"),
    ("Bool", "aws:PrincipalIsAWSService", "false", "true"),
]


def test_a_role_session(
    iam: Any, new_user: NewUser, as_caller: ClientFactory, root: RootKey, server: RunningServer
) -> None:
    """The ARN of a session's role has the path; session tags win."""
    key = new_user("alice", allow("sts:*"))
    trust = trusting({"AWS": root.account}, ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
    tags = [{"Key": "Team", "Value": "role"}, {"Key": "kept", "Value": "role"}]
    role = iam.create_role(RoleName="app", Path="/apps/", AssumeRolePolicyDocument=document(trust), Tags=tags)["Role"]
    session = as_caller("sts", key).assume_role(
        RoleArn=role["Arn"],
        RoleSessionName="monday",
        Tags=[{"Key": "team", "Value": "session"}],
        SourceIdentity="alice@acme",
    )
    client = as_caller("iam", session["Credentials"])
    for operator, name, has, has_not in _SESSION:
        for value, expected in ((has, True), (has_not, False)):
            policy = document(allow("iam:ListUsers", Condition=_condition(operator, name, value)))
            policy = policy.replace("{account}", root.account)
            iam.put_role_policy(RoleName="app", PolicyName="own", PolicyDocument=policy)
            assert _is_allowed(client.list_users) is expected, (name, value)


_TRUST = [
    ("StringEquals", "sts:RoleSessionName", "monday", "tuesday"),
    ("StringEquals", "sts:ExternalId", "ticket-7", "ticket-8"),
    ("StringEquals", "sts:SourceIdentity", "alice@acme", "bob@acme"),
    ("StringEquals", "aws:RequestTag/Team", "red", "blue"),
    ("ForAllValues:StringEquals", "aws:TagKeys", "team", "colour"),
    ("ForAnyValue:StringEquals", "sts:TransitiveTagKeys", "team", "colour"),
    ("StringEquals", "aws:ResourceTag/stage", "prod", "test"),
    ("StringEquals", "iam:ResourceTag/stage", "prod", "test"),
    ("StringEquals", "aws:username", "alice", "bob"),
    ("IpAddress", "aws:SourceIp", "127.0.0.1", "10.0.0.1"),
    ("StringEquals", "aws:ResourceAccount", "{account}", "999999999999"),
]


def test_a_role_that_is_assumed(iam: Any, new_user: NewUser, as_caller: ClientFactory, account: str) -> None:
    """A trust policy sees the caller's keys and those of the call.

    These are name, tags, external ID and source identity.
    """
    client = as_caller("sts", new_user("alice", allow("sts:*")))
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    open_trust = document(trusting({"AWS": account}, actions))
    tags = [{"Key": "stage", "Value": "prod"}]
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=open_trust, Tags=tags)["Role"]["Arn"]
    for operator, name, has, has_not in _TRUST:
        for value, expected in ((has, True), (has_not, False)):
            trust = document(trusting({"AWS": account}, actions, Condition=_condition(operator, name, value)))
            policy = trust.replace("{account}", account)
            iam.update_assume_role_policy(RoleName="app", PolicyDocument=policy)
            assert (
                _is_allowed(
                    lambda: client.assume_role(
                        RoleArn=role,
                        RoleSessionName="monday",
                        ExternalId="ticket-7",
                        SourceIdentity="alice@acme",
                        Tags=[{"Key": "team", "Value": "red"}],
                        TransitiveTagKeys=["team"],
                    )
                )
                is expected
            ), (name, value)


def test_mfa_of_a_session(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A session from an MFA code has its age; other sessions have MFA false."""
    iam = client("iam")
    daypass_server.clock.freeze()
    iam.create_user(UserName="alice")
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    device = new_device(iam, daypass_server.clock, "phone")
    enrol(iam, device, "alice")
    daypass_server.clock.move(timedelta(seconds=90))
    sts = client("sts", key)
    with_code = sts.get_session_token(SerialNumber=device.serial, TokenCode=device.code())["Credentials"]
    without = sts.get_session_token()["Credentials"]

    def may(credentials: Any, condition: dict[str, Any]) -> bool:
        policy = document(allow("sts:AssumeRole"), allow("iam:ListUsers", Condition=condition))
        iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=policy)
        trust = document(trusting({"AWS": daypass_server.root.account}, Condition=condition))
        iam.update_assume_role_policy(RoleName="app", PolicyDocument=trust)
        role = f"arn:aws:iam::{daypass_server.root.account}:role/app"
        return _is_allowed(lambda: client("sts", credentials).assume_role(RoleArn=role, RoleSessionName="monday"))

    iam.create_role(RoleName="app", AssumeRolePolicyDocument=document(trusting({"AWS": daypass_server.root.account})))
    present = "aws:MultiFactorAuthPresent"
    assert may(with_code, {"Bool": {present: "true"}})
    assert not may(without, {"Bool": {present: "true"}})
    assert may(without, {"Bool": {present: "false"}})
    assert may(without, {"Null": {"aws:MultiFactorAuthAge": "true"}})
    assert may(with_code, {"NumericLessThanEquals": {"aws:MultiFactorAuthAge": "10"}})
    daypass_server.clock.move(timedelta(minutes=10))
    assert not may(with_code, {"NumericLessThanEquals": {"aws:MultiFactorAuthAge": "10"}})
    assert may(with_code, {"NumericGreaterThanEquals": {"aws:MultiFactorAuthAge": "600"}})


def test_the_organization(daypass_server: RunningServer, client: ClientFactory) -> None:
    """Only members have their organization's ID and path."""
    manager = daypass_server.new_account(standing="management")
    member = daypass_server.new_account()
    for key, expected in ((member, True), (manager, True), (daypass_server.root, False)):
        iam = client("iam", key)
        iam.create_user(UserName="alice")
        user = client("iam", iam.create_access_key(UserName="alice")["AccessKey"])
        for condition in (
            {"StringLike": {"aws:PrincipalOrgID": "o-*"}},
            {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-*/"}},
            {"StringLike": {"aws:ResourceOrgID": "o-*"}},
            {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}},
        ):
            policy = document(allow("iam:ListUsers", Condition=condition))
            iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=policy)
            assert _is_allowed(user.list_users) is expected, condition


def test_the_referer_is_what_the_client_says(iam: Any, new_user: NewUser, as_caller: ClientFactory) -> None:
    """aws:referer is the header of that name, unverified as on AWS."""
    condition = {"StringEquals": {"aws:referer": "https://portal.example/"}}
    client = as_caller("iam", new_user("alice", allow("iam:ListUsers", Condition=condition)))
    assert not _is_allowed(client.list_users)
    client.meta.events.register(
        "before-sign.iam.ListUsers",
        _send_referer,
    )
    assert _is_allowed(client.list_users)


def _send_referer(request: Any, **_: Any) -> None:
    request.headers.add_header("Referer", "https://portal.example/")


@pytest.mark.parametrize(
    ("trusted", "forwarded", "scheme", "source", "secure"),
    [
        ("127.0.0.0/8", "203.0.113.7", "https", "203.0.113.7/32", "true"),
        ("127.0.0.0/8", "198.51.100.1, 203.0.113.7", "http", "203.0.113.7/32", "false"),
        ("127.0.0.0/8", "198.51.100.1, 127.0.0.9", "https", "198.51.100.1/32", "true"),
        ("127.0.0.0/8", "2001:db8::7", "https", "2001:db8::/32", "true"),
        ("127.0.0.0/8", "::ffff:203.0.113.7", "https", "203.0.113.0/24", "true"),
        ("127.0.0.0/8", "nonsense", "https", "127.0.0.1/32", "true"),
        ("10.0.0.0/8", "203.0.113.7", "https", "127.0.0.1/32", "false"),
        ("", "203.0.113.7", "https", "127.0.0.1/32", "false"),
    ],
)
def test_the_address_behind_proxies(trusted: str, forwarded: str, scheme: str, source: str, secure: str) -> None:
    """Forwarded headers count only from trusted proxies.

    An address counts only as far as trusted proxies added it.
    """
    networks = (ip_network(trusted),) if trusted else ()
    with running_server(config=Config(trusted_proxies=networks)) as server:
        make = client_factory(server)
        iam = make("iam")
        iam.create_user(UserName="alice")
        condition = {"IpAddress": {"aws:SourceIp": source}, "Bool": {"aws:SecureTransport": secure}}
        iam.put_user_policy(
            UserName="alice", PolicyName="own", PolicyDocument=document(allow("iam:ListUsers", Condition=condition))
        )
        client = make("iam", iam.create_access_key(UserName="alice")["AccessKey"])

        def forward(request: Any, **_: Any) -> None:
            request.headers["X-Forwarded-For"] = forwarded
            request.headers["X-Forwarded-Proto"] = scheme

        client.meta.events.register("before-send.iam.ListUsers", forward)
        assert _is_allowed(client.list_users)


def test_several_headers_are_one_list() -> None:
    """Headers of one name are one list, in order.

    A client cannot hide its header behind a second one.
    """
    rule = PeerRule((ip_network("10.0.0.0/8"),))
    headers = [(b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"198.51.100.2, 10.1.1.1")]
    assert rule.resolve("10.0.0.1", secure=False, headers=headers) == ("198.51.100.2", False)
    assert rule.resolve("192.0.2.9", secure=True, headers=headers) == ("192.0.2.9", True)


def test_the_region_is_the_one_that_was_signed_for(
    iam: Any, new_user: NewUser, server: RunningServer, account: str
) -> None:
    """aws:RequestedRegion is the region in the signature's scope."""
    condition = {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}
    key = new_user("alice", allow("sts:GetAccessKeyInfo", Condition=condition))
    answers = []
    for region in ("eu-central-1", "us-west-2"):
        client = boto3.client(
            "sts",
            endpoint_url=server.url,
            region_name=region,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
            config=BotoConfig(retries={"total_max_attempts": 1}),
        )
        answers.append(_is_allowed(lambda client=client: client.get_access_key_info(AccessKeyId=key["AccessKeyId"])))  # type: ignore[misc] # bound now
    assert answers == [True, False]


# Callers that policies above cannot test: root users, federated users, and sessions from an assertion. ---------------


def _session(kind: SessionKind, **more: Any) -> Session:
    return Session(
        kind=kind,
        account="111111111111",
        principal_id="AROAAPP",
        principal_name="app",
        session_name="monday",
        access_key_id="ASIA",
        secret=Secret("secret"),
        issued=1_700_000_000,
        expires=1_700_003_600,
        issuing_key="",
        **more,
    )


_ROLE = Identity("111111111111", "AROAAPP", "arn:aws:iam::111111111111:role/p/app", "app", {"Team": "r"}, NOTHING, None)


def _keys(caller: Caller) -> dict[str, Any]:
    return caller_keys(caller, seconds=1_700_000_060)


def test_a_root_user() -> None:
    """A root user has its account; with long-term keys it has no session keys."""
    assert _keys(root_caller("111111111111", "AKIA")) == {
        "aws:principalaccount": "111111111111",
        "aws:principaltype": "Account",
        "aws:principalarn": "arn:aws:iam::111111111111:root",
        "aws:userid": "111111111111",
        "aws:principalisawsservice": "false",
    }


def test_an_assumed_root() -> None:
    """A session of AssumeRoot has its own key."""
    task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
    caller = root_caller("111111111111", "ASIA", _session(SessionKind.ROOT, root_task_policy=task))
    assert _keys(caller)["aws:assumedroot"] == "true"
    assert "aws:assumedroot" not in _keys(root_caller("111111111111", "ASIA", _session(SessionKind.ROOT)))


def test_a_federated_user() -> None:
    """A federated user has its own ARN and account, and the session's tags.

    It does not have its creator's tags.
    """
    maker = Identity("111111111111", "AIDAALICE", "arn:aws:iam::1:user/alice", "alice", {"team": "m"}, NOTHING, None)
    keys = _keys(federated_caller("111111111111", maker, _session(SessionKind.FEDERATED, tags={"Kind": "guest"})))
    assert keys["aws:principaltype"] == "FederatedUser"
    assert keys["aws:principalarn"] == federated_user_arn("111111111111", "monday")
    assert keys["aws:userid"] == "111111111111:monday"
    assert keys["aws:principaltag/kind"] == "guest"
    assert keys["aws:tokenissuetime"] == "2023-11-14T22:13:20Z"
    assert not {"aws:username", "aws:principaltag/team"} & set(keys)


def test_a_session_from_an_assertion() -> None:
    """Keys of the provider and the assertion stay in the session.

    Of several values only amr is a list.
    """
    propagated = "aws:transactioncontext/identityprovider/x:amr"
    context = {"saml:aud": ("https://signin",), "idp.example:amr": ("mfa", "pwd"), propagated: ("pwd",)}
    caller = role_caller(_ROLE, _session(SessionKind.ROLE, provider="arn:aws:iam::1:saml-provider/x", context=context))
    keys = _keys(caller)
    assert keys["aws:federatedprovider"] == "arn:aws:iam::1:saml-provider/x"
    assert (keys["saml:aud"], keys["idp.example:amr"]) == ("https://signin", ("mfa", "pwd"))
    assert keys[propagated] == "pwd"
    assert keys["aws:principaltag/team"] == "r"


@pytest.mark.parametrize("kind", [PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS])
def test_an_unsigned_caller_has_no_keys_of_a_principal(kind: PrincipalKind) -> None:
    """The keys of an unsigned caller are only those of its assertion or token."""
    caller = Caller("", "", "", "", Principal(kind, "", "", federated="idp.example"))
    assert _keys(caller) == {}
