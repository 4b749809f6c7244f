"""The verifier and two stores agree about which object a request is about.

SeaweedFS folds keys, moto keeps them as they are.
"""

from random import Random

import pytest
from tests.gateway.stores import StoreServer
from tests.verify.s3.odd_requests import OddRequests, StoreWatch

from daypass.verify.s3.operations.object_keys import EXACT, FOLDED, KeyRule

pytestmark = pytest.mark.slow

_QUICK, _THOROUGH = 150, 2_000


def _differences(store: StoreServer, rule: KeyRule, requests: int, seed: int) -> list[str]:
    buckets = (store.new_bucket(), store.new_bucket())
    watch = StoreWatch(store, rule, buckets)
    watch.seed()
    odd = OddRequests(Random(seed), buckets)  # noqa: S311 - the same requests in each run
    found = [difference for _ in range(requests) if (difference := watch.check(odd.draw()))]
    assert watch.routed > requests / 10
    return found


def test_a_store_that_folds_keys_does_what_was_judged(seaweedfs: StoreServer) -> None:
    """No request changes or returns an object that was not judged."""
    assert _differences(seaweedfs, FOLDED, _QUICK, seed=1) == []


def test_a_store_with_exact_keys_does_what_was_judged(moto_store: StoreServer) -> None:
    """Keys that would be folded elsewhere are allowed here."""
    assert _differences(moto_store, EXACT, _QUICK, seed=2) == []


def test_a_wrong_profile_is_noticed(seaweedfs: StoreServer) -> None:
    """With the rule of another store, the comparison finds what that store folds."""
    assert _differences(seaweedfs, EXACT, _QUICK, seed=1) != []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [3, 4])
def test_many_odd_requests_at_seaweedfs(seaweedfs: StoreServer, seed: int) -> None:
    """The same with many requests."""
    assert _differences(seaweedfs, FOLDED, _THOROUGH, seed) == []


@pytest.mark.timeout(600)
def test_many_odd_requests_at_moto(moto_store: StoreServer) -> None:
    """The same with many requests."""
    assert _differences(moto_store, EXACT, _THOROUGH, seed=5) == []
