"""Control policies and web identities: they apply to the role's account, not to the caller."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.web_identity.conftest import Account, not_taken, take

from daypass.directory.organization import organization_changes as changes
from daypass.testing.oidc import OidcIssuer
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer


@pytest.fixture(scope="module")
def organized(server: RunningServer) -> RunningServer:
    """Create the store's organization.

    Accounts created from here on are its members.
    """
    server.new_account(standing="management")
    return server


@pytest.fixture
def member(organized: RunningServer) -> Account:
    """Make a member account."""
    root = organized.new_account()
    return Account(root.account, client_factory(organized)("iam", root), organized)


def guard(account: Account, kind: Any, statement: dict[str, Any]) -> None:
    """Attach one control policy to the account."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    with account.server.there.store.write() as writer:
        changes.set_policy(writer, account.id, kind, "guard", document)


def test_service_control_policies_do_not_bind_web_identities(member: Account, issuer: OidcIssuer, sts: Any) -> None:
    """They apply to an account's principals, and the bearer of a token is not one before the role is assumed."""
    role = member.role("r", member.trust(issuer), {"Effect": "Allow", "Action": "*", "Resource": "*"})
    guard(member, "service", {"Effect": "Deny", "Action": "sts:*", "Resource": "*"})
    answer = take(sts, role, issuer.token())
    with pytest.raises(ClientError, match="with an explicit deny in a service control policy"):
        member.client("sts", answer).decode_authorization_message(EncodedMessage="message")


def test_resource_control_policies_guard_the_role(member: Account, issuer: OidcIssuer, sts: Any) -> None:
    """The role belongs to the account, so its organization can deny all tokens."""
    role = member.role("r", member.trust(issuer))
    assert take(sts, role, issuer.token())
    everybody = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Resource": "*"}
    guard(member, "resource", everybody)
    words = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    assert not_taken(sts, role, issuer.token()) == ("AccessDenied", 403, words)
