"""The sealed claim of a web identity token with its issuing access keys."""

from typing import Any

import pytest
from tests.mint.material import NOW
from tests.mint.test_formats import RING, counting

from daypass.mint.chain_claim import open_chain, seal_chain
from daypass.mint.key_chain import MOST_KEYS, ChainBrokenError, KeyChain
from daypass.mint.purpose import Purpose
from daypass.mint.seal import seal

CHAIN = KeyChain(("AKIAQNZGKIQY56JQ7WML", "ASIAQNZGKIQY56JQ7WML"), (NOW - 60, NOW), is_complete=False)
EMPTY = b"\x01\x00\x02\x00\x00"  # a chain without keys


def sealed(chain: KeyChain = CHAIN, token_id: str = "jti-1") -> str:
    """Return a claim."""
    return seal_chain(chain, token_id=token_id, sealing_ring=RING, now=NOW, entropy=counting)


def raw(purpose: Purpose, payload: bytes) -> str:
    """Return another payload that is sealed for the ID of the token."""
    return seal(purpose, payload, bound_to="jti-1", sealing_ring=RING, now=NOW, entropy=counting)


@pytest.mark.parametrize("chain", [CHAIN, KeyChain(), KeyChain(("root-key-of-a-test",), (NOW,))])
def test_a_chain_comes_back_as_it_was(chain: KeyChain) -> None:
    """The chain keeps its keys, its times and whether keys are missing."""
    assert open_chain(sealed(chain), token_id="jti-1", sealing_ring=RING) == chain


def test_the_longest_chain_fits() -> None:
    """Sixteen keys are within the limit of the purpose."""
    chain = KeyChain(tuple(f"ASIAQNZGKIQY56JQ7W{number:02d}".translate({48: "A", 49: "B"}) for number in range(16)))
    chain = KeyChain(chain.keys, (NOW,) * MOST_KEYS)
    assert open_chain(sealed(chain), token_id="jti-1", sealing_ring=RING) == chain


@pytest.mark.parametrize(
    ("claim", "token_id"),
    [
        (sealed(), "jti-2"),
        (sealed(), None),
        (sealed()[:-4], "jti-1"),
        (sealed() + "AAAA", "jti-1"),
        ("", "jti-1"),
        (None, "jti-1"),
        (["x"], "jti-1"),
        ({"a": 1}, "jti-1"),
        (raw(Purpose.MARKER, EMPTY), "jti-1"),
        (raw(Purpose.CHAIN, b"no chain"), "jti-1"),
        (raw(Purpose.CHAIN, EMPTY + b"more"), "jti-1"),
    ],
)
def test_a_claim_that_was_changed_or_moved_is_broken(claim: Any, token_id: Any) -> None:
    """It is valid only for the ID of its own token, and contains one chain."""
    with pytest.raises(ChainBrokenError):
        open_chain(claim, token_id=token_id, sealing_ring=RING)
