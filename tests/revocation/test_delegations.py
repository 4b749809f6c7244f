"""Delegated credentials end with their approver.

They end with its access keys, its sessions, its policies and its request.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.revocation.nodes import CUSTOMER, CallRefusedError, Key, Scene

from daypass.directory import records
from daypass.directory.delegation.kept_requests import find_request
from daypass.directory.entities.delegation_entities import DelegationRequest
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.managed_policies.older_sessions import without_older_sessions
from daypass.directory.revocations import end_of_second

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WITHDRAWN = "The approval of the delegation request is no longer valid. Ask the customer to accept a new request."


def finalized(scene: Scene, approver: Key, seconds: int = 3600) -> tuple[str, str]:
    """Return a request that was accepted and sent, and its exchange token."""
    request = scene.request(seconds)
    scene.accept(approver, request)
    return request, scene.send(approver, request)


def stored(scene: Scene, request: str) -> DelegationRequest:
    """Return the stored request."""
    with scene.there.store.read() as reader:
        found = find_request(reader, request)
    assert found is not None
    return found


def as_stored_by_old(scene: Scene, request: str) -> None:
    """Remove the fields of a request that a server of version 0.1.0 drops when it stores it again."""
    known = stored(scene, request)
    new = {"accepted": None, "keys": (), "key_times": (), "has_all_keys": False, "ends": None}
    assert known.approver is not None
    older = msgspec.structs.replace(known, approver=msgspec.structs.replace(known.approver, **new), redeemed_key="")
    with scene.there.store.write() as writer:
        records.replace(writer, older)
    scene.settle()


def cut_off(scene: Scene, kind: type[User | Role], name: str, before: datetime | None = None) -> None:
    """Revoke the older sessions of a user or role, as the command does."""
    now = datetime.fromtimestamp(end_of_second(scene.clock.now()), UTC)
    with scene.there.store.write() as writer:
        holder = records.find(writer, kind, CUSTOMER, name)
        assert isinstance(holder, User | Role)
        records.replace(writer, without_older_sessions(holder, before or now))
    scene.settle()


def refuse(scene: Scene, app: Key, token: str) -> str:
    """Redeem a refused token. Return the audit event's reason, of which the caller gets less."""
    with pytest.raises(CallRefusedError) as refusal:
        scene.redeem(app, token)
    assert (refusal.value.code, refusal.value.message) == ("AccessDenied", WITHDRAWN)
    return refusal.value.detail


def lists_users(scene: Scene, key: Key) -> bool:
    """Return whether a key has the approver's permission."""
    try:
        scene.elsewhere.call(key, "ListUsers", "iam")
    except CallRefusedError as refusal:
        if refusal.code not in {"AccessDenied", "InvalidClientTokenId"}:
            raise
        return False
    return True


def test_delegated_credentials_remember_both_sides(scene: Scene, alice: Key, app: Key) -> None:
    """Credentials contain the keys of the approver and of the partner.

    They also contain the time of the acceptance, even if they are redeemed much later.
    """
    approver, bridge = scene.assume(alice), scene.assume(app, "bridge")
    accepted = int(scene.clock.now().timestamp())
    request = scene.request()
    scene.accept(approver, request)
    scene.clock.move(MINUTE)
    token = scene.send(approver, request)
    scene.clock.move(MINUTE)
    session = scene.session(scene.redeem(bridge, token))
    assert set(session.issuing_keys) == {alice.key_id, approver.key_id, app.key_id, bridge.key_id}
    assert (session.issued, session.issuing_key, session.first_key) == (accepted, bridge.key_id, app.key_id)


@pytest.mark.parametrize(
    "of", ["the long-term key", "the session that accepted", "the partner", "the delegated session"]
)
def test_a_revoked_key_ends_redeemed_credentials(scene: Scene, alice: Key, app: Key, of: str) -> None:
    """Revoking any key behind them ends the credentials and their sessions."""
    approver = scene.assume(alice)
    delegated = scene.redeem(app, finalized(scene, approver)[1])
    grown = scene.assume(delegated)
    keys = {
        "the long-term key": alice,
        "the session that accepted": approver,
        "the partner": app,
        "the delegated session": delegated,
    }
    scene.revoke(keys[of].key_id)
    scene.elsewhere.let_pass()
    assert [scene.elsewhere.is_alive(key) for key in (delegated, grown)] == [False, False]


