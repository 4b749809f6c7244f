"""The addresses at which an issuer may be.

Owns the decision about the address of an actual connection: public ones are allowed, and those in networks that an
operator allowed. Pure. Source: IANA special-purpose address registries; RFC 6052 and 3056 for addresses that contain
another.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Global or open in the registries, but they lead to internal services.
_NEVER_PUBLIC: tuple[Network, ...] = (
    ip_network("168.63.129.16/32"),  # Azure's platform service, reachable from every virtual machine
    ip_network("192.0.0.0/24"),  # protocol assignments, among them a cloud's metadata service
    ip_network("192.88.99.0/24"),  # 6to4 relays, deprecated
    ip_network("2001::/23"),  # protocol assignments, among them Teredo
    ip_network("3fff::/20"),  # documentation
)
_NAT64 = ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ip_network("2000::/3")  # the only part of IPv6 from which public addresses are assigned


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse comma-separated CIDRs. Raises ValueError if one is malformed."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def is_allowed(text: str, networks: Iterable[Network]) -> bool:
    """Tell whether a connection to an address may be opened.

    A string that is not an IP address is not allowed.
    """
    try:
        address = _unwrapped(ip_address(text))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    if any(address.version == network.version and address in network for network in networks):
        return True
    return _is_public(address)


def _unwrapped(address: Address) -> Address:
    # A mapped, 6to4 or NAT64 address leads to the IPv4 address inside it, so check that one.
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _is_public(address: Address) -> bool:
    if any(address.version == network.version and address in network for network in _NEVER_PUBLIC):
        return False
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_private or address.is_reserved or address.is_unspecified
    )
