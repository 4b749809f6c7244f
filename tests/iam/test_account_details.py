"""The details of an account, and the users and grants of a policy.

GetAccountAuthorizationDetails, ListEntitiesForPolicy and ListPoliciesGrantingServiceAccess.
"""

import json
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import EC2, LIST_BUCKET, body
from tests.refusals import refused

FULL = "arn:aws:iam::aws:policy/IAMFullAccess"
ATTACHED_FULL = {"PolicyName": "IAMFullAccess", "PolicyArn": FULL}
LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")


@pytest.fixture
def own(iam: Any) -> str:
    """Fill the account and return the ARN of its policy.

    Creates a user in a group, a role in a profile and a policy, and one of each without attachments.
    """
    arn: str = iam.create_policy(PolicyName="own", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    iam.create_user(UserName="u", Path="/x/", PermissionsBoundary=arn, Tags=[{"Key": "k", "Value": "v"}])
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="u")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    iam.create_instance_profile(InstanceProfileName="p")
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    for put, holder in (
        (iam.put_user_policy, {"UserName": "u"}),
        (iam.put_group_policy, {"GroupName": "g"}),
        (iam.put_role_policy, {"RoleName": "r"}),
    ):
        put(**holder, PolicyName="inline", PolicyDocument=LIST_BUCKET)
    iam.attach_user_policy(UserName="u", PolicyArn=FULL)
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    iam.attach_role_policy(RoleName="r", PolicyArn=FULL)
    iam.create_user(UserName="bare")
    return arn


def test_everything_is_shown_with_all_that_binds_it(iam: Any, own: str) -> None:
    """Empty lists are shown, except a user's inline policies."""
    details = body(iam.get_account_authorization_details())
    inline = [{"PolicyName": "inline", "PolicyDocument": json.loads(LIST_BUCKET)}]
    bare, user = sorted(details["UserDetailList"], key=lambda one: str(one["UserName"]))
    assert user["UserPolicyList"] == inline
    assert (user["GroupList"], user["AttachedManagedPolicies"]) == (["g"], [ATTACHED_FULL])
    assert user["PermissionsBoundary"]["PermissionsBoundaryArn"] == own
    assert user["Tags"] == [{"Key": "k", "Value": "v"}]
    empty: dict[str, Any] = {"GroupList": [], "AttachedManagedPolicies": [], "Tags": []}
    assert bare == {**iam.get_user(UserName="bare")["User"], **empty}
    (group,) = details["GroupDetailList"]
    assert group["GroupPolicyList"] == inline
    assert group["AttachedManagedPolicies"] == [{"PolicyName": "own", "PolicyArn": own}]
    (role,) = details["RoleDetailList"]
    assert role.keys() == {
        "Arn",
        "AssumeRolePolicyDocument",
        "AttachedManagedPolicies",
        "CreateDate",
        "InstanceProfileList",
        "Path",
        "RoleId",
        "RoleLastUsed",
        "RoleName",
        "RolePolicyList",
        "Tags",
    }
    assert role["InstanceProfileList"][0]["Roles"][0]["RoleName"] == "r"
    mine, aws = details["Policies"]
    assert (mine["Arn"], mine["AttachmentCount"], mine["PermissionsBoundaryUsageCount"]) == (own, 1, 1)
    assert mine["PolicyVersionList"][0]["Document"] == json.loads(LIST_BUCKET)
    assert (aws["Arn"], aws["AttachmentCount"]) == (FULL, 2)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("User", {"UserDetailList": 2}),
        ("Group", {"GroupDetailList": 1}),
        ("Role", {"RoleDetailList": 1}),
        ("LocalManagedPolicy", {"Policies": 1}),
        ("AWSManagedPolicy", {"Policies": 1}),
    ],
)
def test_a_filter_leaves_the_other_lists_empty(iam: Any, own: str, kind: str, names: dict[str, int]) -> None:
    """With any filter, the answer has every list."""
    details = body(iam.get_account_authorization_details(Filter=[kind]))
    assert {name: len(details[name]) for name in LISTS} == {**dict.fromkeys(LISTS, 0), **names}


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_run_on_through_the_lists(iam: Any, own: str, size: int) -> None:
    """Pages of any size contain every entity exactly once."""
    whole = body(iam.get_account_authorization_details())
    joined: dict[str, list[Any]] = {name: [] for name in LISTS}
    pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": size})
    for page in pages:
        assert sum(len(page[name]) for name in LISTS) <= size
        for name in LISTS:
            joined[name] += page[name]
    assert joined == {name: whole[name] for name in LISTS}


def test_who_uses_a_policy_is_listed_by_use_kind_and_path(iam: Any, own: str) -> None:
    """Attachments and boundaries both count, unless a filter selects one."""

    def users(**parameters: Any) -> dict[str, list[str]]:
        answer = iam.list_entities_for_policy(PolicyArn=own, **parameters)
        return {
            word: [one[f"{word}Name"] for one in answer[f"Policy{word}s"]]
            for word in ("User", "Group", "Role")
            if answer[f"Policy{word}s"]
        }

    assert users() == {"User": ["u"], "Group": ["g"]}
    assert users(PolicyUsageFilter="PermissionsPolicy") == {"Group": ["g"]}
    assert users(PolicyUsageFilter="PermissionsBoundary") == {"User": ["u"]}
    assert users(EntityFilter="User") == {"User": ["u"]}
    assert users(EntityFilter="Role") == {}
    assert users(PathPrefix="/x/") == {"User": ["u"]}
    first = iam.list_entities_for_policy(PolicyArn=own, MaxItems=1)
    rest = iam.list_entities_for_policy(PolicyArn=own, Marker=first["Marker"])
    assert len(first["PolicyUsers"] + first["PolicyGroups"] + rest["PolicyUsers"] + rest["PolicyGroups"]) == 2
    assert refused(iam.list_entities_for_policy, PolicyArn=own + "x")[0] == "NoSuchEntity"


def test_the_policies_that_let_somebody_into_a_service_are_listed(iam: Any, account: str, own: str) -> None:
    """The policies of a user and of its groups count.

    Wildcards and NotAction count too.
    """
    arn = f"arn:aws:iam::{account}:user/x/u"
    (s3, iam_, ec2) = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=["s3", "iam", "ec2"])[
        "PoliciesGrantingServiceAccess"
    ]
    assert [(one["PolicyType"], one["PolicyName"]) for one in s3["Policies"]] == [
        ("INLINE", "inline"),
        ("INLINE", "inline"),
        ("MANAGED", "own"),
    ]
    assert [one.get("EntityType") for one in s3["Policies"]] == ["USER", "GROUP", None]
    assert iam_["Policies"] == [{"PolicyType": "MANAGED", **ATTACHED_FULL}]
    assert ec2["Policies"] == []
    but_iam = document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, allow("s*:Get*"))
    iam.put_user_policy(UserName="bare", PolicyName="n", PolicyDocument=but_iam)
    granting = iam.list_policies_granting_service_access(
        Arn=f"arn:aws:iam::{account}:user/bare", ServiceNamespaces=["ec2", "iam"]
    )["PoliciesGrantingServiceAccess"]
    assert [len(one["Policies"]) for one in granting] == [1, 0]
    unknown = f"arn:aws:iam::{account}:user/u"
    asked = {"Arn": unknown, "ServiceNamespaces": ["s3"]}
    assert refused(iam.list_policies_granting_service_access, **asked)[0] == "NoSuchEntity"
