"""A denial has its reason in AWS's sentence and in an encoded message.

Only authorized callers can decode the message.
"""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, deny, document, trusting
from tests.refusals import HEADER, refused
from tests.why.conftest import conditions, decoded, listed

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

NewUser = Callable[..., Any]


def test_a_missing_allow_names_the_type_of_policy(new_user: NewUser, as_caller: ClientFactory, account: str) -> None:
    """The sentence names caller, action, resource and the type of policy."""
    refusal = refused(as_caller("iam", new_user("alice")).delete_role, RoleName="build")
    assert refusal.code == "AccessDenied"
    assert refusal.words == (
        f"User: arn:aws:iam::{account}:user/alice is not authorized to perform: iam:DeleteRole "
        f"on resource: arn:aws:iam::{account}:role/build "
        "because no identity-based policy allows the iam:DeleteRole action"
    )


def test_an_explicit_deny_names_the_type_of_policy(new_user: NewUser, as_caller: ClientFactory) -> None:
    """The sentence names the explicit deny and its type of policy."""
    key = new_user("alice", allow("*"), deny("iam:DeleteRole"))
    refusal = refused(as_caller("iam", key).delete_role, RoleName="build")
    assert refusal.words.endswith("with an explicit deny in an identity-based policy")


@pytest.mark.parametrize(
    ("boundary", "ending"),
    [
        (allow("s3:*"), "because no permissions boundary allows the iam:ListUsers action"),
        (deny("iam:*"), "with an explicit deny in a permissions boundary"),
    ],
)
def test_a_boundary_is_named(
    iam: Any, new_user: NewUser, as_caller: ClientFactory, boundary: dict[str, Any], ending: str
) -> None:
    """A permissions boundary without the Allow, or with a Deny, is named."""
    policy = iam.create_policy(PolicyName="limit", PolicyDocument=document(boundary))["Policy"]["Arn"]
    key = new_user("alice", allow("*"), PermissionsBoundary=policy)
    refusal = refused(as_caller("iam", key).list_users)
    assert refusal.words.endswith(ending)


@pytest.mark.parametrize(
    ("session", "ending"),
    [
        (allow("s3:*"), "because no session policy allows the iam:ListUsers action"),
        (deny("iam:*"), "with an explicit deny in a session policy"),
    ],
)
def test_a_session_policy_is_named(
    iam: Any,
    new_user: NewUser,
    as_caller: ClientFactory,
    session: dict[str, Any],
    ending: str,
) -> None:
    """A session policy without the Allow, or with a Deny, is named.

    The sentence contains the session's ARN.
    """
    key = new_user("alice", allow("sts:*"))
    caller = as_caller("sts", key).get_caller_identity()["Arn"]
    role = iam.create_role(RoleName="admin", AssumeRolePolicyDocument=document(trusting({"AWS": caller})))["Role"]
    iam.put_role_policy(RoleName="admin", PolicyName="all", PolicyDocument=document(allow("*")))
    assumed = as_caller("sts", key).assume_role(RoleArn=role["Arn"], RoleSessionName="monday", Policy=document(session))
    refusal = refused(as_caller("iam", assumed["Credentials"]).list_users)
    assert "assumed-role/admin/monday is not authorized" in refusal.words
    assert refusal.words.endswith(ending)


