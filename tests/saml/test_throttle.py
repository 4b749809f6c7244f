"""Unsigned calls are throttled by peer; signed calls never are."""

from dataclasses import replace

import pytest
from tests.saml.browser import JSON, Browser
from tests.saml.conftest import granting, registered

from daypass.config import Config
from daypass.http.throttle import Throttle
from daypass.testing.saml_forge import KeyPair
from daypass.testing.server import running_server


def test_a_peer_s_unsigned_calls_are_limited(keys: tuple[KeyPair, ...]) -> None:
    """Beyond the limit, AWS's Throttling is returned and counted.

    Signed calls continue to work.
    """
    with running_server(config=replace(Config(), unsigned_calls_per_minute=3)) as server:
        stage = registered(server, keys[0])
        role = stage.role("throttled")
        response = stage.response(granting(role))
        for _ in range(3):
            stage.redeem(response, role)
        assert stage.refused(response, role) == ("Throttling", 400, "Rate exceeded")
        refused = Browser().send(f"{server.url}/saml", {"SAMLResponse": response}, accept=JSON)
        assert refused.document["Error"]["Code"] == "Throttling"
        assert stage.client("sts").get_caller_identity()["Arn"]
        assert "daypass_throttled_total 2.0" in Browser().send(f"{server.url}/metrics").text


class _Hand:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_fills_again() -> None:
    """A limit of sixty a minute allows one more call each second."""
    clock, refusals = _Hand(), [0]
    throttle = Throttle(60, clock, on_refusal=lambda: refusals.__setitem__(0, refusals[0] + 1))
    assert all(throttle.within_rate_limit("192.0.2.1") for _ in range(60))
    assert not throttle.within_rate_limit("192.0.2.1")
    assert throttle.within_rate_limit("192.0.2.2")
    clock.seconds = 1.0
    assert throttle.within_rate_limit("192.0.2.1")
    assert not throttle.within_rate_limit("192.0.2.1")
    assert refusals == [2]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::", "not:an:address", False),
    ],
)
def test_an_ipv6_network_is_one_peer(first: str, second: str, *, same: bool) -> None:
    """An owner of one IPv6 address usually has 2^64 of them."""
    throttle = Throttle(1, lambda: 0.0, on_refusal=lambda: None)
    assert throttle.within_rate_limit(first)
    assert throttle.within_rate_limit(second) is not same


def test_nobody_is_held_back_without_a_limit() -> None:
    """A limit of 0 disables throttling."""
    throttle = Throttle(0, lambda: 0.0, on_refusal=lambda: None)
    assert all(throttle.within_rate_limit("192.0.2.1") for _ in range(100))
