"""The public pages of issuers: discovery documents and signing keys.

Owns their paths and headers; directory/outbound.py creates the content. Everyone may read and cache them. A request for
an unknown issuer reads the store, so peers share the slots of waiting requests.
Source: OpenID Connect Discovery 1.0, section 4.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from daypass.directory.outbound import load_documents
from daypass.directory.store import StoreUnavailableError, Views, WouldBlockError
from daypass.federation.oidc.shares import Shares
from daypass.wire.http import HttpResponse
from daypass.wire.peer_network import peer_network

PREFIX = "/issuer/"

# Much shorter than from a key's publication to its first signature.
_SECONDS = 3_600
_MOST_WAITING = 64
# The only forms of ids: other paths need no query.
_PATH = re.compile(
    r"/issuer/(a[0-9a-f]{7}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|notifications|sign-in)"
    r"/\.well-known/(openid-configuration|jwks\.json)"
)
_OPEN = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"public, max-age=%d" % _SECONDS),
    (b"x-content-type-options", b"nosniff"),
    (b"access-control-allow-origin", b"*"),
)
_PLAIN = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))
_MISSING = HttpResponse(404, _PLAIN, b"Issuer not found.\n")
_AWAY = HttpResponse(503, (*_PLAIN, (b"retry-after", b"5")), b"Try again.\n")


@dataclass(slots=True)
class IssuerPages:
    """Serves the paths below PREFIX.

    `nonblocking` is the cache view of the event loop, `blocking` that of a worker thread.
    """

    public_url: str
    nonblocking: Views
    blocking: Views
    workers: ThreadPoolExecutor
    _waiting: Shares = field(default_factory=lambda: Shares(_MOST_WAITING))

    async def answer(self, path: str, peer: str) -> HttpResponse:
        """Return the document at a path, for a peer."""
        match = _PATH.fullmatch(path)
        if match is None:
            return _MISSING
        try:
            documents = self.nonblocking.get(load_documents, self.public_url, match[1])
        except WouldBlockError:
            network = peer_network(peer)
            if not self._waiting.take(network):
                return _AWAY
            try:
                documents = await self._load(match[1])
            except StoreUnavailableError:
                return _AWAY
            finally:
                self._waiting.give_back(network)
        return _MISSING if documents is None else HttpResponse(200, _OPEN, documents[match[2]])

    async def _load(self, issuer: str) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.workers, self.blocking.get, load_documents, self.public_url, issuer)
