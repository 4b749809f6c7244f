"""The context of one request: its time, directory and new values.

The pipeline passes it to every stage. No part of it is global.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import cast

import msgspec

from daypass.authenticate.keychain import Keychain
from daypass.directory.principals import StoreTrust, store_principals
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Views, WouldBlockError, Writer
from daypass.federation.oidc.identify import NO_KEYS, KeysAtHand
from daypass.mint.sealing_keys import SealingRing
from daypass.operations.settings import ServiceSettings
from daypass.ports import Entropy


def _alone(_account: str) -> AbstractContextManager[None]:
    """Share with no other account: a command has its process to itself."""
    return nullcontext()


def _may_wait() -> None:
    """Return: the caller has its thread to itself."""


class RequestContext(msgspec.Struct, frozen=True):
    """One request's access to everything outside it.

    `now` is the same for every stage, and `region` the signed one. `views` answers from the cache. `reader` is a
    snapshot of the store and `writer` a transaction, for operations that declare them. `load_sealing_ring` returns the
    keys that seal tokens, `issuer_keys` the cached keys of OpenID Connect issuers. `heavy_work` is a context, entered
    with the account that it counts for, around work that is too slow for the event loop: it raises WouldBlockError
    there, and Throttling if the account has too much running. `store_trust` converts a trust policy to its stored form.
    `wait` raises WouldBlockError on the event loop, for an operation that finds out late that it is too slow for it.
    """

    now: datetime
    region: str
    views: Views
    load_sealing_ring: Callable[[], SealingRing]
    entropy: Entropy
    vault: SecretBox
    keychain: Keychain
    settings: ServiceSettings
    open_new_transaction: Callable[[], AbstractContextManager[Writer]]
    open_snapshot: Callable[[], AbstractContextManager[Reader]]
    transaction: Reader | Writer | None = None
    issuer_keys: KeysAtHand = NO_KEYS
    heavy_work: Callable[[str], AbstractContextManager[None]] = _alone
    store_trust: StoreTrust = store_principals
    wait: Callable[[], None] = _may_wait

    @property
    def sealing_ring(self) -> SealingRing:
        """The keys that seal tokens now."""
        return self.load_sealing_ring()

    @property
    def reader(self) -> Reader:
        """The request's snapshot or transaction."""
        if self.transaction is None:
            raise WouldBlockError
        return self.transaction

    @property
    def writer(self) -> Writer:
        """The request's transaction. Only operations that declare writes have one."""
        return cast("Writer", self.reader)

    def new_transaction(self) -> AbstractContextManager[Writer]:
        """Open a new transaction, kept even if the request is refused.

        It is for changes that a refusal must not undo, such as a used or a wrong MFA code. There is only one writer at
        a time, so the operation uses only the cache otherwise.
        """
        if self.transaction is not None:
            raise ValueError("a transaction is open already")
        return self.open_new_transaction()

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Open a new snapshot, which contains all earlier writes.

        It waits for no writer.

        It is only for reading. A decision on which a later write depends is made again inside that write's transaction.
        """
        if self.transaction is not None:
            raise ValueError("a transaction is open already")
        return self.open_snapshot()
