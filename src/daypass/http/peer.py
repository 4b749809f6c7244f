"""Who is really at the other end: the peer of the connection, or whom a trusted proxy says it speaks for.

Owns the rule: forwarded headers count only from peers inside the configured networks, and are read from the right,
hop by hop, up to the first address that is no trusted proxy. Anything that is not an address ends the walk.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from daypass.config import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LONGEST_ADDRESS = 64  # characters; the longest address has 45, and an interface's name 15
_MOST_HOPS = 64  # proxies of one request; a longer chain was made up


class PeerRule:
    """Finds the client's address and whether it came over TLS."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(maxsize=4096)(self._in_networks)

    @property
    def trusts_nobody(self) -> bool:
        """Tell whether forwarded headers never count."""
        return not self._trusted

    def is_trusted(self, address: str) -> bool:
        """Tell whether an address is that of a trusted proxy."""
        return bool(self._trusted) and self._is_trusted(address)

    def resolve(self, peer: str, *, secure: bool, headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, bool]:
        """Return the client's address and whether the client's own connection was secure."""
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
        # The part that is left unsplit is no address, and ends the walk.
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
    """Return the address of a peer, an IPv4 one where a socket for both kinds has mapped it into IPv6."""
    if not text.startswith("::ffff:"):
        return text
    address = parse_address(text)
    return text if address is None else str(address)


def parse_address(text: str) -> Address | None:
    """Return an address, an IPv4 one where it was mapped into IPv6, or None."""
    if len(text) > _LONGEST_ADDRESS:  # a zone behind an IPv6 address may be of any length
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
