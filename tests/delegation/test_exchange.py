"""The whole process: a request is created, associated, accepted and sent; the partner redeems the token."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from tests.delegation.conftest import Sides
from tests.documents import allow, document, trust
from tests.refusals import refused

from daypass.directory import records
from daypass.directory.delegation.kept_requests import find_request
from daypass.directory.entities.delegation_entities import Notification

_USED = ("ExpiredTradeInTokenException", 400)


def test_the_partner_gets_what_was_approved(sides: Sides) -> None:
    """The credentials are the approver's, limited to the accepted policy and the requested time."""
    key = sides.admin()
    token = sides.finalize(key, sides.request())
    partner = sides.as_caller("sts", sides.user(sides.partner, "app", allow("sts:GetDelegatedAccessToken")))
    answer = partner.get_delegated_access_token(TradeInToken=token)
    arn = f"arn:aws:iam::{sides.customer.account}:user/admin"
    assert answer["AssumedPrincipal"] == arn
    assert 0 < answer["PackedPolicySize"] <= 100
    left = answer["Credentials"]["Expiration"] - sides.server.clock.now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert sides.as_caller("sts", answer["Credentials"]).get_caller_identity()["Arn"] == arn
    iam = sides.as_caller("iam", answer["Credentials"])
    iam.create_user(UserName="agent", Path="/monitoring/")
    assert {user["UserName"] for user in iam.list_users()["Users"]} == {"admin", "agent"}
    assert refused(iam.create_user, UserName="eve")[0] == "AccessDenied"
    assert refused(iam.create_access_key, UserName="admin")[0] == "AccessDenied"


def test_the_approver_hands_on_no_more_than_it_has(sides: Sides) -> None:
    """The partner may not do more than the approving identity, whatever policy was accepted."""
    decide = allow(["iam:*DelegationRequest", "iam:SendDelegationToken", "iam:ListUsers"])
    token = sides.finalize(sides.user(sides.customer, "weak", decide), sides.request())
    credentials = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)["Credentials"]
    iam = sides.as_caller("iam", credentials)
    iam.list_users()
    assert refused(iam.create_user, UserName="agent", Path="/monitoring/")[0] == "AccessDenied"


def test_a_role_session_can_approve(sides: Sides) -> None:
    """The credentials are a session of the same role and name."""
    iam = sides.as_caller("iam", sides.customer)
    trust = document({"Effect": "Allow", "Principal": {"AWS": sides.customer.account}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="admins", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="admins", PolicyName="own", PolicyDocument=document(allow("*")))
    user = sides.as_caller("sts", sides.admin())
    session = user.assume_role(RoleArn=role, RoleSessionName="alice")["Credentials"]
    token = sides.finalize(session, sides.request())
    answer = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)
    arn = f"arn:aws:sts::{sides.customer.account}:assumed-role/admins/alice"
    assert answer["AssumedPrincipal"] == arn
    assert sides.as_caller("sts", answer["Credentials"]).get_caller_identity()["Arn"] == arn
    assert refused(sides.as_caller("iam", answer["Credentials"]).list_roles)[0] == "AccessDenied"


