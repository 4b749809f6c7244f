"""Fixtures for tests of calls: a server, an account and clients.

Each file has a server, and each test has an account.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on a memory store for the tests of one file."""
    with running_server() as running:
        yield running


@pytest.fixture
def as_caller(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@pytest.fixture
def root(server: RunningServer) -> RootKey:
    """Create an account for this test, and return its root key."""
    return server.new_account()


@pytest.fixture
def account(root: RootKey) -> str:
    """Return the id of the account (12 digits)."""
    return root.account


@pytest.fixture
def iam(root: RootKey, as_caller: ClientFactory) -> Any:
    """Return an IAM client of the account's root user."""
    return as_caller("iam", root)
