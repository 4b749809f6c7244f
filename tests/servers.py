"""Fixtures that most tests of calls share: a server for each file, an account for each test, and clients."""

from collections.abc import Iterator
from typing import Any

import pytest

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run one server on a memory store for the tests of a file, each of which makes an account of its own."""
    with running_server() as running:
        yield running


@pytest.fixture
def as_caller(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@pytest.fixture
def root(server: RunningServer) -> RootKey:
    """Make an account for this test alone, and return its root key."""
    return server.new_account()


@pytest.fixture
def account(root: RootKey) -> str:
    """Return the account's twelve digits."""
    return root.account


@pytest.fixture
def iam(root: RootKey, as_caller: ClientFactory) -> Any:
    """Return a client that signs as the account's root user."""
    return as_caller("iam", root)
