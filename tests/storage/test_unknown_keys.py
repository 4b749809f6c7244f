"""Sealed strings under keys that another node made: refused only after the store was asked."""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.storage.conftest import HandClock
from tests.storage.test_announced_writes import Machine
from tests.storage.test_change_queries import until

from daypass.directory.store import StoreUnavailableError, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SealBrokenError, seal, unseal
from daypass.mint.sealing_keys import SealingRing, first_sealing_ring, rotate
from daypass.storage.cache import StoreCache
from daypass.storage.change_counter import ChangeCounter
from daypass.storage.open import open_store
from daypass.storage.unknown_keys import asking_for_keys
from daypass.storage.vault import Vault
from daypass.storage.views import OpenedStore

_NOW = 1_800_000_000


class Node:
    """A node whose way to the database can be cut, and a key ring that another node rotates."""

    def __init__(self, url: str, clock: HandClock) -> None:
        self.store = Machine(open_store(url, clock=clock))
        vault = Vault(bytes(32))
        self.ring = first_sealing_ring(now=_NOW, entropy=os.urandom)
        with self.store.write() as writer:
            save_sealing_ring(writer, self.ring, vault)
        self.cache = StoreCache(self.store)  # type: ignore[arg-type] # what a cache uses of it
        self.vault = asking_for_keys(OpenedStore(self.store, vault, clock, os.urandom), self.cache).vault  # type: ignore[arg-type]
        self.cache.start()
        self.cache.loading.get(load_sealing_ring, self.vault)

    def rotate(self) -> str:
        """Rotate the ring on another machine, and return a string under the new key."""
        self.ring = rotate(self.ring, now=_NOW, entropy=os.urandom, lead=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ChangeCounter, "announce", lambda *_: None)  # the counter is of one machine
            with self.store.write() as writer:
                save_sealing_ring(writer, self.ring, self.vault)
        return self.seal(self.ring)

    def seal(self, ring: SealingRing) -> str:
        """Return a string under the active key of a ring."""
        return seal(Purpose.SESSION, b"x", bound_to="b", sealing_ring=ring, now=_NOW, entropy=os.urandom)

    def open(self, text: str) -> bytes:
        """Open a string with the ring in the cache, in a thread that may wait."""
        ring = self.cache.loading.get(load_sealing_ring, self.vault)
        return unseal(Purpose.SESSION, text, bound_to="b", sealing_ring=ring)

    def open_on_loop(self, text: str) -> bytes:
        """Open a string on an event loop."""

        async def opened() -> bytes:
            ring = self.cache.cached_only.get(load_sealing_ring, self.vault)
            return unseal(Purpose.SESSION, text, bound_to="b", sealing_ring=ring)

        return asyncio.run(opened())

    def seal_unknown(self) -> str:
        """Return a string under a key that does not exist."""
        return self.seal(first_sealing_ring(now=_NOW, entropy=os.urandom))


@pytest.fixture
def node(sqlite_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """Return a node that polls."""
    monkeypatch.setattr("daypass.storage.change_queries.POLL_SECONDS", 0.1)
    node = Node(sqlite_url, clock)
    yield node
    node.cache.close()
    node.store.close()


def test_a_key_that_another_node_made_is_found(node: Node) -> None:
    """The node has not polled yet: it asks the store instead of refusing the string."""
    for _ in range(3):
        assert node.open(node.rotate()) == b"x"


def test_a_node_without_its_store_does_not_refuse(node: Node) -> None:
    """It cannot know whether the key exists: ServiceUnavailable, and after the outage the string opens."""
    node.store.is_away = True
    text = node.rotate()
    until(lambda: node.cache.is_away)
    with pytest.raises(StoreUnavailableError):
        node.open_on_loop(text)
    with pytest.raises(StoreUnavailableError):
        node.open(text)
    with pytest.raises(StoreUnavailableError):
        node.open(node.seal_unknown())
    node.store.is_away = False
    until(lambda: not node.cache.is_away)
    assert node.open(text) == b"x"


def test_an_unknown_key_is_refused_after_one_question(node: Node) -> None:
    """The event loop passes the first string on; after the answer it refuses the key itself, without a question."""
    text = node.seal_unknown()
    with pytest.raises(WouldBlockError):
        node.open_on_loop(text)
    with pytest.raises(SealBrokenError):
        node.open(text)
    begun = node.cache.queries_begun
    for _ in range(100):
        until(lambda: node.cache.is_fresh)
        with pytest.raises(SealBrokenError):
            node.open_on_loop(text)
    assert node.cache.queries_begun - begun <= 100  # polls alone; the strings cause none


def test_a_flood_of_unknown_keys_causes_few_questions(node: Node) -> None:
    """Two threads at most wait for answers, each a while: the others get ServiceUnavailable at once."""

    def outcome(text: str) -> str:
        try:
            node.open(text)
        except (SealBrokenError, StoreUnavailableError) as error:
            return type(error).__name__
        return "opened"

    texts = [node.seal_unknown() for _ in range(300)]
    begun = node.cache.queries_begun
    with ThreadPoolExecutor(16) as threads:
        outcomes = Counter(threads.map(outcome, texts))
    refused = outcomes["SealBrokenError"]
    assert outcomes["opened"] == 0
    assert 0 < refused < 300
    assert node.cache.queries_begun - begun <= 2 * refused + 20  # one for each thread that waited, and polls


def test_a_known_key_asks_nothing(node: Node) -> None:
    """A damaged string under a known key is refused without a question."""
    text = node.seal(node.ring)
    damaged = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    until(lambda: node.cache.is_fresh)
    with pytest.raises(SealBrokenError):
        node.open_on_loop(damaged)