def test_a_session_without_room_for_the_policy_cannot_approve(sides: Sides) -> None:
    """The delegated credentials have its tags too. The partner would learn it only after the approval."""
    iam = sides.as_caller("iam", sides.customer)
    statement = {"Principal": {"AWS": sides.customer.account}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    trust = document({"Effect": "Allow", **statement})
    role = iam.create_role(RoleName="admins", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="admins", PolicyName="own", PolicyDocument=document(allow("*")))
    tags = [{"Key": f"k{number}", "Value": "v" * 200} for number in range(2)]
    user = sides.as_caller("sts", sides.admin())
    session = user.assume_role(RoleArn=role, RoleSessionName="alice", Tags=tags)["Credentials"]
    request, approver = sides.request(), sides.as_caller("iam", session)
    approver.associate_delegation_request(DelegationRequestId=request)
    code, _, words = refused(approver.accept_delegation_request, DelegationRequestId=request)
    assert code == "InvalidInput"
    assert words.endswith("% of allotted space, please use smaller policy.")


def scoped(sides: Sides, credentials: Any, *actions: str) -> Any:
    """Return the credentials with a scope-down policy that allows actions."""
    sts = sides.as_caller("sts", credentials)
    return sts.get_scoped_credentials(Policy=document(allow(list(actions))))["Credentials"]


def test_a_scoped_session_cannot_approve(sides: Sides) -> None:
    """The approval would be for the identity, without the scope-down policies. Neither can it own a request."""
    iam = sides.as_caller("iam", sides.customer)
    role = iam.create_role(RoleName="admins", AssumeRolePolicyDocument=trust(AWS=sides.customer.account))["Role"]["Arn"]
    iam.put_role_policy(RoleName="admins", PolicyName="own", PolicyDocument=document(allow("*")))
    session = sides.as_caller("sts", sides.admin()).assume_role(RoleArn=role, RoleSessionName="alice")["Credentials"]
    narrow, request = sides.as_caller("iam", scoped(sides, session, "*")), sides.request()
    assert refused(narrow.associate_delegation_request, DelegationRequestId=request)[0] == "InvalidInput"
    sides.as_caller("iam", session).associate_delegation_request(DelegationRequestId=request)
    assert refused(narrow.accept_delegation_request, DelegationRequestId=request)[0] == "InvalidInput"
    # The owner's default permissions are those of its unrestricted sessions.
    owner = sides.as_caller("iam", scoped(sides, session, "iam:ListUsers"))
    assert refused(owner.get_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"


def test_layers_of_the_partner_limit_the_delegated_credentials(sides: Sides) -> None:
    """A partner that redeems a token with scoped credentials gets no more than the layers allow, and no longer."""
    token = sides.finalize(sides.admin(), sides.request())
    iam = sides.as_caller("iam", sides.partner)
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust(AWS=sides.partner.account))["Role"]["Arn"]
    iam.put_role_policy(RoleName="app", PolicyName="own", PolicyDocument=document(allow("*")))
    app = sides.as_caller("sts", sides.user(sides.partner, "app", allow("*")))
    session = app.assume_role(RoleArn=role, RoleSessionName="app")["Credentials"]
    narrow = scoped(sides, session, "sts:*", "iam:CreateUser")
    answer = sides.as_caller("sts", narrow).get_delegated_access_token(TradeInToken=token)["Credentials"]
    assert answer["Expiration"] <= session["Expiration"]
    delegated = sides.as_caller("iam", answer)
    delegated.create_user(UserName="agent", Path="/monitoring/")
    assert "session policy" in refused(delegated.list_users)[2]


def test_delegated_credentials_can_be_scoped_down(sides: Sides) -> None:
    """The accepted policy and the layer apply, and a revocation of the delegation ends them."""
    template = sides.as_caller("iam", sides.partner).create_policy(
        PolicyName="agents", PolicyDocument=document(allow(["iam:ListUsers", "iam:ListRoles", "sts:*"]))
    )["Policy"]["Arn"]
    request = sides.request(Permissions={"PolicyTemplateArn": template})
    token = sides.finalize(sides.admin(), request)
    partner = sides.as_caller("sts", sides.partner)
    credentials = partner.get_delegated_access_token(TradeInToken=token)["Credentials"]
    narrow = scoped(sides, credentials, "iam:ListUsers", "iam:ListGroups")
    delegated = sides.as_caller("iam", narrow)
    delegated.list_users()
    assert refused(delegated.list_roles)[0] == "AccessDenied"
    assert refused(delegated.list_groups)[0] == "AccessDenied"
    sides.as_caller("iam", sides.customer).reject_delegation_request(DelegationRequestId=request)
    assert refused(delegated.list_users)[0] == "InvalidClientTokenId"


def test_a_root_user_can_approve_for_four_hours(sides: Sides) -> None:
    """The credentials are limited too."""
    iam = sides.as_caller("iam", sides.customer)
    long = sides.request(SessionDuration=14_401)
    iam.associate_delegation_request(DelegationRequestId=long)
    assert refused(iam.accept_delegation_request, DelegationRequestId=long)[0] == "InvalidInput"
    token = sides.finalize(sides.customer, sides.request(SessionDuration=14_400, RequestorWorkflowId="workflow-2"))
    credentials = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)["Credentials"]
    delegated = sides.as_caller("iam", credentials)
    delegated.list_users()
    assert refused(delegated.create_user, UserName="eve")[0] == "AccessDenied"
    assert refused(delegated.list_roles)[0] == "AccessDenied"


