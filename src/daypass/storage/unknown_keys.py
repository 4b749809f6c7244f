"""Sealing keys that another node may have made.

Owns the answer to one question: does the store have a key that the cache does not show? A sealed string under such a
key is refused only after the store was asked, at a time when the string was here already. Until then the call gets
ServiceUnavailable, which clients repeat.

It also lets the vault see the present data keys in the cache: a secret is sealed under the key that a rotation made.

Everybody can send strings with invented key ids. So two threads at most ask the store, each after a pause. A call
beyond that gets ServiceUnavailable at once.
"""

import threading
from dataclasses import replace

from daypass.bounded_memory import BoundedMemory
from daypass.directory.store import StoreUnavailableError, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.mint.sealing_keys import SealingKey
from daypass.storage.cache import StoreCache
from daypass.storage.keyring import StoredKeyring, load_keyring
from daypass.storage.loop_reads import is_on_event_loop
from daypass.storage.refusals import StoreOpenError
from daypass.storage.vault import Vault
from daypass.storage.views import OpenedStore

_REMEMBERED = 1_024
_MOST_ASKING = 2
_PAUSE_SECONDS = 0.05  # between two queries


def asking_for_keys(opened: OpenedStore, cache: StoreCache) -> OpenedStore:
    """Return the store with a vault that asks it for unknown sealing keys."""
    return replace(opened, vault=UnknownKeys(cache, opened.vault).vault)


class UnknownKeys:
    """Finds sealing keys in the store that the cache of a node does not show."""

    def __init__(self, cache: StoreCache, vault: Vault) -> None:
        self._cache = cache
        self.vault = vault.asking(self.find, self._read_keyring)
        self._first_seen: BoundedMemory[str, int] = BoundedMemory(_REMEMBERED)  # the last query that began before
        self._slots = threading.BoundedSemaphore(_MOST_ASKING)
        self._pause = threading.Event()  # never set

    def find(self, key_id: str) -> SealingKey | None:
        """Return the key, or None if the store does not have it.

        Raises WouldBlockError on an event loop, or StoreUnavailableError if the store does not answer.
        """
        if self._cache.is_away:
            raise StoreUnavailableError("the sealing key may be newer than the last answer of the database")
        seen = self._first_seen.get(key_id)
        if seen is None:
            seen = self._first_seen.put(key_id, self._cache.queries_begun)
        if self._cache.queries_answered > seen:
            return None
        if is_on_event_loop():
            raise WouldBlockError
        self._ask(seen)
        return self._cache.loading.get(load_sealing_ring, self.vault).find(key_id)

    def _read_keyring(self) -> StoredKeyring | None:
        """Return the present keyring of the store's data keys."""
        views = self._cache.cached_only if is_on_event_loop() else self._cache.loading
        try:
            return views.get(load_keyring)
        except StoreOpenError as error:
            raise StoreUnavailableError(f"the keyring cannot be read: {error}") from error

    def _ask(self, seen: int) -> None:
        if not self._slots.acquire(blocking=False):
            raise StoreUnavailableError("too many calls with unknown sealing keys")
        try:
            self._pause.wait(_PAUSE_SECONDS)
            if self._cache.queries_answered <= seen:
                self._cache.poll()
            if self._cache.queries_answered <= seen:
                raise StoreUnavailableError("the database does not tell whether the sealing key exists")
        finally:
            self._slots.release()
