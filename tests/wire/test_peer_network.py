"""A peer is counted under its network: an IPv4 address or an IPv6 /64."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.wire.peer_network import peer_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:0201", "192.0.2.1"),
        ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("64:ff9b:1::192.0.2.1", "64:ff9b:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("fe80::2%eth1", "fe80::/64"),
        ("", ""),
        ("not:an:address", "not:an:address"),
        ("/run/daypass.sock", "/run/daypass.sock"),
        ("192.0.2.300", "192.0.2.300"),
    ],
)
def test_the_network_of_each_kind_of_address(address: str, network: str) -> None:
    """IPv4 counts by itself, IPv6 by its /64.

    IPv4 inside IPv6 counts as the IPv4 address, and any other string as it is.
    """
    assert peer_network(address) == network


@given(st.integers(2**125, 2**126 - 1), st.integers(0, 2**64 - 1))
def test_the_last_64_bits_never_count(address: int, host: int) -> None:
    """Two addresses are one peer exactly if their first 64 bits are equal.

    The addresses are global unicast.
    """
    neighbour = (address >> 64 << 64) | host
    assert peer_network(str(IPv6Address(address))) == peer_network(str(IPv6Address(neighbour)))
    other = address ^ (1 << 64)
    assert peer_network(str(IPv6Address(address))) != peer_network(str(IPv6Address(other)))
