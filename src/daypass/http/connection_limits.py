"""Limits on the connections of one peer and of the process.

Owns the counts and the limit of descriptors. A peer is an IPv4 address or the /64 of an IPv6 address, because its owner
has the whole network. Trusted proxies carry many clients and are not counted.
"""

import ipaddress
import resource
from collections.abc import Callable

import structlog

from daypass.http.peer import parse_address

_IPV6_PEER = 64  # bits
_SPARED = 256  # descriptors reserved for the store, the audit log and outgoing calls


class ConnectionSlot:
    """The slot of one connection, held until `leave`.

    `leave` may be called twice.
    """

    __slots__ = ("_limits", "_peer")

    def __init__(self, limits: "ConnectionLimits", peer: str) -> None:
        self._limits: ConnectionLimits | None = limits
        self._peer = peer

    def leave(self) -> None:
        """Release the slot."""
        if self._limits is not None:
            self._limits.left(self._peer)
            self._limits = None


class ConnectionLimits:
    """Counts connections.

    0 in `per_peer` or `most` means no limit. `on_refusal` is called for each refusal.
    """

    def __init__(
        self, per_peer: int, *, most: int, is_proxy: Callable[[str], bool], on_refusal: Callable[[], None]
    ) -> None:
        self._per_peer = per_peer
        self._most = most
        self._is_proxy = is_proxy
        self._on_refusal = on_refusal
        self._counts: dict[str, int] = {}
        self._open = 0

    @property
    def peers(self) -> int:
        """The number of peers that have connections."""
        return len(self._counts)

    @property
    def open(self) -> int:
        """The number of open connections."""
        return self._open

    def enter(self, address: str) -> ConnectionSlot | None:
        """Return a slot for a connection, or None if there are too many."""
        peer = _peer_of(address)
        count = self._counts.get(peer, 0)
        is_full = bool(self._most) and self._open >= self._most
        if is_full or (self._per_peer and count >= self._per_peer and not self._is_proxy(address)):
            self._on_refusal()
            return None
        self._counts[peer] = count + 1
        self._open += 1
        return ConnectionSlot(self, peer)

    def left(self, peer: str) -> None:
        """Count one connection less. The slot calls this."""
        self._open -= 1
        count = self._counts[peer] - 1
        if count:
            self._counts[peer] = count
        else:
            del self._counts[peer]


def _peer_of(text: str) -> str:
    address = parse_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_PEER), strict=False))
    return text if address is None else str(address)


def raise_descriptor_limit() -> None:
    """Raise this process's limit of descriptors to the hard limit.

    Child processes inherit the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        structlog.get_logger().warning("descriptor_limit_not_raised", limit=soft, reason=str(error))


def most_connections() -> int:
    """Return the number of connections that the descriptors allow.

    0 means no limit.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else max(soft - _SPARED, soft // 2)
