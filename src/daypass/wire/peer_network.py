"""Return the network under which a peer is counted.

Every limit "per peer", of the API, the portal and the audit log, counts alike:

* An IPv4 address counts by itself.
* An IPv6 address counts with its whole /64: a host can use any address of its network (RFC 6177, RFC 8981).
* An IPv6 address that contains an IPv4 address counts as that address: mapped (RFC 4291 2.5.5.2) and the well-known
  prefix of stateless translation (RFC 6052 2.1). Otherwise one /64 would represent all of IPv4.
* Any other string, such as the empty one of a Unix socket, counts as it is.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_TRANSLATED = IPv6Network("64:ff9b::/96")
_HOST_BITS = 64
_LOW_32 = 0xFFFF_FFFF


def peer_network(address: str) -> str:
    """Return an IPv4 address, or an IPv6 network such as `2001:db8::/64`."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _TRANSLATED:
        return str(IPv4Address(int(parsed) & _LOW_32))
    return f"{IPv6Address(int(parsed) >> _HOST_BITS << _HOST_BITS)}/{_HOST_BITS}"
