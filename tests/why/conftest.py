"""Fixtures: one server, an account for each test, and refused calls."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from tests.documents import new_key
from tests.refusals import Refusal

from daypass.bootstrap import RootKey
from daypass.testing.plugin import ClientFactory


@pytest.fixture
def sts(root: RootKey, as_caller: ClientFactory) -> Any:
    """Return an STS client that signs as the account's root user."""
    return as_caller("sts", root)


@pytest.fixture
def new_user(iam: Any) -> Callable[..., Any]:
    """Make a user with one inline policy named `own`, and return its access key."""
    return partial(new_key, iam)


def decoded(client: Any, refusal: Refusal) -> Any:
    """Return the content of an encoded message."""
    assert refusal.encoded is not None
    return json.loads(client.decode_authorization_message(EncodedMessage=refusal.encoded)["DecodedMessage"])


def listed(items: Any) -> list[Any]:
    """Return the plain values of one of AWS's lists."""
    return [item["value"] for item in items["items"]]


def conditions(told: Any) -> dict[str, list[str]]:
    """Return the condition keys of the request in a message."""
    return {item["key"]: listed(item["values"]) for item in told["context"]["conditions"]["items"]}
