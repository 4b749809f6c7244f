"""Keys are rotated, and every token stays valid until it expires."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mint.material import NOW, Counted

from daypass.mint.durations import LONGEST
from daypass.mint.key_ring import SKEW, KeyRing, KeyState, NoActiveKeyError, RingKey, drop_expired
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.mint.sealing_keys import (
    KEY_BYTES,
    LEAD,
    SealingMaterial,
    SealingRing,
    first_sealing_ring,
    maintain_sealing_ring,
    rotate,
)

ENTROPY = Counted()


def make(sealing_ring: SealingRing, now: int) -> str:
    """Seal a payload at `now`."""
    return seal(Purpose.SESSION, b"x", bound_to="n", sealing_ring=sealing_ring, now=now, entropy=ENTROPY)


def opens(text: str, sealing_ring: SealingRing) -> bool:
    """Return whether the ring opens the sealed string."""
    try:
        return unseal(Purpose.SESSION, text, bound_to="n", sealing_ring=sealing_ring) == b"x"
    except SealBrokenError:
        return False


def states(sealing_ring: SealingRing, now: int) -> list[str]:
    """Return the state of every key, the oldest first."""
    return [sealing_ring.state(key, now=now, longest=LONGEST).value for key in sealing_ring.keys]


def test_a_key_lives_through_its_states_in_order() -> None:
    """A key is published, active, retired and destroyed, in this order.

    It retires when its successor becomes active.
    """
    sealing_ring = rotate(first_sealing_ring(now=NOW, entropy=ENTROPY), now=NOW, entropy=ENTROPY)
    end = NOW + LEAD + LONGEST + SKEW
    assert states(sealing_ring, NOW) == ["active", "published"]
    assert states(sealing_ring, NOW + LEAD - 1) == ["active", "published"]
    assert states(sealing_ring, NOW + LEAD) == ["retired", "active"]
    assert states(sealing_ring, end - 1) == ["retired", "active"]
    assert states(sealing_ring, end) == ["destroyed", "active"]
    assert drop_expired(sealing_ring, now=end - 1, longest=LONGEST) is sealing_ring
    assert drop_expired(sealing_ring, now=end, longest=LONGEST).keys == sealing_ring.keys[1:]


def test_a_published_key_opens_before_it_seals() -> None:
    """A node that knows a key early opens tokens of a node with a fast clock."""
    sealing_ring = first_sealing_ring(now=NOW, entropy=ENTROPY)
    after = rotate(sealing_ring, now=NOW, entropy=ENTROPY)
    assert opens(make(after, NOW), sealing_ring)
    assert opens(make(after, NOW + LEAD), after)
    assert not opens(make(after, NOW + LEAD), sealing_ring)


def test_rotating_twice_is_rotating_once() -> None:
    """If a key is not active yet, another rotation does not add one."""
    sealing_ring = rotate(first_sealing_ring(now=NOW, entropy=ENTROPY), now=NOW, entropy=ENTROPY)
    assert rotate(sealing_ring, now=NOW + LEAD - 1, entropy=ENTROPY) is sealing_ring
    assert len(rotate(sealing_ring, now=NOW + LEAD, entropy=ENTROPY).keys) == 3


@pytest.mark.parametrize(("after", "rotated"), [(-1, False), (0, True), (1, True)])
def test_a_key_gets_a_successor_once_it_has_been_active_for_long_enough(after: int, *, rotated: bool) -> None:
    """The age counts from the activation.

    The successor waits for its own activation time.
    """
    sealing_ring = first_sealing_ring(now=NOW, entropy=ENTROPY)
    now = sealing_ring.keys[0].activates + 86_400 + after
    tended = maintain_sealing_ring(sealing_ring, now=now, rotate_after=86_400, entropy=ENTROPY)
    assert (tended is not sealing_ring) == rotated
    assert [key.activates for key in tended.keys[1:]] == ([now + LEAD] if rotated else [])


def test_an_old_key_gets_one_successor() -> None:
    """Every node maintains the ring repeatedly.

    If a key is pending, no key is added.
    """
    sealing_ring = first_sealing_ring(now=NOW, entropy=ENTROPY)
    due = sealing_ring.keys[0].activates + 86_400
    tended = maintain_sealing_ring(sealing_ring, now=due, rotate_after=86_400, entropy=ENTROPY)
    assert maintain_sealing_ring(tended, now=due + LEAD - 1, rotate_after=86_400, entropy=ENTROPY) is tended
    assert maintain_sealing_ring(tended, now=due + LEAD, rotate_after=86_400, entropy=ENTROPY) is tended


def test_a_ring_without_rotation_stays_as_it_is() -> None:
    """0 disables rotation, for a key of any age."""
    sealing_ring = first_sealing_ring(now=NOW, entropy=ENTROPY)
    assert maintain_sealing_ring(sealing_ring, now=NOW + 10**9, rotate_after=0, entropy=ENTROPY) is sealing_ring


@pytest.mark.parametrize(("after", "kept"), [(-1, 2), (0, 1), (1, 1)])
def test_a_retired_key_is_destroyed_once_its_last_token_has_ended(after: int, kept: int) -> None:
    """Its last token, sealed on a slow clock, lives for LONGEST seconds."""
    sealing_ring = rotate(first_sealing_ring(now=NOW, entropy=ENTROPY), now=NOW, entropy=ENTROPY)
    retires = NOW + LEAD
    tended = maintain_sealing_ring(sealing_ring, now=retires + LONGEST + SKEW + after, rotate_after=0, entropy=ENTROPY)
    assert len(tended.keys) == kept
    assert tended.keys[-1] is sealing_ring.keys[-1]


def test_the_numbers_that_a_ring_rests_on() -> None:
    """Nodes agree on these numbers: a change is a change of their protocol."""
    assert (LEAD, SKEW, LONGEST) == (60, 300, 129_600)


@pytest.mark.parametrize("size", [KEY_BYTES - 1, KEY_BYTES + 1, 0])
def test_a_sealing_key_has_thirty_two_bytes(size: int) -> None:
    """A key of another size is refused."""
    assert KEY_BYTES == 32
    SealingMaterial(bytes(KEY_BYTES))
    with pytest.raises(ValueError, match="32 bytes"):
        SealingMaterial(bytes(size))


def test_a_ring_is_usable_by_a_node_whose_clock_is_behind() -> None:
    """The first key is active at once for every node within the skew."""
    sealing_ring = first_sealing_ring(now=NOW, entropy=ENTROPY)
    assert sealing_ring.active(NOW - SKEW) is sealing_ring.keys[0]
    with pytest.raises(NoActiveKeyError):
        sealing_ring.active(NOW - SKEW - 1)
    with pytest.raises(NoActiveKeyError):
        SealingRing().active(NOW)


def test_the_life_of_a_key_does_not_depend_on_what_it_is_made_of() -> None:
    """Signing keys of any kind follow the same rules in a ring.

    The IDs in a ring are unique.
    """
    old, new = RingKey("a", "old", NOW, NOW), RingKey("b", "new", NOW, NOW + 60)
    sealing_ring = KeyRing((new, old))
    assert sealing_ring.keys == (old, new)
    assert (
        sealing_ring.active(NOW),
        sealing_ring.active(NOW + 60),
        sealing_ring.find("b"),
        sealing_ring.find("c"),
    ) == (old, new, new, None)
    assert (sealing_ring.retires(old), sealing_ring.retires(new)) == (NOW + 60, None)
    with pytest.raises(ValueError, match="two keys have the same ID"):
        sealing_ring.with_key(RingKey("a", "other", NOW, NOW))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mint"), st.integers(900, LONGEST), st.integers(-SKEW, SKEW)),
        st.tuples(st.just("rotate"), st.integers(0, 600), st.integers(-SKEW, SKEW)),
        st.tuples(st.just("drop"), st.just(0), st.integers(-SKEW, SKEW)),
        st.tuples(st.just("wait"), st.integers(0, LONGEST), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 700), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=120, deadline=None)
@given(STEPS)
def test_any_interleaving_of_mint_rotate_expire_and_open_behaves(steps: list[tuple[str, int, int]]) -> None:
    """Live tokens always open, and there is always a key that seals.

    The keys of expired tokens are removed. Each step is taken by a node with a clock error of at most SKEW.
    """
    now = NOW
    sealing_ring = first_sealing_ring(now=now, entropy=ENTROPY)
    tokens: list[tuple[str, int]] = []
    for action, amount, skew in steps:
        clock = now + skew
        if action == "mint":
            tokens.append((make(sealing_ring, clock), clock + amount))
        elif action == "rotate":
            sealing_ring = rotate(sealing_ring, now=clock, entropy=ENTROPY, lead=amount)
        elif action == "drop":
            sealing_ring = drop_expired(sealing_ring, now=clock, longest=LONGEST)
        else:
            now += amount
        assert all(opens(token, sealing_ring) for token, expires in tokens if expires > now)
        assert sealing_ring.active(now - SKEW) in sealing_ring.keys
    end = now + 600 + LONGEST + 3 * SKEW
    sealing_ring = drop_expired(sealing_ring, now=end, longest=LONGEST)
    assert [sealing_ring.state(key, now=end, longest=LONGEST) for key in sealing_ring.keys] == [KeyState.ACTIVE]
    newest = sealing_ring.keys[0].id
    sealing_ring = drop_expired(
        rotate(sealing_ring, now=end, entropy=ENTROPY), now=end + LEAD + LONGEST + SKEW, longest=LONGEST
    )
    assert sealing_ring.find(newest) is None
    assert not any(opens(token, sealing_ring) for token, _ in tokens)
