"""Sessions whose managed policies change later."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import running_server


@pytest.fixture(scope="module")
def clients() -> Iterator[ClientFactory]:
    """Run a server."""
    with running_server() as server:
        yield client_factory(server)


def document(effect: str, action: str) -> str:
    """Return a policy of one statement."""
    statement = {"Effect": effect, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def may_list_users(iam: Any) -> bool:
    """Return whether a session may list users."""
    try:
        iam.list_users()
    except ClientError as refusal:
        assert refusal.response["Error"]["Code"] == "AccessDenied"  # noqa: PT017 - the only refusal expected
        return False
    return True


@pytest.mark.parametrize("inline", [False, True])
def test_a_policy_that_is_deleted_widens_no_session(clients: ClientFactory, *, inline: bool) -> None:
    """A deleted Deny policy does not give a session more access: without it, the session may not do anything."""
    iam, name = clients("iam"), f"narrowed-{inline}"
    user = iam.create_user(UserName=name)["User"]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document("Allow", "*"))
    trust = {"Effect": "Allow", "Principal": {"AWS": user["Arn"].split(":")[4]}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document("Allow", "iam:*"))
    everything, denying = (
        iam.create_policy(PolicyName=f"{name}-{effect}", PolicyDocument=document(effect, action))["Policy"]["Arn"]
        for effect, action in (("Allow", "*"), ("Deny", "iam:ListUsers"))
    )
    sts = clients("sts", iam.create_access_key(UserName=name)["AccessKey"])
    given: dict[str, Any] = {"PolicyArns": [{"arn": denying}], "Policy": document("Allow", "*")}
    if not inline:
        given = {"PolicyArns": [{"arn": everything}, {"arn": denying}]}
    session = sts.assume_role(RoleArn=role, RoleSessionName="session", **given)["Credentials"]
    narrowed = clients("iam", session)
    assert narrowed.list_roles()
    assert not may_list_users(narrowed)
    iam.delete_policy(PolicyArn=denying)
    assert not may_list_users(narrowed)
    # Sessions without the deleted policy keep working.
    without = sts.assume_role(RoleArn=role, RoleSessionName="session", PolicyArns=[{"arn": everything}])["Credentials"]
    assert may_list_users(clients("iam", without))
