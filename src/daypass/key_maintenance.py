"""The maintenance of keys: rotation and deletion.

mint/ decides when keys are added and removed. Every server of a store does the same maintenance: the store allows one
writer at a time, and the second server finds the work done.
"""

from daypass.directory.outbound import accounts_to_maintain, maintain_issuer_keys
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Store
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.mint.sealing_keys import maintain_sealing_ring
from daypass.operations.saml_request_keys import drop_request_keys, has_expired_keys
from daypass.ports import Clock, Entropy

_DAY = 86_400


class KeyMaintenance:
    """Rotates old keys, and deletes keys that are no longer needed."""

    def __init__(self, store: Store, vault: SecretBox, clock: Clock, entropy: Entropy, *, rotate_days: int) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._entropy = entropy
        self._rotate_after = rotate_days * _DAY

    def maintain(self) -> None:
        """Check the key rings once. Writes only if a key is due."""
        now = int(self._clock.now().timestamp())
        self._maintain_sealing_keys(now)
        self._maintain_issuer_keys(now)
        self._drop_request_keys(now)

    def _maintain_sealing_keys(self, now: int) -> None:
        with self._store.read() as reader:
            sealing_ring = load_sealing_ring(reader, self._vault)
        if (
            maintain_sealing_ring(sealing_ring, now=now, rotate_after=self._rotate_after, entropy=self._entropy)
            is sealing_ring
        ):
            return
        with self._store.write() as writer:
            sealing_ring = load_sealing_ring(writer, self._vault)
            tended = maintain_sealing_ring(
                sealing_ring, now=now, rotate_after=self._rotate_after, entropy=self._entropy
            )
            if tended is not sealing_ring:
                save_sealing_ring(writer, tended, self._vault)

    def _maintain_issuer_keys(self, now: int) -> None:
        with self._store.read() as reader:
            due = accounts_to_maintain(reader, now=now, rotate_after=self._rotate_after)
        for account in due:
            with self._store.write() as writer:
                maintain_issuer_keys(writer, account, now=now, rotate_after=self._rotate_after, vault=self._vault)

    def _drop_request_keys(self, now: int) -> None:
        # Operators rotate these: identity providers need a new certificate in advance.
        with self._store.read() as reader:
            if not has_expired_keys(reader, now=now):
                return
        with self._store.write() as writer:
            drop_request_keys(writer, now=now)
