"""The sign-in endpoints of providers, fetched rarely.

Many visitors cause few requests: one fetch serves all who wait, its result is used for five minutes, and a hanging
provider is contacted once at a time. The documents are kept by issuer: all its clients share one. client.py interprets
the document.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from daypass.federation.oidc.issuers.client import Client, Endpoints, discover
from daypass.federation.oidc.network.fetch import Fetcher

FRESH_FOR = timedelta(minutes=5)
MOST = 1_000
"""The largest number of documents. Accounts can register clients of any issuer; the oldest document goes first."""


class EndpointCache:
    """The discovery documents of the providers.

    It is used within one event loop.
    """

    def __init__(self, fetcher: Fetcher, now: Callable[[], datetime]) -> None:
        self._fetcher = fetcher
        self._now = now
        self._known: dict[str, tuple[datetime, Endpoints]] = {}
        self._flights: dict[tuple[str, str], asyncio.Task[Endpoints]] = {}

    async def find(self, client: Client) -> Endpoints:
        """Return a provider's endpoints, from the cache if they are fresh.

        Raises IssuerUnreachableError or UnacceptableAnswerError. Failures are not cached.
        """
        known = self._known.get(client.issuer)
        if known is not None and timedelta() <= self._now() - known[0] < FRESH_FOR:
            return known[1]
        # The limits of one account must not refuse the fetch of another account.
        place = (client.account, client.issuer)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = asyncio.create_task(self._fetch(client))
            # All callers may have given up: asyncio must not log the exception.
            flight.add_done_callback(lambda done: done.cancelled() or done.exception())
        # A caller that gives up must not cancel the fetch for the others.
        return await asyncio.shield(flight)

    async def _fetch(self, client: Client) -> Endpoints:
        try:
            fetcher = self._fetcher.on_behalf_of((client.account,)) if client.account else self._fetcher
            found = await discover(client, fetcher)
            self._known.pop(client.issuer, None)
            self._known[client.issuer] = (self._now(), found)
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]
            return found
        finally:
            del self._flights[client.account, client.issuer]
