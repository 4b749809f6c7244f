"""A federated user's permissions: only those that both its creator and its session policies have.

STS and IAM refuse such sessions earlier, so this test calls the engine, like a resource server, with tokens from the
server.
"""

import json
from typing import Any

import pytest
from tests.sts.authenticator import new_user

from daypass.authenticate.caller import Caller, federated_caller
from daypass.authorize.gather import find_positions, gather
from daypass.directory.identity import load_identity
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.mint.tokens import open_session
from daypass.operations.operation import PermissionCheck
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import decide
from daypass.storage.cache import StoreCache
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def policy(*actions: str) -> str:
    """Return a policy that allows these actions."""
    return json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": list(actions), "Resource": "*"}}
    )


def caller_of(server: RunningServer, credentials: Any) -> Caller:
    """Return the federated user of credentials."""
    with server.there.store.read() as reader:
        sealing_ring = load_sealing_ring(reader, server.there.vault)
        session = open_session(
            credentials["SessionToken"], access_key_id=credentials["AccessKeyId"], sealing_ring=sealing_ring
        )
        by_root = session.principal_id == session.account
        return federated_caller(
            session.account, None if by_root else load_identity(reader, session.principal_id), session
        )


def may(server: RunningServer, caller: Caller, action: str) -> bool:
    """Tell whether the engine allows an action of another service."""
    asking = PermissionCheck(action, "arn:aws:s3:::bucket/key", caller.account)
    question = AuthorizationRequest(asking.action, asking.resource, asking.account, caller.principal, {})
    views = StoreCache(server.there.store).loading
    policies = gather(asking, caller, find_positions(caller, asking.account, views), views)
    return isinstance(decide(question, policies), Allowed)


@pytest.mark.parametrize(
    ("session_policy", "allowed"),
    [
        (None, set()),
        (policy("s3:GetObject"), {"s3:GetObject"}),
        (policy("*"), {"s3:GetObject", "s3:PutObject"}),
        (policy("s3:DeleteObject"), set()),
    ],
)
def test_a_user_s_is_the_intersection(
    daypass_server: RunningServer, client: ClientFactory, session_policy: str | None, allowed: set[str]
) -> None:
    """Without session policies it has no permissions; with them, the common ones."""
    user = new_user(client("iam"), "maker", policy=policy("sts:*", "s3:GetObject", "s3:PutObject"))
    given = {} if session_policy is None else {"Policy": session_policy}
    made = client("sts", user.key).get_federation_token(Name="fed", **given)["Credentials"]
    caller = caller_of(daypass_server, made)
    asked = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
    assert {action for action in asked if may(daypass_server, caller, action)} == allowed


def test_a_root_user_s_is_what_the_policies_say(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A root user may do everything, so only the session policies decide; without them there are no permissions."""
    sts = client("sts")
    cut = caller_of(daypass_server, sts.get_federation_token(Name="fed", Policy=policy("s3:Get*"))["Credentials"])
    bare = caller_of(daypass_server, sts.get_federation_token(Name="fed")["Credentials"])
    assert may(daypass_server, cut, "s3:GetObject")
    assert not may(daypass_server, cut, "s3:PutObject")
    assert not may(daypass_server, bare, "s3:GetObject")


def test_what_the_maker_loses_its_session_loses(daypass_server: RunningServer, client: ClientFactory) -> None:
    """Changes of the creator's permissions act at once."""
    iam = client("iam")
    user = new_user(iam, "maker", policy=policy("*"))
    made = client("sts", user.key).get_federation_token(Name="fed", Policy=policy("*"))["Credentials"]
    assert may(daypass_server, caller_of(daypass_server, made), "s3:GetObject")
    iam.delete_user_policy(UserName="maker", PolicyName="p")
    assert not may(daypass_server, caller_of(daypass_server, made), "s3:GetObject")
