"""A server for each test, whose first account is standalone.

Tests that need an organization create it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.documents import document

from daypass.bootstrap import RootKey
from daypass.directory.organization import organization_changes as changes
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


@pytest.fixture
def server(daypass_server: RunningServer) -> RunningServer:
    """Return a server for one test; its first account is standalone."""
    return daypass_server


@dataclass(frozen=True)
class Tree:
    """An organization with a manager, a member in a unit and a member at the top."""

    server: RunningServer
    manager: RootKey
    member: RootKey
    other: RootKey
    unit: str

    def change(self, function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Make one change of the organization, like the operators' command."""
        with self.server.there.store.write() as writer:
            return function(writer, *args, **more)

    def guard(self, target: str, *statements: dict[str, Any], name: str = "guard", kind: str = "service") -> None:
        """Attach a control policy to a level."""
        self.change(changes.set_policy, target, kind, name, document(*statements))


@pytest.fixture
def tree(server: RunningServer) -> Tree:
    """Create the organization."""
    manager = server.new_account(standing="management")
    member, other = server.new_account(), server.new_account()
    with server.there.store.write() as writer:
        unit = changes.create_unit(writer, "/", "prod", entropy=server.there.entropy).id
        changes.move_account(writer, member.account, "/prod")
    return Tree(server, manager, member, other, unit)


@pytest.fixture
def user_of(as_caller: ClientFactory) -> Callable[..., Any]:
    """Create a user with one inline policy in an account, and return its access key."""

    def make(root: RootKey, name: str, policy: str | None = None) -> Any:
        iam = as_caller("iam", root)
        iam.create_user(UserName=name)
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
        return iam.create_access_key(UserName=name)["AccessKey"]

    return make
