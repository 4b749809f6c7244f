"""Where providers sign people in, asked seldom: once for all who wait, and again after five minutes.

Owns that a crowd at our sign-in page is no crowd at a provider's, and that one who hangs is asked once at a time. What
the document means is client.py's work.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from daypass.federation.oidc.client import Client, Endpoints, discover
from daypass.federation.oidc.fetch import Fetcher

FRESH_FOR = timedelta(minutes=5)


class SignInPlaces:
    """What the discovery documents of our few providers said. It is used within one event loop."""

    def __init__(self, fetcher: Fetcher, now: Callable[[], datetime]) -> None:
        self._fetcher = fetcher
        self._now = now
        self._known: dict[str, tuple[datetime, Endpoints]] = {}
        self._flights: dict[str, asyncio.Task[Endpoints]] = {}

    async def find(self, client: Client) -> Endpoints:
        """Return a provider's addresses. Raises Unreachable or Unacceptable; a failure is not remembered."""
        known = self._known.get(client.key)
        if known is not None and timedelta() <= self._now() - known[0] < FRESH_FOR:
            return known[1]
        flight = self._flights.get(client.key)
        if flight is None:
            flight = self._flights[client.key] = asyncio.create_task(self._ask(client))
            # A failure that nobody waits for any more is nobody's news.
            flight.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Whoever goes away must not take the answer from the others.
        return await asyncio.shield(flight)

    async def _ask(self, client: Client) -> Endpoints:
        try:
            found = await discover(client, self._fetcher)
            self._known[client.key] = (self._now(), found)
            return found
        finally:
            del self._flights[client.key]
