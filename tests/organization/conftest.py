"""A server for each test whose first account stands alone; the organization is made by the tests that need one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daypass.bootstrap import RootKey
from daypass.directory import organization_changes as changes
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

Refusal = tuple[str, int, str]
"""Code, status and words."""


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server on a memory store."""
    with running_server() as running:
        yield running


@pytest.fixture
def as_caller(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@dataclass(frozen=True)
class Tree:
    """An organization with a manager, a member in a unit and a member at the top."""

    server: RunningServer
    manager: RootKey
    member: RootKey
    other: RootKey
    unit: str

    def change(self, function: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Make one change of the organization, as the operators' command does."""
        with self.server.there.store.write() as writer:
            return function(writer, *args, **more)

    def guard(self, target: str, *statements: dict[str, Any], name: str = "guard", kind: str = "service") -> None:
        """Attach a control policy to a level."""
        self.change(changes.set_policy, target, kind, name, document(*statements))


@pytest.fixture
def tree(server: RunningServer) -> Tree:
    """Make the organization."""
    manager = server.new_account(standing="management")
    member, other = server.new_account(), server.new_account()
    with server.there.store.write() as writer:
        unit = changes.create_unit(writer, "/", "prod", entropy=server.there.entropy).id
        changes.move_account(writer, member.account, "/prod")
    return Tree(server, manager, member, other, unit)


def document(*statements: dict[str, Any]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that denies."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def refused(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """Return how a call is refused. Fails where it is not."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


@pytest.fixture
def user_of(as_caller: ClientFactory) -> Callable[..., Any]:
    """Make a user with one inline policy in an account, and return its access key."""

    def make(root: RootKey, name: str, policy: str | None = None) -> Any:
        iam = as_caller("iam", root)
        iam.create_user(UserName=name)
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
        return iam.create_access_key(UserName=name)["AccessKey"]

    return make