@pytest.mark.parametrize("of", ["the long-term key", "the session between", "the session that accepted"])
def test_a_revoked_key_ends_tokens_that_were_not_redeemed(scene: Scene, alice: Key, app: Key, of: str) -> None:
    """Revoking a key after the acceptance ends the token.

    The order of revocation and sending does not matter.
    """
    between = scene.assume(alice)
    approver = scene.assume(between)
    _, sent = finalized(scene, approver)
    accepted = scene.request()
    scene.accept(approver, accepted)
    keys = {"the long-term key": alice, "the session between": between, "the session that accepted": approver}
    scene.clock.move(SECOND)
    scene.revoke(keys[of].key_id)
    assert refuse(scene, app, sent) == "an access key behind the approval was revoked"
    with pytest.raises(CallRefusedError, match="cannot be sent: an access key behind the approval was revoked"):
        scene.send(scene.root, accepted)


def test_an_inactive_key_redeems_nothing(scene: Scene, alice: Key, app: Key) -> None:
    """An inactive key cannot redeem; an active one can again.

    Issued sessions continue, as on AWS.
    """
    before = scene.redeem(app, finalized(scene, alice)[1])
    _, token = finalized(scene, scene.assume(alice))
    scene.set_status(alice, "Inactive")
    assert refuse(scene, app, token) == "the access key behind the approval is inactive or was deleted"
    assert lists_users(scene, before)
    scene.set_status(alice, "Active")
    assert lists_users(scene, scene.redeem(app, token))


def test_a_deleted_key_redeems_nothing(scene: Scene, alice: Key, app: Key) -> None:
    """A deleted key cannot redeem for its user or for a role session."""
    tokens = [finalized(scene, approver)[1] for approver in (alice, scene.assume(alice))]
    name = scene.name_of(alice)
    scene.here.call(scene.root, "DeleteAccessKey", "iam", UserName=name, AccessKeyId=alice.key_id)
    for token in tokens:
        assert refuse(scene, app, token) == "the access key behind the approval is inactive or was deleted"


def test_revoked_older_sessions_include_what_was_accepted(scene: Scene, alice: Key, app: Key) -> None:
    """AWSRevokeOlderSessions on a user ends the approval.

    The credentials have no permissions any more, and tokens are refused.
    """
    before = scene.redeem(app, finalized(scene, alice)[1])
    _, token = finalized(scene, alice)
    scene.clock.move(MINUTE)
    late = scene.redeem(app, finalized(scene, alice)[1])
    cut_off(scene, User, scene.name_of(alice), scene.clock.now())
    assert not lists_users(scene, before)
    assert refuse(scene, app, token) == "the approver's older sessions were revoked"
    assert lists_users(scene, late)


def test_revoked_role_sessions_include_what_they_accepted(scene: Scene, alice: Key, app: Key) -> None:
    """AWSRevokeOlderSessions on a role ends what its sessions approved."""
    approver = scene.assume(alice, "two")
    before = scene.redeem(app, finalized(scene, approver)[1])
    _, token = finalized(scene, approver)
    cut_off(scene, Role, "two")
    assert not lists_users(scene, before)
    assert refuse(scene, app, token) == "the approver's older sessions were revoked"
    scene.here.call(scene.root, "DeleteRolePolicy", "iam", RoleName="two", PolicyName="AWSRevokeOlderSessions")
    scene.settle()


@pytest.mark.parametrize(("later", "alive"), [(0, True), (1, False), (1000, False)])
@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_a_policy_of_the_console_counts(
    scene: Scene, alice: Key, app: Key, later: int, zone: str, *, alive: bool
) -> None:
    """AWS's console writes fractions of a second in the policy.

    Redeeming and the policy engine agree on the sessions that are older.
    """
    accepted = scene.clock.now()
    tokens = [finalized(scene, alice)[1] for _ in range(2)]
    delegated = scene.redeem(app, tokens[0])
    cut = (accepted + timedelta(milliseconds=later)).isoformat(timespec="milliseconds").replace("+00:00", zone)
    condition = {"DateLessThan": {"aws:TokenIssueTime": cut}}
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
    document = msgspec.json.encode({"Version": "2012-10-17", "Statement": statement}).decode()
    asked = {"UserName": scene.name_of(alice), "PolicyName": "AWSRevokeOlderSessions", "PolicyDocument": document}
    scene.here.call(scene.root, "PutUserPolicy", "iam", **asked)
    scene.settle()
    assert lists_users(scene, delegated) is alive
    if alive:
        scene.redeem(app, tokens[1])
    else:
        assert refuse(scene, app, tokens[1]) == "the approver's older sessions were revoked"


