"""The signing keys of our own tokens are rotated on the second.

Every relying party can follow.
"""

import pytest
from tests.mint.material import NOW

from daypass.mint.key_ring import SKEW, KeyState
from daypass.mint.web_identity import (
    LEAD,
    LONGEST_TOKEN,
    Algorithm,
    IssuerRing,
    first_token_key,
    maintain_issuer_ring,
    needs_maintenance,
    rotate_issuer_ring,
)

MONTH = 30 * 86_400
# ECDSA keys are created a thousand times faster than RSA keys, and follow the same rules.
KEY = first_token_key(Algorithm.ES384, now=NOW)
RING = IssuerRing((KEY,))
ROTATED = rotate_issuer_ring(RING, Algorithm.ES384, now=NOW)


def states(issuer_ring: IssuerRing, now: int) -> list[KeyState]:
    """Return the state of every key, the oldest first."""
    return [issuer_ring.state(key, now=now, longest=LONGEST_TOKEN) for key in issuer_ring.keys]


def test_the_numbers_that_relying_parties_rest_on() -> None:
    """A key is published a day before it signs; a token lives for an hour."""
    assert (LEAD, LONGEST_TOKEN, SKEW) == (86_400, 3_600, 300)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOW, [KeyState.ACTIVE, KeyState.PUBLISHED]),
        (NOW + LEAD - 1, [KeyState.ACTIVE, KeyState.PUBLISHED]),
        (NOW + LEAD, [KeyState.RETIRED, KeyState.ACTIVE]),
        (NOW + LEAD + LONGEST_TOKEN + SKEW - 1, [KeyState.RETIRED, KeyState.ACTIVE]),
        (NOW + LEAD + LONGEST_TOKEN + SKEW, [KeyState.DESTROYED, KeyState.ACTIVE]),
    ],
)
def test_a_key_changes_its_state_on_the_second(now: int, expected: list[KeyState]) -> None:
    """It is published for a day, then active, then kept for its last token."""
    assert states(ROTATED, now) == expected


@pytest.mark.parametrize(("now", "signs"), [(NOW + LEAD - 1, 0), (NOW + LEAD, 1), (NOW + LEAD + 1, 1)])
def test_a_new_key_signs_from_its_hour_on(now: int, signs: int) -> None:
    """Until then the old key signs: every relying party knows that key."""
    assert ROTATED.active(now) is ROTATED.keys[signs]


def test_a_first_key_signs_at_once() -> None:
    """The first key signs even on a node with the largest clock error."""
    assert RING.active(NOW - SKEW) is KEY


@pytest.mark.parametrize(("now", "keys"), [(NOW + LEAD - 1, 2), (NOW + LEAD, 3)])
def test_rotating_again_waits_for_the_pending_key(now: int, keys: int) -> None:
    """If a key is pending, a rotation does not add one.

    Numbers increase by one.
    """
    issuer_ring = rotate_issuer_ring(ROTATED, Algorithm.ES384, now=now)
    assert [key.id for key in issuer_ring.keys] == [f"EC384_{number}" for number in range(keys)]


@pytest.mark.parametrize(("after", "due"), [(-1, False), (0, True), (1, True)])
def test_an_old_key_gets_a_successor_a_day_before_it_retires(after: int, *, due: bool) -> None:
    """It signs for a month, and the new key is published a day before."""
    now = KEY.activates + MONTH - LEAD + after
    assert needs_maintenance(RING, now=now, rotate_after=MONTH) == due
    tended = maintain_issuer_ring(RING, Algorithm.ES384, now=now, rotate_after=MONTH)
    assert [key.activates for key in tended.keys[1:]] == ([now + LEAD] if due else [])
    assert not needs_maintenance(tended, now=now, rotate_after=MONTH)


def test_rotation_can_be_switched_off() -> None:
    """0 disables rotation."""
    assert not needs_maintenance(RING, now=NOW + 10**9, rotate_after=0)
    assert maintain_issuer_ring(RING, Algorithm.ES384, now=NOW + 10**9, rotate_after=0) is RING


@pytest.mark.parametrize(("after", "kept"), [(-1, 2), (0, 1), (1, 1)])
def test_a_retired_key_is_published_until_its_last_token_has_ended(after: int, kept: int) -> None:
    """A relying party finds the key until the last second of a token."""
    now = NOW + LEAD + LONGEST_TOKEN + SKEW + after
    assert needs_maintenance(ROTATED, now=now, rotate_after=0) == (kept == 1)
    assert len(maintain_issuer_ring(ROTATED, Algorithm.ES384, now=now, rotate_after=0).keys) == kept


@pytest.mark.parametrize(("algorithm", "kind", "bits"), [(Algorithm.RS256, "RSA", 2_048), (Algorithm.ES384, "EC", 384)])
def test_a_key_is_made_for_its_algorithm(algorithm: Algorithm, kind: str, bits: int) -> None:
    """RSA of 2,048 bits with the usual exponent, and the curve P-384.

    The ID is AWS's.
    """
    made = first_token_key(algorithm, now=NOW)
    public = made.material.public
    assert (public["kty"], public["alg"], public["use"]) == (kind, algorithm.value, "sig")
    number = public["n"] if kind == "RSA" else public["x"]
    assert len(number) == -(-bits * 4 // (8 * 3))
    assert public.get("e", "AQAB") == "AQAB"
    assert made.id == ("RSA_0" if kind == "RSA" else "EC384_0")


def test_signing_material_does_not_print_its_key() -> None:
    """Neither repr nor str shows it."""
    assert "<secret>" in repr(KEY)
    assert repr(KEY.material) == str(KEY.material) == "<secret>"


def test_the_published_key_has_no_private_part() -> None:
    """The published JWK has public members only."""
    assert set(KEY.material.public) == {"kty", "crv", "x", "y", "use", "alg"}
    assert (KEY.material.public["use"], KEY.material.public["alg"]) == ("sig", "ES384")
