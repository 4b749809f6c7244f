"""Which key of a set a token refers to: the quick choice agrees with the rule in its plain form."""

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from daypass.federation.oidc.keys import KeySet, VerificationKey

_PUBLIC = ec.generate_private_key(ec.SECP256R1()).public_key()
_KIDS = st.sampled_from([None, "a", "b", "A"])
_ALGORITHMS = st.frozensets(st.sampled_from(["RS256", "RS384", "ES256"]), min_size=1)
_KEYS = st.builds(VerificationKey, _KIDS, _ALGORITHMS, st.just(_PUBLIC), st.integers(1, 3).map(lambda one: (one,)))


def _choose(keys: tuple[VerificationKey, ...], kid: str | None, algorithm: str) -> tuple[int, ...] | None:
    """Return the identity of the one key for a token, by the sentences of the rule."""
    is_named = kid is not None and any(key.kid == kid for key in keys)
    wanted = kid if is_named else None
    fitting = {key.identity for key in keys if algorithm in key.algorithms and (kid is None or key.kid == wanted)}
    return fitting.pop() if len(fitting) == 1 else None


@given(st.lists(_KEYS, max_size=5).map(tuple), _KIDS, st.sampled_from(["RS256", "RS384", "ES256", "ES384"]))
def test_the_choice_is_that_of_the_rule(keys: tuple[VerificationKey, ...], kid: str | None, algorithm: str) -> None:
    """A key id is exact, a set without it offers its keys without an id, and two fitting keys are none."""
    found = KeySet(keys).find(kid, algorithm)
    assert (None if found is None else found.identity) == _choose(keys, kid, algorithm)
    assert found is None or algorithm in found.algorithms
