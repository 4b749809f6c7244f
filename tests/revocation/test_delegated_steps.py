"""Every step from delegated credentials ends with the delegation.

It ends by time and by revocation.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.revocation.nodes import CUSTOMER, CallRefusedError, Key, Scene

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def delegated(scene: Scene, approver: Key, app: Key, seconds: int = 3600) -> tuple[str, Key]:
    """Return a request, and the credentials that it delegated."""
    request = scene.request(seconds)
    scene.accept(approver, request)
    return request, scene.redeem(app, scene.send(approver, request))


def delegate_again(scene: Scene, key: Key) -> Key:
    """Delegate again from a role session, by an administrator's token; return the partner's credentials."""
    request = scene.request(43_200)
    scene.accept(key, request)
    token = scene.send(scene.root, request)
    return scene.redeem(scene.new_user(of=scene.partner), token)


def redeem_within(scene: Scene, key: Key) -> Key:
    """Redeem an exchange token with delegated credentials.

    The customer's own account is the partner of that request.
    """
    policy = scene.here.call(
        scene.root,
        "CreatePolicy",
        "iam",
        PolicyName=f"setup-{key.key_id}",
        PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    )
    made = scene.here.call(
        scene.root,
        "CreateDelegationRequest",
        "iam",
        OwnerAccountId=CUSTOMER,
        Description="Set up.",
        RequestorWorkflowId=f"within-{key.key_id}",
        NotificationChannel="https://partner.example/hook",
        SessionDuration="43200",
        **{"Permissions.PolicyTemplateArn": policy["Policy"]["Arn"]},
    )
    approver = scene.new_user()
    scene.accept(approver, made["DelegationRequestId"])
    return scene.redeem(key, scene.send(approver, made["DelegationRequestId"]))


def is_enabled(scene: Scene) -> bool:
    """Return whether the customer may get web identity tokens."""
    try:
        scene.here.call(scene.root, "GetOutboundWebIdentityFederationInfo", "iam")
    except CallRefusedError:
        return False
    return True


STEPS: dict[str, Callable[[Scene, Key], Key]] = {
    "AssumeRole": lambda scene, key: scene.assume(key, DurationSeconds="3600"),
    "a role session's AssumeRole": lambda scene, key: scene.assume(scene.assume(key), "two"),
    "AssumeRoot": lambda scene, key: scene.assume_root(key),
    "GetDelegatedAccessToken": redeem_within,
    "AcceptDelegationRequest": lambda scene, key: delegate_again(scene, scene.assume(key)),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("approver", ["a user", "a role session"])
def test_nothing_outlives_the_delegation(scene: Scene, alice: Key, app: Key, step: str, approver: str) -> None:
    """A step in the last minutes of the delegation ends with the delegation.

    A role's own maximum does not extend it.
    """
    key = alice if approver == "a user" else scene.assume(alice)
    credentials = delegated(scene, key, app)[1]
    assert credentials.expires is not None
    scene.clock.move(HOUR - 5 * MINUTE)
    assert STEPS[step](scene, credentials).expires == credentials.expires


def test_a_user_asks_for_twelve_hours_in_vain(scene: Scene, alice: Key, app: Key) -> None:
    """A delegated user session may assume a role only for its remaining time.

    It is not a chained session, so otherwise only the role's maximum would limit it.
    """
    credentials = delegated(scene, alice, app)[1]
    assert scene.assume(credentials, DurationSeconds="43200").expires == credentials.expires


def test_other_sessions_live_as_long_as_they_ask(scene: Scene, alice: Key) -> None:
    """Role chaining has its hour, independent of the calling session's end."""
    first = scene.assume(alice, DurationSeconds="900")
    scene.clock.move(10 * MINUTE)
    assert scene.assume(first, "two").expires == scene.clock.now() + HOUR


@pytest.mark.parametrize("step", STEPS)
def test_a_revoked_request_ends_every_step(scene: Scene, alice: Key, app: Key, step: str) -> None:
    """Revoking the request's id ends every step.

    The key of its credentials was never recorded, because an old server redeemed it.
    """
    request, credentials = delegated(scene, alice, app)
    grown = STEPS[step](scene, scene.as_old(credentials))
    assert scene.elsewhere.is_alive(grown)
    scene.revoke(request)
    scene.elsewhere.let_pass()
    assert not scene.elsewhere.is_alive(grown)


def test_a_request_is_not_counted_as_a_key(scene: Scene, alice: Key, app: Key) -> None:
    """A request is not counted as a key: sixteen keys fit, one more does not."""
    key = delegated(scene, alice, app)[1]  # with two keys behind it
    for _ in range(14):
        key = scene.assume(key)
    names = scene.session(key).issuing_keys
    assert (len(names), sum(name.startswith("dr-") for name in names)) == (17, 1)
    with pytest.raises(CallRefusedError) as refusal:
        scene.assume(key)
    assert refusal.value.code == "AccessDenied"


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_no_web_identity_token_leaves_a_delegation(scene: Scene, alice: Key, app: Key, steps: int) -> None:
    """Delegated sessions get no web identity token; other sessions do.

    A session from such a token could not be ended with the delegation.
    """
    if not is_enabled(scene):
        scene.here.call(scene.root, "EnableOutboundWebIdentityFederation", "iam")
    asked = {"Audience.member.1": "https://relying.example", "SigningAlgorithm": "ES384"}
    key, own = delegated(scene, alice, app)[1], scene.assume(alice)
    for _ in range(steps):
        key = scene.assume(key)
    with pytest.raises(CallRefusedError, match="Cannot call GetWebIdentityToken with delegated credentials") as refusal:
        scene.here.call(key, "GetWebIdentityToken", **asked)
    assert refusal.value.code == "AccessDenied"
    scene.here.call(own, "GetWebIdentityToken", **asked)
