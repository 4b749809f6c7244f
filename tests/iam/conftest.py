"""One running server for the whole folder, an account of its own for each test, and the documents that many need."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

Refusal = tuple[str, int, str]
"""Code, status and words."""


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
def as_caller(server: RunningServer) -> ClientFactory:
    """Make clients of the server."""
    return client_factory(server)


@pytest.fixture
def iam(root: RootKey, as_caller: ClientFactory) -> Any:
    """Return a client that signs as the account's root user."""
    return as_caller("iam", root)


@pytest.fixture
def account(root: RootKey) -> str:
    """Return the account's twelve digits."""
    return root.account


def document(*statements: dict[str, Any]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(**principal: Any) -> str:
    """Return a trust policy for a principal."""
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


EVERYTHING = document(allow("*"))
LIST_BUCKET = document(allow("s3:ListBucket", "arn:aws:s3:::example_bucket"))
EC2 = trust(Service="ec2.amazonaws.com")


def refused(call: Callable[..., Any], **parameters: Any) -> Refusal:
    """Return how a call is refused. Fails where it is not."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


def body(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without what the client adds to it."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.fixture
def user_client(iam: Any, as_caller: ClientFactory) -> Callable[..., Any]:
    """Make a user with one inline policy, and a client that signs as that user."""

    def make(name: str, policy: str | None = None, **more: Any) -> Any:
        iam.create_user(UserName=name, **more)
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
        return as_caller("iam", iam.create_access_key(UserName=name)["AccessKey"])

    return make
