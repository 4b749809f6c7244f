"""The effect of a revocation, second by second and step by step."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.mint.material import role_session
from tests.revocation.nodes import CallRefusedError, Key, Scene

from daypass.directory.revocations import end_of_second, is_revoked, load_revocations

SECOND = timedelta(seconds=1)
LIMIT = "These credentials were issued through a chain of 16 access keys, which is the limit."


def chain_of(key: Key, scene: Scene, steps: int) -> list[Key]:
    """Assume roles one after the other."""
    chain = [key]
    for _ in range(steps):
        chain.append(scene.assume(chain[-1]))
    return chain[1:]


def test_a_session_four_steps_away_ends(scene: Scene, alice: Key) -> None:
    """A session four steps away from the revoked session ends; the key of its owner does not."""
    sessions = chain_of(alice, scene, 4)
    scene.revoke(sessions[0].key_id)
    scene.settle()
    assert [scene.elsewhere.is_alive(key) for key in (alice, *sessions)] == [True, False, False, False, False]


def test_a_chain_is_remembered_in_order(scene: Scene, alice: Key) -> None:
    """A token contains the chain from the long-term key to the signing key.

    Old servers find the two keys that they know.
    """
    sessions = chain_of(alice, scene, 3)
    last = scene.session(sessions[2])
    assert last.issuing_keys == (alice.key_id, sessions[0].key_id, sessions[1].key_id)
    assert (last.issuing_key, last.first_key) == (sessions[1].key_id, alice.key_id)
    assert last.has_all_keys


@pytest.mark.parametrize("of", ["the long-term key", "the stolen session"])
def test_a_node_that_has_not_heard_yet_issues_nothing_that_stays(scene: Scene, alice: Key, of: str) -> None:
    """A session that an uninformed node issues is revoked too.

    It counts from the revoked key, not from its own time of issue.
    """
    stolen = scene.assume(alice)
    scene.elsewhere.is_alive(stolen)
    scene.revoke((alice if of == "the long-term key" else stolen).key_id)
    scene.clock.move(SECOND)
    late = scene.assume(stolen, node=scene.elsewhere)
    later = scene.assume(late, node=scene.elsewhere)
    scene.elsewhere.let_pass()
    assert [scene.elsewhere.is_alive(key) for key in (stolen, late, later)] == [False, False, False]
    assert scene.elsewhere.is_alive(scene.assume(alice))


@pytest.mark.parametrize(("offset", "alive"), [(-1, False), (0, True), (1, True)])
def test_a_revocation_ends_what_was_issued_before_its_second(
    scene: Scene, alice: Key, offset: int, *, alive: bool
) -> None:
    """`--issued-before 12:00:00` keeps sessions issued at 12:00:00.

    It ends those issued one second earlier.
    """
    at = int(scene.clock.now().timestamp())
    scene.clock.move(offset * SECOND)
    session = scene.assume(alice)
    scene.clock.move(2 * SECOND)
    scene.revoke(alice.key_id, before=at)
    scene.settle()
    assert scene.elsewhere.is_alive(session) is alive


@pytest.mark.parametrize("fraction", [0, 1, 500_000, 999_999])
def test_the_present_second_is_on_the_closed_side(fraction: int) -> None:
    """The whole second of a revocation is revoked.

    Sessions contain whole seconds only.
    """
    now = datetime(2026, 3, 1, 12, 0, 7, fraction, tzinfo=UTC)
    assert end_of_second(now) == int(now.timestamp()) + 1


def test_what_grew_from_a_void_session_is_void(scene: Scene, alice: Key) -> None:
    """A session from a revoked session is revoked, even if it was issued after the second of the revocation."""
    first = scene.assume(alice)
    scene.clock.move(timedelta(seconds=10))
    second = scene.assume(first)
    scene.revoke(alice.key_id, before=int(scene.clock.now().timestamp()) - 5)
    scene.settle()
    assert not scene.elsewhere.is_alive(first)
    assert not scene.elsewhere.is_alive(second)


@pytest.mark.parametrize("of", ["access_key_id", "issuing_key"])
def test_a_session_without_a_chain_ends_with_the_keys_it_names(of: str) -> None:
    """A session without a chain ends with the keys that it names.

    Code that creates a Session and omits the chain still creates a revocable one.
    """
    session = role_session()
    assert is_revoked(session, {getattr(session, of): session.issued + 1})
    assert not is_revoked(session, {getattr(session, of): session.issued})


def test_an_earlier_revocation_revives_nothing(scene: Scene, alice: Key) -> None:
    """The later of two revocation times remains."""
    session = scene.assume(alice)
    scene.revoke(alice.key_id)
    scene.revoke(alice.key_id, before=0)
    scene.settle()
    assert not scene.elsewhere.is_alive(session)


def test_a_revocation_is_kept_until_nothing_can_come_of_it(scene: Scene, alice: Key) -> None:
    """A revocation is kept until no session can depend on it.

    A delegation may be sent a week after it was accepted, so an entry outlives every session.
    """
    at = int(scene.clock.now().timestamp())
    scene.revoke("AKIA" + "E" * 16, before=at - 8 * 86_400)
    scene.revoke("AKIA" + "F" * 16, before=at - 9 * 86_400)
    scene.revoke(alice.key_id)
    with scene.there.store.read() as reader:
        kept = load_revocations(reader)
    assert "AKIA" + "E" * 16 in kept
    assert "AKIA" + "F" * 16 not in kept


ISSUING: dict[str, Callable[[Key, Scene], object]] = {
    "AssumeRole": lambda key, scene: scene.assume(key),
    "AssumeRoot": lambda key, scene: scene.assume_root(key),
    "AcceptDelegationRequest": lambda key, scene: scene.accept(key, scene.request()),
}


@pytest.mark.parametrize("action", ISSUING)
def test_the_seventeenth_key_is_refused(scene: Scene, alice: Key, action: str) -> None:
    """Sixteen keys in a chain are allowed; one more is an AccessDenied."""
    *_, fifteen, sixteen = chain_of(alice, scene, 16)
    assert len(scene.session(sixteen).issuing_keys) == 16
    ISSUING[action](fifteen, scene)
    with pytest.raises(CallRefusedError) as refusal:
        ISSUING[action](sixteen, scene)
    assert refusal.value.code == "AccessDenied"
    assert refusal.value.message.startswith(LIMIT)


def test_a_delegation_counts_the_keys_of_both_sides(scene: Scene, alice: Key) -> None:
    """Fifteen keys of the approver and one of the partner are sixteen.

    Two keys of the partner are too many.
    """
    *_, approver = chain_of(alice, scene, 14)
    partner = scene.new_user(of=scene.partner)
    bridge = scene.assume(partner, "bridge")
    for key, is_refused in ((partner, False), (bridge, True)):
        request = scene.request()
        scene.accept(approver, request)
        token = scene.send(approver, request)
        if not is_refused:
            assert len(scene.session(scene.redeem(key, token)).issuing_keys) == 16
            continue
        with pytest.raises(CallRefusedError) as refusal:
            scene.redeem(key, token)
        assert (refusal.value.code, refusal.value.message[: len(LIMIT)]) == ("AccessDenied", LIMIT)
        scene.redeem(partner, token)  # the refusal has not used up the token


def test_a_revoked_session_is_invalid_everywhere(scene: Scene, alice: Key) -> None:
    """A revoked session gets neither a web identity token nor a session."""
    session = scene.assume(alice)
    scene.here.call(scene.root, "EnableOutboundWebIdentityFederation", "iam")
    asked = {"Audience.member.1": "https://relying.example", "SigningAlgorithm": "ES384"}
    scene.here.call(session, "GetWebIdentityToken", **asked)
    scene.revoke(alice.key_id)
    scene.settle()
    for action, more in (("GetWebIdentityToken", asked), ("GetCallerIdentity", {})):
        with pytest.raises(CallRefusedError) as refusal:
            scene.elsewhere.call(session, action, **more)
        assert refusal.value.code == "InvalidClientTokenId"


def test_a_deactivated_key_leaves_its_sessions(scene: Scene, alice: Key) -> None:
    """A deactivated key does not end its sessions, as on AWS.

    Only a revocation ends them.
    """
    session = scene.assume(alice)
    scene.set_status(alice, "Inactive")
    assert not scene.elsewhere.is_alive(alice)
    assert scene.elsewhere.is_alive(session)


def test_a_token_of_0_1_0_ends_with_each_key_that_it_names(scene: Scene, alice: Key) -> None:
    """A token of version 0.1.0 contains the first key and the issuing key.

    Revoking a key between them ends only the session of that key.
    """
    first, second, third = chain_of(alice, scene, 3)
    old = scene.as_old(scene.assume(third))
    grown = scene.assume(old)
    assert scene.session(grown).issuing_keys == (alice.key_id, third.key_id, old.key_id)
    assert not scene.session(grown).has_all_keys
    scene.revoke(second.key_id)
    scene.settle()
    assert [scene.elsewhere.is_alive(key) for key in (first, second, third, old, grown)] == [
        True,
        False,
        False,
        True,
        True,
    ]
    scene.revoke(third.key_id)
    scene.settle()
    assert [scene.elsewhere.is_alive(key) for key in (first, old, grown)] == [True, False, False]
