"""Managed policies and their versions: each answer is the same as AWS's."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import EVERYTHING, LIST_BUCKET
from tests.refusals import refused

from daypass.testing.plugin import ClientFactory

MISSING = "Policy {} version {} does not exist or is not attachable."


@pytest.mark.parametrize("path", ["/", "/test/path/"])
def test_a_policy_lives_and_is_shown_as_on_aws(iam: Any, account: str, path: str) -> None:
    """CreatePolicy omits the description, lists omit tags as well.

    GetPolicy shows tags even if there are no tags.
    """
    created = iam.create_policy(PolicyName="p", Path=path, PolicyDocument=LIST_BUCKET, Description="testing")["Policy"]
    arn = f"arn:aws:iam::{account}:policy{path}p"
    assert created.keys() == {
        "Arn",
        "AttachmentCount",
        "CreateDate",
        "DefaultVersionId",
        "IsAttachable",
        "Path",
        "PermissionsBoundaryUsageCount",
        "PolicyId",
        "PolicyName",
        "UpdateDate",
    }
    assert (created["Arn"], created["DefaultVersionId"], created["IsAttachable"]) == (arn, "v1", True)
    assert iam.get_policy(PolicyArn=arn)["Policy"] == {**created, "Description": "testing", "Tags": []}
    assert iam.list_policies(Scope="Local")["Policies"] == [created]
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.get_policy, PolicyArn=arn) == ("NoSuchEntity", 404, f"Policy {arn} was not found.")


def test_names_are_taken_without_regard_to_case(iam: Any) -> None:
    """Names that differ only in case are equal."""
    iam.create_policy(PolicyName="Same", PolicyDocument=LIST_BUCKET)
    words = "A policy called same already exists. Duplicate names are not allowed."
    got = refused(iam.create_policy, PolicyName="same", PolicyDocument=LIST_BUCKET)
    assert got == ("EntityAlreadyExists", 409, words)


def test_versions_are_numbered_once_and_listed_newest_first(iam: Any) -> None:
    """A deleted number is not used again; a policy has at most five versions."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    for number in range(2, 6):
        version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=EVERYTHING)["PolicyVersion"]
        assert (version["VersionId"], version["IsDefaultVersion"]) == (f"v{number}", False)
    words = (
        "A managed policy can have up to 5 versions. "
        "Before you create a new version, you must delete an existing version."
    )
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=EVERYTHING) == ("LimitExceeded", 409, words)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v5")
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=EVERYTHING, SetAsDefault=True)["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v6", True)
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in listed] == ["v6", "v4", "v3", "v2", "v1"]
    first = iam.list_policy_versions(PolicyArn=arn, MaxItems=2)
    rest = iam.list_policy_versions(PolicyArn=arn, Marker=first["Marker"])
    assert first["IsTruncated"]
    assert [*first["Versions"], *rest["Versions"]] == listed
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v6")["PolicyVersion"]["Document"]["Statement"] == [
        allow("*")
    ]


def test_versions_are_refused_in_the_words_of_aws(iam: Any, account: str) -> None:
    """Missing policies, missing versions and default versions have messages."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    nobody = f"arn:aws:iam::{account}:policy/TestNonExistingPolicy"
    missing = ("NoSuchEntity", 404, MISSING.format(nobody, "v1"))
    assert refused(iam.get_policy_version, PolicyArn=nobody, VersionId="v1") == missing
    assert refused(iam.set_default_policy_version, PolicyArn=nobody, VersionId="v1") == missing
    no_version = ("NoSuchEntity", 404, MISSING.format(arn, "v9"))
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v9") == no_version
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v9") == no_version
    in_force = ("DeleteConflict", 409, "Cannot delete the default version of a policy.")
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v1") == in_force
    assert refused(iam.set_default_policy_version, PolicyArn=arn, VersionId="1")[0] == "ValidationError"


def test_a_new_default_version_is_in_force_at_once(iam: Any, user_client: Callable[..., Any]) -> None:
    """A new default version applies to the next request."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document(allow("iam:ListRoles")))["Policy"]["Arn"]
    ann = user_client("ann")
    assert refused(ann.list_roles)[0] == "AccessDenied"
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    assert ann.list_roles()["Roles"] == []
    nothing = document(allow("s3:GetObject"))
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=nothing, SetAsDefault=True)
    assert refused(ann.list_roles)[0] == "AccessDenied"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    assert ann.list_roles()["Roles"] == []


