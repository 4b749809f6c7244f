"""Resolve the client's address: the peer's, or one from a trusted proxy.

Forwarded headers count only from peers inside the configured networks. They are read from the right, hop by hop, up to
the first address that is not a trusted proxy, or the first hop that is not an address.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from daypass.config import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST_ADDRESS = 64  # characters; the longest address has 45, and an interface name 15
_MOST_HOPS = 64  # proxies of one request; a longer chain is forged


class PeerRule:
    """Resolves the client's address, and whether it used TLS."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self.trusts_nobody = not self._trusted
        """Whether forwarded headers never count."""
        self._is_trusted = lru_cache(maxsize=4096)(self._in_networks)

    def is_trusted(self, address: str) -> bool:
        """Return whether an address belongs to a trusted proxy."""
        return bool(self._trusted) and self._is_trusted(address)

    def resolve(self, peer: str, *, secure: bool, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bool]:
        """Return the client's address, and whether its own connection was secure."""
        if not self._trusted or not self._is_trusted(peer):
            return peer, secure
        lines: list[bytes] = []
        scheme = ""
        for name, value in headers:
            if name == b"x-forwarded-for":
                lines.append(value)
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").rpartition(",")[2].strip().lower()
        return self._walk(peer, b",".join(lines)), (scheme == "https" if scheme else secure)

    def _walk(self, peer: str, chain: bytes) -> str:
        client = peer
        # The unsplit part is not an address, and ends the walk.
        for hop in reversed(chain.decode("latin-1").rsplit(",", _MOST_HOPS)):
            address = parse_address(hop.strip())
            if address is None:
                break
            client = str(address)
            if not self._is_trusted(client):
                break
        return client

    def _in_networks(self, text: str) -> bool:
        address = parse_address(text)
        return address is not None and any(
            address.version == network.version and address in network for network in self._trusted
        )


def plain_address(text: str) -> str:
    """Return a peer's address, with an IPv4-mapped address as IPv4.

    Dual sockets map IPv4 addresses into IPv6.
    """
    if not text.startswith("::ffff:"):
        return text
    address = parse_address(text)
    return text if address is None else str(address)


def parse_address(text: str) -> Address | None:
    """Return an address, or None. An IPv4-mapped address becomes IPv4."""
    if len(text) > _LONGEST_ADDRESS:  # the zone of an IPv6 address may have any length
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
