"""One running server for the whole folder, an account of its own for each test, and short ways to be refused."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

HEADER = "x-daypass-authorization-message"


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call was refused. `encoded` is its encoded authorization message, None where there is none."""

    code: str
    words: str
    encoded: str | None


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on a memory store."""
    with running_server() as running:
        yield running


@pytest.fixture
def root(server: RunningServer) -> RootKey:
    """Make an account for this test alone, and return its root key."""
    return server.new_account()


@pytest.fixture
def account(root: RootKey) -> str:
    """Return the account's twelve digits."""
    return root.account


@pytest.fixture
def as_caller(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@pytest.fixture
def iam(root: RootKey, as_caller: ClientFactory) -> Any:
    """Return an IAM client that signs as the account's root user."""
    return as_caller("iam", root)


@pytest.fixture
def sts(root: RootKey, as_caller: ClientFactory) -> Any:
    """Return an STS client that signs as the account's root user."""
    return as_caller("sts", root)


@pytest.fixture
def new_user(iam: Any) -> Callable[..., Any]:
    """Make a user with one inline policy named `own`, and return its access key."""

    def make(name: str, *statements: dict[str, Any], **more: Any) -> Any:
        iam.create_user(UserName=name, **more)
        if statements:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
        return iam.create_access_key(UserName=name)["AccessKey"]

    return make


def document(*statements: dict[str, Any]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that denies."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trusting(principal: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """Return a statement of a trust policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


def refused(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """Return how a call is refused. Fails where it is not."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer: Any = caught.value.response
    encoded = answer["ResponseMetadata"]["HTTPHeaders"].get(HEADER)
    return Refusal(answer["Error"]["Code"], answer["Error"].get("Message", ""), encoded)


def decoded(client: Any, refusal: Refusal) -> Any:
    """Return what an encoded message tells."""
    assert refusal.encoded is not None
    return json.loads(client.decode_authorization_message(EncodedMessage=refusal.encoded)["DecodedMessage"])


def listed(items: Any) -> list[Any]:
    """Return the plain values of one of AWS's lists."""
    return [item["value"] for item in items["items"]]


def conditions(told: Any) -> dict[str, list[str]]:
    """Return the request's keys as a message tells them."""
    return {item["key"]: listed(item["values"]) for item in told["context"]["conditions"]["items"]}
