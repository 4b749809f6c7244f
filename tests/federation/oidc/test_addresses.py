"""The addresses to which connections are allowed."""

import pytest

from daypass.federation.oidc.network.addresses import is_allowed, parse_networks

INWARD = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0",  # noqa: S104 - an address to refuse, not one to bind to
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1", "168.63.129.16", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "4000::1", "3fff::1", "5f00::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1",
    "2606:4700::1%eth0",
    "localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "", "1.1.1.1 ", "1.1.1.1/32",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"]


@pytest.mark.parametrize("address", INWARD)
def test_inward_addresses_are_refused(address: str) -> None:
    """Loopback, private, link-local, shared, reserved and wrapped addresses, and strings that are not addresses."""
    assert not is_allowed(address, ())


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    """Public addresses need no permission, also if they are wrapped."""
    assert is_allowed(address, ())


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("127.0.0.1", "127.0.0.0/8", True),
        ("::ffff:127.0.0.1", "127.0.0.0/8", True),
        ("::1", "127.0.0.0/8", False),
        ("::1", "::1/128", True),
        ("10.0.0.1", "127.0.0.0/8, 10.0.0.0/24", True),
        ("10.0.1.1", "127.0.0.0/8, 10.0.0.0/24", False),
        ("fd00::1", "fd00::/8", True),
        ("fe80::1%eth0", "fe80::/10", False),
        ("169.254.169.254", "127.0.0.0/8", False),
    ],
)
def test_an_operator_may_allow_networks(address: str, networks: str, *, expected: bool) -> None:
    """Exactly the configured networks are allowed, and no others."""
    assert is_allowed(address, parse_networks(networks)) is expected


@pytest.mark.parametrize("text", ["127.0.0.1/8", "loopback", "10.0.0.0/33"])
def test_networks_that_are_none(text: str) -> None:
    """A CIDR with host bits is a mistake; guessing its meaning could allow too much."""
    with pytest.raises(ValueError, match=r"."):
        parse_networks(text)
