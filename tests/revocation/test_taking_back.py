"""RejectDelegationRequest after the exchange token was sent.

The approver ends the access without an operator.
"""

import json

import pytest
from tests.revocation.nodes import ALL, CUSTOMER, CallRefusedError, Key, Scene
from tests.revocation.test_delegations import MINUTE, WITHDRAWN, finalized, refuse

STATEMENT = {"Effect": "Allow", "Action": "iam:RejectDelegationRequest", "Resource": "*"}


def put_policy(scene: Scene, key: Key, *statements: object) -> None:
    """Replace a user's policy with these statements."""
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    asked = {"UserName": scene.name_of(key), "PolicyName": "p"}
    if statements:
        scene.here.call(scene.root, "PutUserPolicy", "iam", PolicyDocument=document, **asked)
    else:
        scene.here.call(scene.root, "DeleteUserPolicy", "iam", **asked)
    scene.settle()


def reject(scene: Scene, key: Key, request: str) -> None:
    """Reject a request."""
    scene.here.call(key, "RejectDelegationRequest", "iam", DelegationRequestId=request, Notes="It leaked.")


def refusal_of(scene: Scene, key: Key, request: str) -> str:
    """Return the error code of a refused rejection."""
    with pytest.raises(CallRefusedError) as refusal:
        reject(scene, key, request)
    return refusal.value.code


@pytest.mark.parametrize("approver", ["a user", "a role session", "the root user"])
@pytest.mark.parametrize("is_redeemed", [True, False])
def test_the_approver_ends_the_access(scene: Scene, alice: Key, app: Key, approver: str, *, is_redeemed: bool) -> None:
    """The access ends on every node, with all sessions that grew from it.

    The request stays FINALIZED and shows the reason.
    """
    key = {"a user": alice, "a role session": scene.assume(alice), "the root user": scene.root}[approver]
    request, token = finalized(scene, key)
    issued = [scene.redeem(app, token)] if is_redeemed else []
    if approver != "the root user":
        issued += [scene.assume(credentials) for credentials in issued]
    reject(scene, key, request)
    scene.elsewhere.let_pass()
    assert not any(scene.elsewhere.is_alive(credentials) for credentials in issued)
    if not is_redeemed:
        assert refuse(scene, app, token) == "the request was revoked"
    shown = scene.here.call(scene.root, "GetDelegationRequest", "iam", DelegationRequestId=request)
    request_shown = shown["DelegationRequest"]
    assert (request_shown["State"], request_shown["RejectionReason"]) == ("FINALIZED", "It leaked.")
    reject(scene, key, request)


def test_the_approver_needs_no_policy_for_it(scene: Scene, alice: Key, app: Key) -> None:
    """The approver may end the access without a policy that allows it.

    An explicit denial applies.
    """
    request, token = finalized(scene, alice)
    credentials = scene.redeem(app, token)
    put_policy(scene, alice, {**STATEMENT, "Effect": "Deny"})
    assert refusal_of(scene, alice, request) == "AccessDenied"
    put_policy(scene, alice)
    reject(scene, alice, request)
    scene.settle()
    assert not scene.elsewhere.is_alive(credentials)


def test_others_of_the_account_need_the_permission(scene: Scene, alice: Key, app: Key) -> None:
    """Other callers of the account need the permission.

    These are another user, another session of the approver's role, and the delegated credentials.
    """
    approver = scene.assume(alice)
    request, token = finalized(scene, approver)
    other, credentials = scene.new_user(), scene.redeem(app, token)
    put_policy(scene, other)
    assert refusal_of(scene, other, request) == "AccessDenied"
    put_policy(scene, other, STATEMENT)
    reject(scene, other, request)
    scene.settle()
    assert not scene.elsewhere.is_alive(credentials)


def test_other_sessions_of_the_role_are_not_the_approver(scene: Scene, alice: Key) -> None:
    """Many people use one role; the session's name distinguishes them."""
    request, _ = finalized(scene, scene.assume(alice))
    arn = f"arn:aws:iam::{CUSTOMER}:role/one"
    colleague = scene.here.issue(alice, "AssumeRole", RoleArn=arn, RoleSessionName="colleague")
    narrowed = scene.assume(alice, Policy=json.dumps({"Version": "2012-10-17", "Statement": STATEMENT}))
    asked = {"RoleName": "one", "PolicyName": "p"}
    scene.here.call(scene.root, "DeleteRolePolicy", "iam", **asked)
    scene.settle()
    try:
        assert [refusal_of(scene, key, request) for key in (colleague, narrowed)] == ["AccessDenied"] * 2
        reject(scene, scene.assume(alice), request)
    finally:
        scene.here.call(scene.root, "PutRolePolicy", "iam", PolicyDocument=ALL, **asked)
        scene.settle()


def test_other_accounts_learn_nothing(scene: Scene, alice: Key, app: Key) -> None:
    """The partner cannot end the request, and its credentials stay valid."""
    request, token = finalized(scene, alice)
    credentials = scene.redeem(app, token)
    assert refusal_of(scene, scene.partner, request) == "NoSuchEntity"
    scene.settle()
    assert scene.elsewhere.is_alive(credentials)


def test_a_user_of_the_approvers_name_is_not_the_approver(scene: Scene, alice: Key) -> None:
    """The unique id identifies the approver, not the name."""
    request, _ = finalized(scene, alice)
    name = scene.name_of(alice)
    put_policy(scene, alice)
    scene.here.call(scene.root, "DeleteAccessKey", "iam", UserName=name, AccessKeyId=alice.key_id)
    scene.here.call(scene.root, "DeleteUser", "iam", UserName=name)
    scene.here.call(scene.root, "CreateUser", "iam", UserName=name)
    made = scene.here.call(scene.root, "CreateAccessKey", "iam", UserName=name)["AccessKey"]
    scene.settle()
    assert refusal_of(scene, Key(made["AccessKeyId"], made["SecretAccessKey"]), request) == "AccessDenied"


@pytest.mark.parametrize("is_finalized", [True, False])
def test_a_request_that_gives_no_access_is_refused(scene: Scene, alice: Key, *, is_finalized: bool) -> None:
    """An expired or rejected request gives AWS's InvalidInput with its state."""
    request = scene.request()
    scene.accept(alice, request)
    if is_finalized:
        scene.send(alice, request)
        before = scene.clock.now()
        scene.clock.move(7 * 24 * 60 * MINUTE)
        assert refusal_of(scene, alice, request) == "InvalidInput"
        scene.clock.freeze(before)
        return
    reject(scene, alice, request)
    assert refusal_of(scene, alice, request) == "InvalidInput"


def test_the_words_of_a_refused_token_stay(scene: Scene, alice: Key, app: Key) -> None:
    """The partner gets the same message for every cause."""
    request, token = finalized(scene, alice)
    reject(scene, alice, request)
    with pytest.raises(CallRefusedError, match=WITHDRAWN):
        scene.redeem(app, token)
