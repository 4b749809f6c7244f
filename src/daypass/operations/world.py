"""What one request may use: the instant, the directory as it stands, and the means to make new things.

Owns the value that the pipeline hands to every stage. Nothing in it is global.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import cast

import msgspec

from daypass.authenticate.keychain import Keychain
from daypass.directory.principals import StoreTrust, store_principals
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Views, WouldBlock, Writer
from daypass.federation.oidc.identify import NO_KEYS, KeysAtHand
from daypass.mint.keyring import SealingRing
from daypass.operations.settings import ServiceSettings
from daypass.ports import Entropy


def _alone(_account: str) -> AbstractContextManager[None]:
    """Share with nobody: a command has its process to itself."""
    return nullcontext()


class World(msgspec.Struct, frozen=True):
    """One request's view of everything outside it.

    `now` is the instant of the request, the same for every stage, and `region` the one that it was signed for.
    `views` answers from the cache. `reader` is one snapshot of the store and `writer` one transaction; they are
    there for operations that ask for them. `load_ring` returns the keys that seal tokens, `issuer_keys` has those of
    OpenID Connect issuers as far as they were fetched. `heavy_work` is entered, with the account that it counts for,
    around what takes the processor longer than the event loop can spare: it raises WouldBlock there, and Throttling
    where the account has too much of it under way. `store_trust` turns a trust policy into what is stored.
    """

    now: datetime
    region: str
    views: Views
    load_ring: Callable[[], SealingRing]
    entropy: Entropy
    vault: SecretBox
    keychain: Keychain
    settings: ServiceSettings
    open_apart: Callable[[], AbstractContextManager[Writer]]
    open_snapshot: Callable[[], AbstractContextManager[Reader]]
    transaction: Reader | Writer | None = None
    issuer_keys: KeysAtHand = NO_KEYS
    heavy_work: Callable[[str], AbstractContextManager[None]] = _alone
    store_trust: StoreTrust = store_principals

    @property
    def ring(self) -> SealingRing:
        """The keys that seal tokens now."""
        return self.load_ring()

    @property
    def reader(self) -> Reader:
        """The request's snapshot or transaction."""
        if self.transaction is None:
            raise WouldBlock
        return self.transaction

    @property
    def writer(self) -> Writer:
        """The request's transaction. Only operations that say they write have one."""
        return cast("Writer", self.reader)

    def apart(self) -> AbstractContextManager[Writer]:
        """Open a transaction of its own, which stands even when the request is refused afterwards.

        For what must not be undone by a refusal: an MFA code that was used up, or one that was wrong. There is
        one writer at a time, so an operation that calls this reaches no further than the cache otherwise.
        """
        if self.transaction is not None:
            raise ValueError("a transaction is open already")
        return self.open_apart()

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Open a snapshot of its own, which sees all that was written before. It waits for no writer.

        For reading alone. A decision that a later write rests on is made again inside that write's transaction.
        """
        if self.transaction is not None:
            raise ValueError("a transaction is open already")
        return self.open_snapshot()
