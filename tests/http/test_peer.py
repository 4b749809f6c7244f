"""Who sent a request, when proxies say it."""

import ipaddress

import pytest

from daypass.http.peer import PeerRule, parse_address, plain_address

PROXY = "127.0.0.1"


def resolve(*chains: str) -> str:
    """Return the client of a request that came through trusted proxies on this machine."""
    headers = [(b"x-forwarded-for", chain.encode()) for chain in chains]
    rule = PeerRule([ipaddress.ip_network("127.0.0.0/8")])
    return rule.resolve(PROXY, secure=False, headers=headers)[0]


def test_lines_are_one_chain() -> None:
    """It is read from the right, over all lines."""
    assert resolve("192.0.2.1", "192.0.2.2, 127.0.0.2") == "192.0.2.2"
    assert resolve("192.0.2.1,192.0.2.2", "127.0.0.2 ", "127.0.0.3") == "192.0.2.2"
    assert resolve("192.0.2.1", "") == PROXY


@pytest.mark.parametrize(("hops", "client"), [(64, "192.0.2.1"), (65, PROXY), (50_000, PROXY)])
def test_a_chain_has_a_greatest_length(hops: int, client: str) -> None:
    """More proxies do not stand behind each other: what comes before them is not read, in one line or in many."""
    chain = ["192.0.2.1", *[PROXY] * hops]
    assert resolve(", ".join(chain)) == resolve(*chain) == client


@pytest.mark.parametrize(
    ("address", "plain"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("", "")],
)
def test_a_mapped_address_is_the_ipv4_address(address: str, plain: str) -> None:
    """A socket for both kinds of addresses spells IPv4 ones in IPv6. Policies and limits mean the address itself."""
    assert plain_address(address) == plain


def test_an_address_has_a_greatest_length() -> None:
    """The zone of an IPv6 address may be any text, and would stand in conditions, events and memories."""
    assert parse_address("fe80::1%eth0") is not None
    assert parse_address("fe80::1%" + "z" * 3_000) is None
