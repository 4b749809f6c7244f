"""What a server does by itself every minute, such as tending the rings of keys that seal and that sign.

Owns the thread. Which key comes and goes when is mint/'s rule. Every server of a store does the same; the store lets
one write at a time, and whoever comes second finds nothing left to do.
"""

from collections.abc import Callable

import structlog

from daypass.background import Background
from daypass.directory.outbound import accounts_to_tend, tend_token_keys
from daypass.directory.ring import load_ring, save_ring
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Store, StoreUnavailable
from daypass.mint.keyring import tend
from daypass.mint.lifecycle import NoActiveKeyError
from daypass.operations.saml_request_keys import drop_request_keys, has_expired_keys
from daypass.ports import Clock, Entropy

INTERVAL = 60.0  # seconds
_DAY = 86_400


class Upkeep(Background):
    """A thread that does a server's chores now and every minute, and once more at the end."""

    def __init__(self, *chores: Callable[[], None]) -> None:
        super().__init__("upkeep", self._run)
        self._chores = chores

    def _run(self) -> None:
        while True:
            for chore in self._chores:
                try:
                    chore()
                except (StoreUnavailable, NoActiveKeyError) as error:
                    # The next time will do; what there is goes on serving.
                    structlog.get_logger().warning("a chore was put off", error=str(error))
            if self.stopping.is_set():
                return
            self.stopping.wait(INTERVAL)


class KeyUpkeep:
    """Rotates keys when they are old, and destroys those that nothing needs any more."""

    def __init__(self, store: Store, vault: SecretBox, clock: Clock, entropy: Entropy, *, rotate_days: int) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._entropy = entropy
        self._rotate_after = rotate_days * _DAY

    def tend(self) -> None:
        """Tend the rings once. Writes only where there is something to do."""
        now = int(self._clock.now().timestamp())
        self._tend_sealing_keys(now)
        self._tend_token_keys(now)
        self._drop_request_keys(now)

    def _tend_sealing_keys(self, now: int) -> None:
        with self._store.read() as reader:
            ring = load_ring(reader, self._vault)
        if tend(ring, now=now, rotate_after=self._rotate_after, entropy=self._entropy) is ring:
            return
        with self._store.write() as writer:
            ring = load_ring(writer, self._vault)
            tended = tend(ring, now=now, rotate_after=self._rotate_after, entropy=self._entropy)
            if tended is not ring:
                save_ring(writer, tended, self._vault)

    def _tend_token_keys(self, now: int) -> None:
        with self._store.read() as reader:
            due = accounts_to_tend(reader, now=now, rotate_after=self._rotate_after)
        for account in due:
            with self._store.write() as writer:
                tend_token_keys(writer, account, now=now, rotate_after=self._rotate_after, vault=self._vault)

    def _drop_request_keys(self, now: int) -> None:
        # These are rotated by hand: providers must hear of a new one first.
        with self._store.read() as reader:
            if not has_expired_keys(reader, now=now):
                return
        with self._store.write() as writer:
            drop_request_keys(writer, now=now)