@pytest.mark.parametrize(("offset", "alive"), [(-1, True), (0, True), (1, False)])
def test_the_acceptance_is_what_a_cut_is_compared_with(
    scene: Scene, alice: Key, app: Key, offset: int, *, alive: bool
) -> None:
    """A policy and a revoked key compare the time of the acceptance, in whole seconds, not that of redeeming."""
    accepted = scene.clock.now()
    tokens = [finalized(scene, alice)[1] for _ in range(2)]
    scene.clock.move(MINUTE)
    delegated = scene.redeem(app, tokens[0])
    before = accepted + offset * SECOND
    cut_off(scene, User, scene.name_of(alice), before)
    assert lists_users(scene, delegated) is alive
    scene.revoke(alice.key_id, before=int(before.timestamp()))
    scene.settle()
    assert scene.elsewhere.is_alive(delegated) is alive
    if alive:
        scene.redeem(app, tokens[1])
    else:
        refuse(scene, app, tokens[1])


def test_a_partners_key_counts_from_the_moment_of_redeeming(scene: Scene, alice: Key, app: Key) -> None:
    """A partner's key counts from the time of redeeming.

    A revocation before that does not affect the credentials.
    """
    _, token = finalized(scene, alice)
    scene.clock.move(MINUTE)
    scene.revoke(app.key_id)
    scene.clock.move(SECOND)
    delegated = scene.redeem(app, token)
    scene.settle()
    assert scene.elsewhere.is_alive(delegated)


@pytest.mark.parametrize("redeemed", [True, False])
def test_a_revoked_request_gives_nothing(scene: Scene, alice: Key, app: Key, *, redeemed: bool) -> None:
    """A revoked request ends its credentials and their sessions on every node.

    Other requests of the approver remain valid.
    """
    request, token = finalized(scene, alice)
    other = scene.redeem(app, finalized(scene, alice)[1])
    issued = [scene.redeem(app, token)] if redeemed else []
    issued += [scene.assume(key) for key in issued]
    names = [name for name in (request, stored(scene, request).redeemed_key) if name]
    scene.revoke(*names)
    scene.elsewhere.let_pass()
    assert not any(scene.elsewhere.is_alive(key) for key in issued)
    assert scene.elsewhere.is_alive(other)
    if not redeemed:
        assert refuse(scene, app, token) == "the request was revoked"


def test_a_revoked_request_ends_what_an_old_server_issued(scene: Scene, alice: Key, app: Key) -> None:
    """The token names the request, but neither names the approver's keys."""
    request, token = finalized(scene, alice)
    old = scene.as_old(scene.redeem(app, token))
    scene.revoke(request)
    scene.settle()
    assert not scene.elsewhere.is_alive(old)


@pytest.mark.parametrize(
    ("lifetime", "asked", "left"), [("3600", 43_200, 3600), ("43200", 43_200, 43_200), ("43200", 900, 900)]
)
def test_a_role_delegates_no_longer_than_its_session_lasts(
    scene: Scene, alice: Key, app: Key, lifetime: str, asked: int, left: int
) -> None:
    """The requested time is limited by the session that accepted."""
    approver = scene.assume(alice, DurationSeconds=lifetime)
    delegated = scene.redeem(app, finalized(scene, approver, asked)[1])
    assert delegated.expires == scene.clock.now() + left * SECOND


def test_a_chained_session_delegates_for_its_hour(scene: Scene, alice: Key, app: Key) -> None:
    """The hour of role chaining begins with the session, not the acceptance."""
    approver = scene.assume(scene.assume(alice, DurationSeconds="43200"), "two")
    ends = scene.clock.now() + HOUR
    scene.clock.move(10 * MINUTE)
    delegated = scene.redeem(app, finalized(scene, approver, 43_200)[1])
    assert delegated.expires == ends


def test_a_roles_limit_counts_as_it_stands(scene: Scene, alice: Key, app: Key) -> None:
    """A MaxSessionDuration that is lowered later applies when redeeming."""
    approver = scene.assume(alice, "two", DurationSeconds="43200")
    accepted = scene.clock.now()
    tokens = [finalized(scene, approver, 43_200)[1] for _ in range(2)]
    scene.here.call(scene.root, "UpdateRole", "iam", RoleName="two", MaxSessionDuration="3600")
    scene.clock.move(HOUR - SECOND)
    assert scene.redeem(app, tokens[0]).expires == accepted + HOUR
    scene.clock.move(SECOND)
    with pytest.raises(CallRefusedError) as refusal:
        scene.redeem(app, tokens[1])
    assert refusal.value.code == "ExpiredTradeInTokenException"
    scene.here.call(scene.root, "UpdateRole", "iam", RoleName="two", MaxSessionDuration="43200")


