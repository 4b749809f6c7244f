"""Policy documents, and users with policies."""

import json
from typing import Any


def document(*statements: dict[str, Any]) -> str:
    """Return a policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return an Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a Deny statement."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trusting(principal: Any, action: Any = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """Return a statement of a trust policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


def trust(**principal: Any) -> str:
    """Return a trust policy for a principal."""
    return document(trusting(principal))


def new_key(iam: Any, name: str, *statements: dict[str, Any], **more: Any) -> Any:
    """Create a user with one inline policy `own`, and return its access key."""
    iam.create_user(UserName=name, **more)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document(*statements))
    return iam.create_access_key(UserName=name)["AccessKey"]