def test_a_token_is_redeemed_once(sides: Sides) -> None:
    """The second attempt is refused."""
    token = sides.finalize(sides.admin(), sides.request())
    sts = sides.as_caller("sts", sides.partner)
    sts.get_delegated_access_token(TradeInToken=token)
    assert refused(sts.get_delegated_access_token, TradeInToken=token)[:2] == _USED


def test_a_token_is_the_partners_alone(sides: Sides) -> None:
    """Another account cannot redeem it, and its attempt does not use it up."""
    token = sides.finalize(sides.admin(), sides.request())
    for other in (sides.customer, sides.server.new_account()):
        code, status, _ = refused(sides.as_caller("sts", other).get_delegated_access_token, TradeInToken=token)
        assert (code, status) == ("InvalidParameterValue", 400)
    assert sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)


def test_redeeming_needs_a_permission(sides: Sides) -> None:
    """sts:GetDelegatedAccessToken in the partner's account.

    A denied attempt does not use up the token.
    """
    token = sides.finalize(sides.admin(), sides.request())
    weak = sides.as_caller("sts", sides.user(sides.partner, "weak"))
    assert refused(weak.get_delegated_access_token, TradeInToken=token)[0] == "AccessDenied"
    assert sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)


def test_the_access_runs_from_the_moment_it_is_sent(sides: Sides) -> None:
    """A partner that redeems it late gets the rest of the time."""
    token = sides.finalize(sides.admin(), sides.request(SessionDuration=900))
    sides.server.clock.move(timedelta(minutes=10))
    answer = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)
    left = answer["Credentials"]["Expiration"] - sides.server.clock.now()
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)


def test_a_token_expires_with_the_access(sides: Sides) -> None:
    """After the requested time the token is refused."""
    token = sides.finalize(sides.admin(), sides.request(SessionDuration=300))
    sides.server.clock.move(timedelta(minutes=5, seconds=1))
    sts = sides.as_caller("sts", sides.partner)
    assert refused(sts.get_delegated_access_token, TradeInToken=token)[:2] == _USED


def test_an_approver_who_is_gone_grants_nothing(sides: Sides) -> None:
    """Neither before nor after the token was redeemed."""
    key = sides.admin("first")
    token = sides.finalize(key, sides.request())
    credentials = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)["Credentials"]
    second = sides.finalize(key, sides.request(RequestorWorkflowId="workflow-2"))
    iam = sides.as_caller("iam", sides.customer)
    iam.delete_access_key(UserName="first", AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName="first", PolicyName="own")
    iam.delete_user(UserName="first")
    sides.user(sides.customer, "first", allow("*"))
    assert refused(sides.as_caller("sts", credentials).get_caller_identity)[0] == "InvalidClientTokenId"
    sts = sides.as_caller("sts", sides.partner)
    assert refused(sts.get_delegated_access_token, TradeInToken=second)[0] == "AccessDenied"


@pytest.mark.parametrize("token", ["x", "DPt1", "DPt1" + "A" * 100, "\u00e9" * 20, "A" * 10_000, " "])
def test_what_is_no_token_is_refused(sides: Sides, token: str) -> None:
    """A clear 4xx for any string."""
    sts = sides.as_caller("sts", sides.partner)
    code, status, _ = refused(sts.get_delegated_access_token, TradeInToken=token)
    assert (code, status) == ("InvalidParameterValue", 400)


