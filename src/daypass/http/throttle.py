"""Throttle peers that make too many calls without an authenticated caller.

Owns one bucket for each peer, and their limit. Unsigned calls are counted before they cost a fetch, signed calls after
their authentication failed. A call with a valid signature is never counted, so other clients behind its address cannot
cause it to be throttled.
"""

import threading
from collections.abc import Callable

from daypass.bounded_memory import BoundedMemory
from daypass.wire.peer_network import peer_network

__all__ = ["Throttle", "peer_network"]  # every limit per peer uses peer_network

_MOST_PEERS = 10_000


class Throttle:
    """A token bucket for each peer.

    0 `per_minute` means no limit. `on_refusal` is called for each refusal.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float], *, on_refusal: Callable[[], None]) -> None:
        self._rate = per_minute / 60
        self._burst = float(max(per_minute, 1))
        self._clock = clock
        self._on_refusal = on_refusal
        self._buckets: BoundedMemory[str, tuple[float, float]] = BoundedMemory(_MOST_PEERS)
        self._lock = threading.Lock()  # worker threads count too: large requests and failed authentications

    def within_rate_limit(self, peer: str) -> bool:
        """Count one more call of `peer`. Return whether it is allowed."""
        if not self._rate:
            return True
        with self._lock:
            admitted = self._count(peer_network(peer), self._clock())
        if not admitted:
            self._on_refusal()
        return admitted

    def _count(self, peer: str, now: float) -> bool:
        left, then = self._buckets.pop(peer, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        admitted = left >= 1
        self._buckets.put(peer, (left - 1 if admitted else left, now))
        return admitted
