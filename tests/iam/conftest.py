"""Fixtures for tests of IAM: a server, an account and clients.

One server runs for each file, and each test has its own account.
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document, trust

from daypass.testing.plugin import ClientFactory

EVERYTHING = document(allow("*"))
LIST_BUCKET = document(allow("s3:ListBucket", "arn:aws:s3:::example_bucket"))
EC2 = trust(Service="ec2.amazonaws.com")


def body(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without the members that the client adds."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.fixture
def user_client(iam: Any, as_caller: ClientFactory) -> Callable[..., Any]:
    """Create a user with one inline policy, and return its client."""

    def make(name: str, policy: str | None = None, **more: Any) -> Any:
        iam.create_user(UserName=name, **more)
        if policy is not None:
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
        return as_caller("iam", iam.create_access_key(UserName=name)["AccessKey"])

    return make
