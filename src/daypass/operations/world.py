"""What one request may use: the instant, the directory as it stands, and the means to make new things.

Owns the value that the pipeline hands to every stage. Nothing in it is global.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from daypass.authenticate.keychain import Keychain
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Views, WouldBlock, Writer
from daypass.mint.keyring import SealingRing
from daypass.operations.settings import ServiceSettings
from daypass.ports import Entropy


@dataclass(frozen=True, slots=True)
class World:
    """One request's view of everything outside it.

    `now` is the instant of the request, the same for every stage. `views` answers from the cache. `reader`
    is one snapshot of the store and `writer` one transaction; they are there for operations that ask for them.
    """

    now: datetime
    views: Views
    ring: SealingRing
    entropy: Entropy
    vault: SecretBox
    keychain: Keychain
    settings: ServiceSettings
    transaction: Reader | Writer | None = None

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
