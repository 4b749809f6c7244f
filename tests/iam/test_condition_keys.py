"""The condition keys and resources of IAM's actions.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM".
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import EC2, EVERYTHING, LIST_BUCKET
from tests.refusals import refused

READ_ONLY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


def on(operator: str, key: str, value: Any) -> dict[str, Any]:
    """Return a condition as a member of a statement."""
    return {"Condition": {operator: {key: value}}}


def test_policies_are_attached_by_arn(iam: Any, user_client: Callable[..., Any]) -> None:
    """iam:PolicyARN limits which policies can be attached and detached."""
    iam.create_user(UserName="target")
    some = on("ArnEquals", "iam:PolicyARN", READ_ONLY)
    ann = user_client("ann", document(allow(["iam:AttachUserPolicy", "iam:DetachUserPolicy"], **some)))
    ann.attach_user_policy(UserName="target", PolicyArn=READ_ONLY)
    ann.detach_user_policy(UserName="target", PolicyArn=READ_ONLY)
    assert refused(ann.attach_user_policy, UserName="target", PolicyArn=ADMIN)[0] == "AccessDenied"
    assert refused(ann.attach_user_policy, UserName="ann", PolicyArn=ADMIN)[0] == "AccessDenied"


@pytest.mark.parametrize("key", ["iam:ResourceTag/team", "aws:ResourceTag/team"])
def test_things_are_known_by_their_tags(iam: Any, user_client: Callable[..., Any], key: str) -> None:
    """Both keys have the tags of the user, role or policy in the request."""
    blue, red = ([{"Key": "team", "Value": value}] for value in ("blue", "red"))
    for name, tags in (("mine", blue), ("theirs", red)):
        iam.create_user(UserName=name, Tags=tags)
        iam.create_role(RoleName=name, Tags=tags, AssumeRolePolicyDocument=EC2)
    blue_arn, red_arn = (
        iam.create_policy(PolicyName=tags[0]["Value"], Tags=tags, PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
        for tags in (blue, red)
    )
    ann = user_client("ann", document(allow("iam:*", **on("StringEquals", key, "blue"))))
    ann.put_user_policy(UserName="mine", PolicyName="p", PolicyDocument=EVERYTHING)
    ann.create_access_key(UserName="mine")
    ann.get_user(UserName="mine")
    ann.update_role(RoleName="mine", Description="x")
    ann.create_policy_version(PolicyArn=blue_arn, PolicyDocument=EVERYTHING, SetAsDefault=True)
    refusals = (
        refused(ann.put_user_policy, UserName="theirs", PolicyName="p", PolicyDocument=EVERYTHING),
        refused(ann.create_access_key, UserName="theirs"),
        refused(ann.get_user, UserName="theirs"),
        refused(ann.update_role, RoleName="theirs", Description="x"),
        refused(ann.create_policy_version, PolicyArn=red_arn, PolicyDocument=EVERYTHING),
    )
    assert {code for code, _, _ in refusals} == {"AccessDenied"}


def test_tags_in_the_request_are_known(user_client: Callable[..., Any]) -> None:
    """aws:RequestTag and aws:TagKeys have the tags in the request."""
    given = {
        "StringEquals": {"aws:RequestTag/team": "blue"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }
    ann = user_client("ann", document(allow(["iam:CreateUser", "iam:TagUser"], Condition=given)))
    blue, more = {"Key": "team", "Value": "blue"}, {"Key": "more", "Value": ""}
    ann.create_user(UserName="u", Tags=[blue])
    assert refused(ann.create_user, UserName="v")[0] == "AccessDenied"
    assert refused(ann.create_user, UserName="v", Tags=[{"Key": "team", "Value": "red"}])[0] == "AccessDenied"
    assert refused(ann.create_user, UserName="v", Tags=[blue, more])[0] == "AccessDenied"
    assert refused(ann.tag_user, UserName="u", Tags=[more])[0] == "AccessDenied"
    ann.tag_user(UserName="u", Tags=[blue])


@pytest.mark.parametrize(
    ("create", "tag", "parameters"),
    [
        ("create_user", "iam:TagUser", {"UserName": "t"}),
        ("create_role", "iam:TagRole", {"RoleName": "t", "AssumeRolePolicyDocument": EC2}),
        ("create_policy", "iam:TagPolicy", {"PolicyName": "t", "PolicyDocument": LIST_BUCKET}),
        ("create_instance_profile", "iam:TagInstanceProfile", {"InstanceProfileName": "t"}),
    ],
)
def test_what_is_born_with_tags_is_also_tagged(
    user_client: Callable[..., Any], create: str, tag: str, parameters: dict[str, Any]
) -> None:
    """Creating with tags requires two permissions; without tags, one."""
    ann = user_client("ann", document(allow("iam:Create*")))
    tags = [{"Key": "a", "Value": "b"}]
    assert f"perform: {tag} on" in refused(getattr(ann, create), **parameters, Tags=tags)[2]
    getattr(ann, create)(**parameters)


def test_renaming_asks_about_both_names(iam: Any, account: str, user_client: Callable[..., Any]) -> None:
    """A rename requires the permission for the old and the new name and path."""
    iam.create_user(UserName="u", Path="/mine/")
    iam.create_group(GroupName="g", Path="/mine/")
    mine = [f"arn:aws:iam::{account}:{kind}/mine/*" for kind in ("user", "group")]
    ann = user_client("ann", document(allow(["iam:UpdateUser", "iam:UpdateGroup"], mine)))
    ann.update_user(UserName="u", NewUserName="v")
    assert refused(ann.update_user, UserName="v", NewPath="/")[0] == "AccessDenied"
    assert refused(ann.update_group, GroupName="g", NewPath="/admins/")[0] == "AccessDenied"
    ann.update_group(GroupName="g", NewGroupName="h")


def test_service_linked_roles_are_made_by_service(user_client: Callable[..., Any]) -> None:
    """iam:AWSServiceName limits the services."""
    some = on("StringLike", "iam:AWSServiceName", "ecs.amazonaws.com")
    ann = user_client("ann", document(allow("iam:CreateServiceLinkedRole", **some)))
    ann.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")
    assert refused(ann.create_service_linked_role, AWSServiceName="rds.amazonaws.com")[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("call", "parameters", "action", "resource"),
    [
        ("list_users", {}, "ListUsers", "user/"),
        ("list_users", {"PathPrefix": "/x/"}, "ListUsers", "user/x/"),
        ("list_roles", {}, "ListRoles", "role/"),
        ("list_groups", {}, "ListGroups", "group/"),
        ("list_instance_profiles", {}, "ListInstanceProfiles", "instance-profile/"),
        ("get_user", {"UserName": "ghost"}, "GetUser", "user/ghost"),
        ("get_role", {"RoleName": "there"}, "GetRole", "role/x/there"),
        ("delete_group", {"GroupName": "ghost"}, "DeleteGroup", "group/ghost"),
        ("create_user", {"UserName": "new", "Path": "/y/"}, "CreateUser", "user/y/new"),
        ("get_instance_profile", {"InstanceProfileName": "p"}, "GetInstanceProfile", "instance-profile/p"),
        ("create_access_key", {}, "CreateAccessKey", "user/ann"),
    ],
)
def test_each_action_asks_about_its_resource(  # noqa: PLR0917 - a row of the table, and two fixtures
    iam: Any,
    account: str,
    user_client: Callable[..., Any],
    call: str,
    parameters: dict[str, Any],
    action: str,
    resource: str,
) -> None:
    """The refusal names the resource, with the path of the existing entity."""
    iam.create_role(RoleName="there", Path="/x/", AssumeRolePolicyDocument=EC2)
    arn = f"arn:aws:iam::{account}:{resource}"
    words = (
        f"User: arn:aws:iam::{account}:user/ann is not authorized to perform: iam:{action} "
        f"on resource: {arn} because no identity-based policy allows the iam:{action} action"
    )
    assert refused(getattr(user_client("ann"), call), **parameters) == ("AccessDenied", 403, words)
