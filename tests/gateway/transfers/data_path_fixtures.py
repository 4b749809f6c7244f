"""Fixtures of the tests of the data path."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from tests.gateway.transfers.passing_judge import PassingJudge
from tests.gateway.transfers.running_data_path import RawClient, RunningDataPath
from tests.gateway.transfers.scripted_store import Script, ScriptedStore, answer_all

from daypass.gateway.plan import Backend


@dataclass(frozen=True)
class PathSetup:
    """A store, a judge and the data path between them."""

    store: ScriptedStore
    judge: PassingJudge
    gateway: RunningDataPath

    def connect(self) -> RawClient:
        """Return a new connection of a client."""
        return self.gateway.connect()


MakePath = Callable[..., PathSetup]


@pytest.fixture
def make_path() -> Iterator[MakePath]:
    """Return a function that starts a store and a gateway. Keywords are the judge's, and `gateway` the gateway's."""
    with ExitStack() as stack:

        def make(script: Script = answer_all, *, gateway: dict[str, Any] | None = None, **judge: Any) -> PathSetup:
            store = ScriptedStore(script)
            stack.callback(store.close)
            passing = PassingJudge(Backend("store", "127.0.0.1", store.port, secure=False), **judge)
            running = RunningDataPath(passing, **(gateway or {}))
            stack.callback(running.close)
            return PathSetup(store, passing, running)

        yield make
