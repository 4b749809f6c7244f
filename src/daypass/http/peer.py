"""Who is really at the other end: the peer of the connection, or whom a trusted proxy says it speaks for.

Owns the rule: forwarded headers count only from peers inside the configured networks, and are read from the right,
hop by hop, up to the first address that is no trusted proxy. Anything that is not an address ends the walk.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from daypass.config import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class PeerRule:
    """Finds the client's address and whether it came over TLS."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=4096)(self._in_networks)

    @property
    def trusts_nobody(self) -> bool:
        """Tell whether forwarded headers never count."""
        return not self._trusted

    def resolve(self, peer: str, *, secure: bool, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bool]:
        """Return the client's address and whether the client's own connection was secure."""
        if not self._trusted or not self._is_trusted(peer):
            return peer, secure
        hops: list[str] = []
        scheme = ""
        for name, value in headers:
            if name == b"x-forwarded-for":
                hops += [hop.strip() for hop in value.decode("latin-1").split(",")]
            elif name == b"x-forwarded-proto":
                scheme = value.decode("latin-1").rpartition(",")[2].strip().lower()
        return self._walk(peer, hops), (scheme == "https" if scheme else secure)

    def _walk(self, peer: str, hops: list[str]) -> str:
        client = peer
        for hop in reversed(hops):
            address = parse_address(hop)
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


def parse_address(text: str) -> Address | None:
    """Return an address, an IPv4 one where it was mapped into IPv6, or None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