def test_the_message_tells_what_came_close(new_user: NewUser, as_caller: ClientFactory, sts: Any, account: str) -> None:
    """For a missing Allow the message has the closest statement."""
    office = allow("iam:List*", Sid="Office", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    with_mfa = allow("iam:*", Sid="Mfa", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    key = new_user("alice", office, with_mfa, allow("s3:*"))
    told = decoded(sts, refused(as_caller("iam", key).list_users))
    assert told["allowed"] is told["explicitDeny"] is False
    assert told["matchedStatements"] == told["failures"] == {"items": []}
    assert told["context"]["action"] == "iam:ListUsers"
    assert told["context"]["principal"]["name"] == "alice"
    assert told["context"]["principal"]["arn"] == f"arn:aws:iam::{account}:user/alice"
    assert [one["statementId"] for one in told["closestStatements"]] == ["Office", "Mfa"]
    first, second = (one["misses"] for one in told["closestStatements"])
    assert first == ["IpAddress aws:SourceIp asks for 10.0.0.0/8; the request has 127.0.0.1"]
    assert second == ["Bool aws:MultiFactorAuthPresent asks for true; the request has no aws:MultiFactorAuthPresent"]
    assert told["missingContextKeys"] == ["aws:MultiFactorAuthPresent"]
    assert conditions(told)["aws:SourceIp"] == ["127.0.0.1"]


def test_the_message_tells_the_statement_that_denied(new_user: NewUser, as_caller: ClientFactory, sts: Any) -> None:
    """For an explicit deny the message has the statement and its policy."""
    key = new_user("alice", allow("*"), deny(["iam:Delete*", "iam:Put*"], Sid="NoHarm"))
    told = decoded(sts, refused(as_caller("iam", key).delete_user, UserName="bob"))
    (statement,) = told["matchedStatements"]["items"]
    assert told["explicitDeny"] is True
    assert statement["statementId"] == "NoHarm"
    assert statement["effect"] == "DENY"
    assert listed(statement["actions"]) == ["iam:Delete*", "iam:Put*"]
    assert (statement["policyType"], statement["policyId"]) == ("identity-based policy", "own")
    assert statement["policyOwner"].endswith(":user/alice")


def test_only_the_callers_account_opens_a_message(
    server: RunningServer, new_user: NewUser, as_caller: ClientFactory, sts: Any
) -> None:
    """Another account's root user cannot decode the message.

    The error is the same as for an invalid message.
    """
    refusal = refused(as_caller("iam", new_user("alice")).list_users)
    outsider = as_caller("sts", server.new_account())
    wrong = refused(outsider.decode_authorization_message, EncodedMessage=refusal.encoded)
    garbage = refused(sts.decode_authorization_message, EncodedMessage="garbage")
    assert wrong == garbage
    assert wrong.encoded == garbage.encoded
    assert wrong.code == "InvalidAuthorizationMessageException"


@pytest.mark.parametrize("harm", [str.lower, lambda text: text[:-4], lambda text: text + "AAAA", lambda _: "DPs1" * 9])
def test_a_changed_message_does_not_open(
    new_user: NewUser, as_caller: ClientFactory, sts: Any, harm: Callable[[str], str]
) -> None:
    """A changed message cannot be decoded."""
    encoded = refused(as_caller("iam", new_user("alice")).list_users).encoded
    assert encoded is not None
    refusal = refused(sts.decode_authorization_message, EncodedMessage=harm(encoded))
    assert refusal.code == "InvalidAuthorizationMessageException"


def test_decoding_needs_the_permission(new_user: NewUser, as_caller: ClientFactory) -> None:
    """Decoding a message requires the permission, even for the refused caller.

    The denial names the missing action.
    """
    key = new_user("alice")
    refusal = refused(as_caller("iam", key).list_users)
    again = refused(as_caller("sts", key).decode_authorization_message, EncodedMessage=refusal.encoded)
    assert again.words.endswith("because no identity-based policy allows the sts:DecodeAuthorizationMessage action")


@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize("own", [(), (allow("sts:AssumeRole"),), (deny("sts:*"),)])
def test_a_closed_role_looks_like_a_missing_one(
    server: RunningServer,
    root: RootKey,
    new_user: NewUser,
    as_caller: ClientFactory,
    own: tuple[dict[str, Any], ...],
    is_here: bool,  # noqa: FBT001 - a case
) -> None:
    """A closed role and a missing role give the same sentence and message.

    The account of the role is the caller's or another one.
    """
    owner = root if is_here else server.new_account()
    as_caller("iam", owner).create_role(
        RoleName="closed",
        AssumeRolePolicyDocument=document(trusting({"Service": "ec2.amazonaws.com"})),
        Tags=[{"Key": "secret", "Value": "colour"}],
    )
    sts = as_caller("sts", root)
    client = as_caller("sts", new_user("alice", *own))
    there = f"arn:aws:iam::{owner.account}:role/"
    server.clock.freeze()  # both messages contain the time
    closed, missing = (
        refused(client.assume_role, RoleArn=there + name, RoleSessionName="tuesday") for name in ("closed", "absent")
    )
    assert closed.words.replace("closed", "absent") == missing.words
    assert "because" not in closed.words
    assert "with an explicit" not in closed.words
    assert closed.encoded is not None
    assert missing.encoded is not None
    assert len(closed.encoded) == len(missing.encoded)
    first, second = decoded(sts, closed), decoded(sts, missing)
    assert first["onlyOwnAccount"] is True
    first["context"]["resource"] = second["context"]["resource"]
    assert first == second
    assert "colour" not in str(first)


def test_the_message_tells_when_ones_own_side_would_allow(
    iam: Any, new_user: NewUser, as_caller: ClientFactory, sts: Any, account: str
) -> None:
    """The message says that the other side refuses, and gives no more details."""
    iam.create_role(RoleName="closed", AssumeRolePolicyDocument=document(trusting({"Service": "ec2.amazonaws.com"})))
    client = as_caller("sts", new_user("alice", allow("sts:AssumeRole")))
    refusal = refused(client.assume_role, RoleArn=f"arn:aws:iam::{account}:role/closed", RoleSessionName="tuesday")
    told = decoded(sts, refusal)
    assert told["reason"].startswith("because the resource's side does not allow it, or the resource does not exist")
    assert "trust" not in str(told)


def test_every_message_fits_its_header(iam: Any, new_user: NewUser, as_caller: ClientFactory, sts: Any) -> None:
    """The message has 60 to 2,048 characters, and says if it was cut."""
    many = [
        allow("iam:*", Sid=f"S{number}", Condition={"StringEquals": {f"aws:RequestTag/{'k' * 100}{number}": "v" * 20}})
        for number in range(6)
    ]
    key = new_user("alice", *many)
    long_path = "/" + "p" * 500 + "/"
    refusals = [
        refused(as_caller("iam", key).list_users),
        refused(as_caller("iam", key).create_user, UserName="bob", Path=long_path),
        refused(as_caller("iam", key).list_roles),
    ]
    for refusal in refusals:
        assert refusal.encoded is not None
        assert 60 <= len(refusal.encoded) <= 2048
        assert len(refusal.encoded) % 256 == 0
        assert decoded(sts, refusal)["truncated"] is True
    assert decoded(sts, refused(as_caller("iam", new_user("carol")).list_users))["truncated"] is False


def test_an_unsigned_call_gets_no_message(server: RunningServer) -> None:
    """Its caller has no account that could decode the message."""
    asked = urllib.parse.urlencode(
        {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": "arn:aws:iam::123456789012:role/x",
            "RoleSessionName": "tuesday",
            "WebIdentityToken": "no token",
        }
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(server.url, data=asked.encode())  # noqa: S310 - the test's own server
    assert HEADER not in caught.value.headers
    caught.value.close()


def test_the_audit_names_the_statement(
    server: RunningServer, new_user: NewUser, as_caller: ClientFactory, root: RootKey
) -> None:
    """The audit event has the statement and policy that denied, even if the caller does not get a reason."""
    key = new_user("alice", allow("*"), deny("sts:AssumeRole", Sid="Never"))
    refused(
        as_caller("sts", key).assume_role,
        RoleArn=f"arn:aws:iam::{root.account}:role/any",
        RoleSessionName="tuesday",
    )
    fault = server.audit.audit_records[-1].fault
    assert fault is not None
    assert fault.detail == (
        'with an explicit deny in an identity-based policy: statement 1 "Never" of identity-based policy own'
    )
