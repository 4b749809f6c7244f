"""Limits on the requests that wait for keys of issuers, and their memory.

Accounts share both limits fairly: issuers that never answer delay only requests for the roles of their account.
"""

from daypass.federation.oidc.shares import Shares
from daypass.wire.http import HttpRequest

MOST_REQUESTS = 4_096
MOST_BYTES = 64 * 2**20
LARGEST = 131_072  # bytes of one body; the largest token and policies are smaller


class FetchSlots:
    """The slots of requests that wait."""

    def __init__(self) -> None:
        self._requests, self._bytes = Shares(MOST_REQUESTS), Shares(MOST_BYTES)

    def take(self, account: str, request: HttpRequest) -> bool:
        """Take a slot for a request to an account's provider.

        Returns False if the account may not have another.
        """
        size = _size(request)
        if len(request.body) > LARGEST or not self._requests.take(account):
            return False
        if self._bytes.take(account, size):
            return True
        self._requests.give_back(account)
        return False

    def give_back(self, account: str, request: HttpRequest) -> None:
        """Return the slot that a request took."""
        self._requests.give_back(account)
        self._bytes.give_back(account, _size(request))


def _size(request: HttpRequest) -> int:
    head = sum(len(name) + len(value) for name, value in request.headers)
    return len(request.body) + len(request.path) + len(request.query) + head
