"""One running server for the whole folder, an account of its own for each test, and the documents that many need."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document, trust

from daypass.testing.plugin import ClientFactory

EVERYTHING = document(allow("*"))
LIST_BUCKET = document(allow("s3:ListBucket", "arn:aws:s3:::example_bucket"))
EC2 = trust(Service="ec2.amazonaws.com")


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
