"""A store without a server, and request contexts of it at chosen instants."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar, TypeVarTuple

from daypass.authenticate.keychain import Keychain
from daypass.config import Config
from daypass.directory.store import Reader
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.storage.master_key import MasterKeySource
from daypass.testing.clock import MovableClock
from daypass.wiring_store import open_everything

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Scene:
    """An empty memory store. The views read the store without a cache."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.clock.freeze(NOW)
        self.there = open_everything(Config(store="memory:"), MasterKeySource(), clock=self.clock)

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the value of a loader now."""
        with self.there.store.read() as reader:
            return loader(reader, *args)

    def at(self, seconds: float = 0) -> RequestContext:
        """Return the request context at a number of seconds after the start."""
        self.clock.freeze(NOW + timedelta(seconds=seconds))
        vault = self.there.vault
        return RequestContext(
            self.clock.now(),
            "us-east-1",
            self,
            lambda: self.get(load_sealing_ring, vault),
            self.there.entropy,
            vault,
            Keychain(vault),
            ServiceSettings(public_url="https://sts.example.com"),
            self.there.store.write,
            self.there.store.read,
        )
