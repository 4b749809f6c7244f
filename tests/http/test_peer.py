"""The address of a client behind proxies."""

import ipaddress

import pytest

from daypass.http.peer import PeerRule, parse_address, plain_address

PROXY = "127.0.0.1"


def resolve(*chains: str) -> str:
    """Return the client of a request that came through trusted local proxies."""
    headers = [(b"x-forwarded-for", chain.encode()) for chain in chains]
    rule = PeerRule([ipaddress.ip_network("127.0.0.0/8")])
    return rule.resolve(PROXY, secure=False, headers=headers)[0]


def test_lines_are_one_chain() -> None:
    """Several header lines form one chain, which is read from the right."""
    assert resolve("192.0.2.1", "192.0.2.2, 127.0.0.2") == "192.0.2.2"
    assert resolve("192.0.2.1,192.0.2.2", "127.0.0.2 ", "127.0.0.3") == "192.0.2.2"
    assert resolve("192.0.2.1", "") == PROXY


@pytest.mark.parametrize(("hops", "client"), [(64, "192.0.2.1"), (65, PROXY), (50_000, PROXY)])
def test_a_chain_has_a_greatest_length(hops: int, client: str) -> None:
    """A chain has a maximum length, in one line or in many.

    Addresses beyond it are not read.
    """
    chain = ["192.0.2.1", *[PROXY] * hops]
    assert resolve(", ".join(chain)) == resolve(*chain) == client


@pytest.mark.parametrize(
    ("address", "plain"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1"), ("", "")],
)
def test_a_mapped_address_is_the_ipv4_address(address: str, plain: str) -> None:
    """An IPv4-mapped address is the IPv4 address.

    A socket for both versions maps IPv4 addresses into IPv6. Policies and limits refer to the IPv4 address.
    """
    assert plain_address(address) == plain


def test_an_address_has_a_greatest_length() -> None:
    """The zone of an IPv6 address has a limited length.

    Otherwise it would appear in conditions, events and caches.
    """
    assert parse_address("fe80::1%eth0") is not None
    assert parse_address("fe80::1%" + "z" * 3_000) is None