def test_a_policy_in_use_or_with_versions_cannot_be_deleted(iam: Any) -> None:
    """Attachments must be removed first, then every version but the default."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    iam.create_group(GroupName="g")
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    attached = ("DeleteConflict", 409, "Cannot delete a policy attached to entities.")
    assert refused(iam.delete_policy, PolicyArn=arn) == attached
    iam.detach_group_policy(GroupName="g", PolicyArn=arn)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=LIST_BUCKET)
    assert refused(iam.delete_policy, PolicyArn=arn)[2].startswith("This policy has more than one version.")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)


def test_size_counts_without_white_space(iam: Any) -> None:
    """A managed policy has at most 6,144 characters without white space."""
    names = [f"s3:Get{number:05d}" for number in range(300)]
    text = document(allow(names))
    padded = text.replace(", ", "," + " " * 50)
    assert len(padded) > 6144
    iam.create_policy(PolicyName="padded", PolicyDocument=padded)
    large = document(allow([f"s3:Get{number:05d}" for number in range(500)]))
    got = refused(iam.create_policy, PolicyName="large", PolicyDocument=large)
    assert got == ("LimitExceeded", 409, "Cannot exceed quota for PolicySize: 6144")


def test_lists_go_by_scope_path_and_use(iam: Any) -> None:
    """Scope, OnlyAttached, PathPrefix and PolicyUsageFilter filter the list.

    All pages together contain every policy.
    """
    arn = iam.create_policy(PolicyName="a", Path="/x/", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    iam.create_policy(PolicyName="x", PolicyDocument=LIST_BUCKET)
    iam.create_user(UserName="u", PermissionsBoundary=arn)
    iam.attach_user_policy(UserName="u", PolicyArn="arn:aws:iam::aws:policy/IAMFullAccess")

    def names(**parameters: Any) -> list[str]:
        pages = iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 2}, **parameters)
        return [policy["PolicyName"] for page in pages for policy in page["Policies"]]

    assert names(Scope="Local") == ["x", "a"]
    assert "IAMFullAccess" in names(Scope="AWS")
    assert names() == [*names(Scope="Local"), *names(Scope="AWS")]
    assert names(PathPrefix="/x/") == ["a"]
    assert names(OnlyAttached=True) == ["IAMFullAccess"]
    assert names(PolicyUsageFilter="PermissionsBoundary") == ["a"]
    assert names(PolicyUsageFilter="PermissionsPolicy") == ["IAMFullAccess"]


def test_uses_of_an_aws_policy_count_in_each_account_alone(iam: Any, server: Any, as_caller: ClientFactory) -> None:
    """AttachmentCount of an AWS managed policy counts only the own account."""
    full = "arn:aws:iam::aws:policy/IAMFullAccess"
    other = as_caller("iam", server.new_account())
    for client in (iam, other):
        client.create_user(UserName="u", PermissionsBoundary=full)
        client.attach_user_policy(UserName="u", PolicyArn=full)
    policy = other.get_policy(PolicyArn=full)["Policy"]
    assert (policy["AttachmentCount"], policy["PermissionsBoundaryUsageCount"]) == (1, 1)
    iam.detach_user_policy(UserName="u", PolicyArn=full)
    assert other.get_policy(PolicyArn=full)["Policy"]["AttachmentCount"] == 1
    assert iam.get_policy(PolicyArn=full)["Policy"]["AttachmentCount"] == 0


def test_nobody_reaches_another_accounts_policy(iam: Any, server: Any, as_caller: ClientFactory) -> None:
    """A policy of another account counts as missing, even for the root user."""
    mine = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    outsider = as_caller("iam", server.new_account())
    outsider.create_user(UserName="u")
    calls: tuple[tuple[Any, dict[str, Any]], ...] = (
        (outsider.get_policy, {}),
        (outsider.get_policy_version, {"VersionId": "v1"}),
        (outsider.list_policy_versions, {}),
        (outsider.create_policy_version, {"PolicyDocument": EVERYTHING, "SetAsDefault": True}),
        (outsider.delete_policy, {}),
        (outsider.attach_user_policy, {"UserName": "u"}),
    )
    for call, parameters in calls:
        assert refused(call, PolicyArn=mine, **parameters)[0] == "NoSuchEntity"
    assert refused(outsider.create_user, UserName="v", PermissionsBoundary=mine)[0] == "NoSuchEntity"
    assert iam.get_policy(PolicyArn=mine)["Policy"]["DefaultVersionId"] == "v1"


def test_nobody_changes_a_policy_of_aws(iam: Any) -> None:
    """AWS managed policies can be read and attached, but not changed."""
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert refused(iam.delete_policy, PolicyArn=arn)[0] == "UnmodifiableEntity"
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=EVERYTHING)[0] == "UnmodifiableEntity"
    assert refused(iam.set_default_policy_version, PolicyArn=arn, VersionId="v1")[0] == "UnmodifiableEntity"