def test_a_tampered_token_is_refused(sides: Sides) -> None:
    """Every changed character breaks the seal; a session token is not an exchange token either."""
    token = sides.finalize(sides.admin(), sides.request())
    sts = sides.as_caller("sts", sides.partner)
    for at in range(0, len(token), 7):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert refused(sts.get_delegated_access_token, TradeInToken=changed)[0] == "InvalidParameterValue"
    session = sts.get_session_token()["Credentials"]["SessionToken"]
    assert refused(sts.get_delegated_access_token, TradeInToken=session)[0] == "InvalidParameterValue"
    assert sts.get_delegated_access_token(TradeInToken=token)


def test_delegated_credentials_approve_nothing(sides: Sides) -> None:
    """Their bearer cannot delegate further, even if the policy allows the call and the approver owns the request."""
    template = document(allow(["iam:*DelegationRequest", "iam:SendDelegationToken"]))
    arn = sides.as_caller("iam", sides.partner).create_policy(PolicyName="greedy", PolicyDocument=template)
    permissions = {"PolicyTemplateArn": arn["Policy"]["Arn"]}
    key = sides.admin()
    token = sides.finalize(key, sides.request(Permissions=permissions))
    credentials = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)["Credentials"]
    other = sides.request(RequestorWorkflowId="workflow-2")
    delegated = sides.as_caller("iam", credentials)
    assert refused(delegated.associate_delegation_request, DelegationRequestId=other)[0] == "InvalidInput"
    sides.as_caller("iam", key).associate_delegation_request(DelegationRequestId=other)
    assert refused(delegated.accept_delegation_request, DelegationRequestId=other)[0] == "InvalidInput"


def test_no_resource_policy_widens_what_was_approved(sides: Sides) -> None:
    """The partner cannot assume a role that trusts the approver by name or by aws:PrincipalArn."""
    iam = sides.as_caller("iam", sides.customer)
    trust = document({"Effect": "Allow", "Principal": {"AWS": sides.customer.account}, "Action": "sts:AssumeRole"})
    admins = iam.create_role(RoleName="admins", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="admins", PolicyName="own", PolicyDocument=document(allow("*")))
    key = sides.admin()
    session = sides.as_caller("sts", key).assume_role(RoleArn=admins, RoleSessionName="alice")["Credentials"]
    by_role = sides.finalize(session, sides.request())
    by_user = sides.finalize(key, sides.request(RequestorWorkflowId="workflow-2"))
    named = f"arn:aws:sts::{sides.customer.account}:assumed-role/admins/alice"
    user = f"arn:aws:iam::{sides.customer.account}:user/admin"
    principals: list[dict[str, object]] = [
        {"Principal": {"AWS": [named, user]}},
        {"Principal": "*", "Condition": {"ArnEquals": {"aws:PrincipalArn": [admins, user]}}},
    ]
    roles = []
    for number, principal in enumerate(principals):
        text = document({"Effect": "Allow", "Action": "sts:AssumeRole", **principal})
        role = iam.create_role(RoleName=f"target{number}", AssumeRolePolicyDocument=text)["Role"]["Arn"]
        roles.append(role)
    for approver, token in ((session, by_role), (key, by_user)):
        partner = sides.as_caller("sts", sides.partner)
        delegated = partner.get_delegated_access_token(TradeInToken=token)["Credentials"]
        for role in roles:
            sides.as_caller("sts", approver).assume_role(RoleArn=role, RoleSessionName="session")
            sts = sides.as_caller("sts", delegated)
            assert refused(sts.assume_role, RoleArn=role, RoleSessionName="session")[0] == "AccessDenied"


def test_the_owner_alone_sends_where_the_partner_says_so(sides: Sides) -> None:
    """OnlySendByOwner: an administrator accepts, and the owner sends without any policy of its own."""
    request = sides.request(OnlySendByOwner=True)
    owner = sides.as_caller("iam", sides.user(sides.customer, "owner", allow("iam:AssociateDelegationRequest")))
    admin = sides.as_caller("iam", sides.admin())
    owner.associate_delegation_request(DelegationRequestId=request)
    owner.update_delegation_request(DelegationRequestId=request, Notes="please")
    assert refused(owner.accept_delegation_request, DelegationRequestId=request)[0] == "AccessDenied"
    admin.accept_delegation_request(DelegationRequestId=request)
    assert refused(admin.send_delegation_token, DelegationRequestId=request)[0] == "InvalidInput"
    owner.send_delegation_token(DelegationRequestId=request)
    shown = owner.get_delegation_request(DelegationRequestId=request)["DelegationRequest"]
    assert shown["ApproverId"].endswith("user/admin")
    assert shown["OwnerId"].endswith("user/owner")
    token = sides.webhook.next("FINALIZED").message["ExchangeToken"]
    answer = sides.as_caller("sts", sides.partner).get_delegated_access_token(TradeInToken=token)
    assert answer["AssumedPrincipal"].endswith("user/admin")