def test_a_user_with_a_long_term_key_delegates_for_the_requested_time(scene: Scene, alice: Key, app: Key) -> None:
    """A long-term key does not expire, so the requested time is used."""
    delegated = scene.redeem(app, finalized(scene, alice, 43_200)[1])
    assert delegated.expires == scene.clock.now() + 12 * HOUR


def test_an_ended_session_has_nothing_to_send(scene: Scene, alice: Key) -> None:
    """A request gives no access from the second when its session ends.

    One second earlier it does.
    """
    approver = scene.assume(alice)
    requests = [scene.request(), scene.request()]
    for request in requests:
        scene.accept(approver, request)
    scene.clock.move(HOUR - SECOND)
    scene.send(alice, requests[0])
    scene.clock.move(SECOND)
    with pytest.raises(CallRefusedError, match="cannot be sent: the session that accepted it has ended") as refusal:
        scene.send(alice, requests[1])
    assert refusal.value.code == "InvalidInput"


def test_a_token_ends_with_the_session_that_accepted(scene: Scene, alice: Key, app: Key) -> None:
    """The end of the session that accepted is exclusive."""
    approver = scene.assume(alice)
    tokens = [finalized(scene, approver, 43_200)[1] for _ in range(2)]
    scene.clock.move(HOUR - SECOND)
    delegated = scene.redeem(app, tokens[0])
    assert delegated.expires == scene.clock.now() + SECOND
    scene.clock.move(SECOND)
    with pytest.raises(CallRefusedError) as refusal:
        scene.redeem(app, tokens[1])
    assert refusal.value.code == "ExpiredTradeInTokenException"


class TestRequestsOfOldServers:
    """Version 0.1.0 stores neither the approver's keys nor the acceptance."""

    def test_an_accepted_request_counts_from_its_acceptance(self, scene: Scene, alice: Key, app: Key) -> None:
        """The request's own date of acceptance, which a newer server keeps, is used.

        The chain counts as incomplete.
        """
        request = scene.request()
        scene.clock.move(MINUTE)
        scene.accept(alice, request)
        accepted = int(scene.clock.now().timestamp())
        as_stored_by_old(scene, request)
        scene.clock.move(MINUTE)
        session = scene.session(scene.redeem(app, scene.send(alice, request)))
        assert (session.issued, session.issuing_keys, session.has_all_keys) == (accepted, (app.key_id,), False)

    def test_a_sent_request_counts_from_its_creation(self, scene: Scene, alice: Key, app: Key) -> None:
        """The time of the acceptance is unknown, so the creation time is used.

        Any later revocation ends the approval.
        """
        request = scene.request()
        scene.clock.move(MINUTE)
        scene.accept(alice, request)
        scene.clock.move(MINUTE)
        token = scene.send(alice, request)
        as_stored_by_old(scene, request)
        cut_off(scene, User, scene.name_of(alice), stored(scene, request).created + SECOND)
        assert refuse(scene, app, token) == "the approver's older sessions were revoked"

    @pytest.mark.parametrize("sent_by_old", [True, False])
    def test_a_role_session_delegates_for_an_hour(
        self, scene: Scene, alice: Key, app: Key, *, sent_by_old: bool
    ) -> None:
        """The hour of chained sessions applies.

        It is unknown whether the session was chained.
        """
        request = scene.request(43_200)
        approver = scene.assume(alice, DurationSeconds="43200")
        scene.accept(approver, request)
        if not sent_by_old:
            as_stored_by_old(scene, request)
        token = scene.send(approver, request)
        if sent_by_old:
            as_stored_by_old(scene, request)
        assert scene.redeem(app, token).expires == scene.clock.now() + HOUR

    def test_an_old_server_reads_what_a_new_one_stores(self, scene: Scene, alice: Key) -> None:
        """Version 0.1.0 ignores unknown members, and the others keep their form."""
        request, _ = finalized(scene, alice)
        with scene.there.store.read() as reader:
            record = reader.find_by_id(request)
        assert record is not None
        kept: dict[str, Any] = msgspec.json.decode(record.body)
        assert {"accepted", "keys", "key_times", "has_all_keys"} <= kept["approver"].keys()
        assert kept["approver"]["kind"] == "user"
