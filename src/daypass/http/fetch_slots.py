"""How many requests wait for the keys of issuers, and how much memory they hold meanwhile.

Owns the two bounds, both of which accounts share: an issuer that never answers, and there may be many of one tenant's,
holds up requests to that tenant's roles and leaves room for those of the others.
"""

from daypass.federation.oidc.shares import Shares
from daypass.wire.http import HttpRequest

MOST_REQUESTS = 4_096
MOST_BYTES = 64 * 2**20
LARGEST = 131_072  # bytes of one body; the largest token and policies are smaller


class FetchSlots:
    """The places of requests that wait."""

    def __init__(self) -> None:
        self._requests, self._bytes = Shares(MOST_REQUESTS), Shares(MOST_BYTES)

    def take(self, account: str, request: HttpRequest) -> bool:
        """Take a place for a request to an account's provider, if there is one that the account may have."""
        size = _size(request)
        if len(request.body) > LARGEST or not self._requests.take(account):
            return False
        if self._bytes.take(account, size):
            return True
        self._requests.give_back(account)
        return False

    def give_back(self, account: str, request: HttpRequest) -> None:
        """Return the place that a request took."""
        self._requests.give_back(account)
        self._bytes.give_back(account, _size(request))


def _size(request: HttpRequest) -> int:
    head = sum(len(name) + len(value) for name, value in request.headers)
    return len(request.body) + len(request.path) + len(request.query) + head