def test_a_notification_is_signed_for_the_webhook(sides: Sides) -> None:
    """A partner verifies it with PyJWT: issuer, audience, times, and the hash of the exact bytes."""
    request = sides.request()
    sides.as_caller("iam", sides.admin()).associate_delegation_request(DelegationRequestId=request)
    received = sides.webhook.next()
    assert sides.webhook.url.endswith(received.path)
    assert received.message["DelegationRequestId"] == request
    assert received.message["RequestorWorkflowId"] == "workflow-1"
    assert received.message["State"] == "ASSIGNED"
    assert received.message["OwnerAccountId"] == sides.customer.account
    assert "ExchangeToken" not in received.message
    signature = received.headers["Daypass-Signature"]
    issuer = f"{sides.server.url}/issuer/notifications"
    keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")
    claims = jwt.decode(
        signature,
        keys.get_signing_key_from_jwt(signature),
        algorithms=["ES384"],
        audience=sides.webhook.url,
        issuer=issuer,
    )
    assert claims["body_sha256"] == hashlib.sha256(received.body).hexdigest()


def test_a_notification_is_posted_until_it_is_accepted(sides: Sides) -> None:
    """A webhook that is down for a while, redirects or refuses gets it again; the exchange token is not lost."""
    sides.webhook.answers += [500, 302, 404]
    request = sides.request()
    sides.as_caller("iam", sides.admin()).associate_delegation_request(DelegationRequestId=request)
    bodies = {sides.webhook.next().body}
    for attempts in range(1, 4):
        sides.wait_for_attempts(attempts)
        sides.move_clock(timedelta(seconds=10))
        bodies.add(sides.webhook.next().body)
    assert len(bodies) == 1
    _wait_for(sides, sides.webhook.url, lambda notifications: not notifications)


def test_a_notification_never_goes_to_a_private_address(sides: Sides) -> None:
    """An address that the operator did not allow is never contacted; the request still proceeds."""
    request = sides.request(NotificationChannel="https://10.0.0.1/hook")
    sides.as_caller("iam", sides.admin()).associate_delegation_request(DelegationRequestId=request)
    _wait_for(
        sides, "https://10.0.0.1/hook", lambda notifications: bool(notifications) and notifications[0].attempts >= 1
    )


def test_what_waits_lies_encrypted(sides: Sides) -> None:
    """The stored exchange token is encrypted."""
    request = sides.request(NotificationChannel="https://10.0.0.1/secret")
    iam = sides.as_caller("iam", sides.admin())
    iam.associate_delegation_request(DelegationRequestId=request)
    iam.accept_delegation_request(DelegationRequestId=request)
    iam.send_delegation_token(DelegationRequestId=request)
    with sides.server.there.store.read() as reader:
        waiting = [record.body for record in reader.page("notice", "", limit=100)]
        stored = find_request(reader, request)
    bodies = [body for body in waiting if b"10.0.0.1/secret" in body]
    assert len(bodies) == 1
    assert not any(b"DPt1" in body or request.encode() in body for body in bodies)
    assert "DPt1" not in repr(stored)


def _wait_for(sides: Sides, url: str, is_there: Callable[[list[Notification]], bool]) -> None:
    pause = threading.Event()  # never set; the sender works in a thread of its own
    for _ in range(1_200):
        with sides.server.there.store.read() as reader:
            waiting = [records.to_entity(Notification, record) for record in reader.page("notice", "", limit=100)]
        notifications = [notification for notification in waiting if notification.url == url]
        if is_there(notifications):
            return
        pause.wait(0.05)
    raise AssertionError(notifications)
