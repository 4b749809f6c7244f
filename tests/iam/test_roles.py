"""Roles: each answer is the same as AWS's."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import document, trust
from tests.iam.conftest import EC2, LIST_BUCKET
from tests.refusals import refused

from daypass.errors import ValidationError
from daypass.testing.plugin import ClientFactory
from daypass.wire.model import load_service
from daypass.wire.operation import OperationModel

NO_ROLE = ("NoSuchEntity", 404, "The role with name ghost cannot be found.")
ALWAYS = {"Arn", "AssumeRolePolicyDocument", "CreateDate", "Path", "RoleId", "RoleName"}


def test_each_answer_shows_what_aws_shows(iam: Any, account: str) -> None:
    """CreateRole omits the description and the maximum session duration.

    Lists omit boundary, tags and last use.
    """
    tags = [{"Key": "test", "Value": "value"}]
    boundary = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    created = iam.create_role(
        RoleName="r",
        Path="/x/",
        AssumeRolePolicyDocument=EC2,
        Description="what for",
        MaxSessionDuration=7200,
        PermissionsBoundary=boundary,
        Tags=tags,
    )["Role"]
    assert created.keys() == ALWAYS | {"PermissionsBoundary", "Tags"}
    assert created["Arn"] == f"arn:aws:iam::{account}:role/x/r"
    assert created["AssumeRolePolicyDocument"] == json.loads(EC2)
    assert created["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": boundary,
    }
    more = {"Description": "what for", "MaxSessionDuration": 7200}
    assert iam.get_role(RoleName="r")["Role"] == {**created, **more, "RoleLastUsed": {}}
    listed = {name: value for name, value in created.items() if name in ALWAYS}
    assert iam.list_roles()["Roles"] == [{**listed, **more}]


def test_a_bare_role_shows_no_empty_members(iam: Any) -> None:
    """GetRole omits empty tags, boundary and description, not the last use."""
    created = iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)["Role"]
    assert created.keys() == ALWAYS
    shown = iam.get_role(RoleName="r")["Role"]
    assert shown == {**created, "MaxSessionDuration": 3600, "RoleLastUsed": {}}


def test_what_is_not_given_stays_as_it_is(iam: Any) -> None:
    """UpdateRole without parameters changes no member.

    UpdateRoleDescription returns the role.
    """
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2, Description="initial")
    iam.update_role(RoleName="r", Description="updated", MaxSessionDuration=7200)
    iam.update_role(RoleName="r")
    role = iam.get_role(RoleName="r")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("updated", 7200)
    shown = iam.update_role_description(RoleName="r", Description="again")["Role"]
    assert shown.keys() == ALWAYS | {"Description"}
    assert shown["Description"] == "again"


def test_the_longest_sign_in_is_set_and_reset(iam: Any) -> None:
    """GetRole and ListRoles show it while it is set; it is independent of the session duration."""

    def shown() -> set[Any]:
        listed = next(role for role in iam.list_roles()["Roles"] if role["RoleName"] == "r")
        return {role.get("MaxSigninSessionDuration") for role in (iam.get_role(RoleName="r")["Role"], listed)}

    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    assert shown() == {None}
    iam.update_role(RoleName="r", MaxSigninSessionDuration=3600)
    iam.update_role(RoleName="r", Description="x", MaxSessionDuration=7200, ResetMaxSigninSessionDuration=False)
    assert shown() == {3600}
    both = refused(iam.update_role, RoleName="r", MaxSigninSessionDuration=7200, ResetMaxSigninSessionDuration=True)
    assert (both.code, both.status) == ("InvalidInput", 400)
    assert "cannot be specified together" in both.words
    iam.update_role(RoleName="r", MaxSigninSessionDuration=7_776_000, ResetMaxSigninSessionDuration=False)
    assert shown() == {7_776_000}
    for _ in range(2):
        iam.update_role(RoleName="r", ResetMaxSigninSessionDuration=True)
        assert shown() == {None}
    assert iam.get_role(RoleName="r")["Role"]["MaxSessionDuration"] == 7200
    iam.create_role(RoleName="s", AssumeRolePolicyDocument=EC2, MaxSigninSessionDuration=86_400)
    assert iam.get_role(RoleName="s")["Role"]["MaxSigninSessionDuration"] == 86_400


@pytest.mark.parametrize(("seconds", "bound"), [(3599, 3600), (0, 3600), (-1, 3600), (7_776_001, 7_776_000)])
@pytest.mark.parametrize("action", ["CreateRole", "UpdateRole"])
def test_the_longest_sign_in_has_bounds(action: str, seconds: int, bound: int) -> None:
    """From an hour to ninety days, as in AWS's model. botocore would not send these values."""
    model = load_service("iam")
    given = {"RoleName": "r", "AssumeRolePolicyDocument": EC2, "MaxSigninSessionDuration": str(seconds)}
    with pytest.raises(ValidationError) as refusal:
        OperationModel("iam", model, model.operations[action]).parse(given)
    assert "'maxSigninSessionDuration' failed to satisfy constraint: Member must have value" in refusal.value.message
    assert refusal.value.message.endswith(str(bound))


def test_missing_and_taken_names_have_their_sentences(iam: Any) -> None:
    """A missing role and a name that differs only in case have AWS's messages."""
    assert refused(iam.get_role, RoleName="ghost") == NO_ROLE
    assert refused(iam.update_role, RoleName="ghost", Description="x") == NO_ROLE
    assert refused(iam.delete_role, RoleName="ghost") == NO_ROLE
    assert refused(iam.update_assume_role_policy, RoleName="ghost", PolicyDocument=EC2) == NO_ROLE
    iam.create_role(RoleName="Role", AssumeRolePolicyDocument=EC2)
    taken = ("EntityAlreadyExists", 409, "Role with name role already exists.")
    assert refused(iam.create_role, RoleName="role", AssumeRolePolicyDocument=EC2) == taken


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not valid json", "This policy contains invalid Json"),
        (
            document({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:InvalidAction"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Resource": "arn:aws:s3:::example_bucket",
                }
            ),
            "Has prohibited field Resource",
        ),
        (
            trust(AWS="arn:aws:iam::{account}:user/nobody"),
            'Invalid principal in policy: "AWS":"arn:aws:iam::{account}:user/nobody"',
        ),
    ],
)
def test_a_trust_policy_that_cannot_be_is_refused(iam: Any, account: str, text: str, words: str) -> None:
    """A new and an existing role have the same messages."""
    text, words = (each.replace("{account}", account) for each in (text, words))
    malformed = ("MalformedPolicyDocument", 400, words)
    assert refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=text) == malformed
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    assert refused(iam.update_assume_role_policy, RoleName="r", PolicyDocument=text) == malformed
    assert iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"] == json.loads(EC2)


def test_a_trust_policy_has_its_quota(iam: Any) -> None:
    """A trust policy has at most 2,048 characters without white space."""
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement] * 30})
    got = refused(iam.create_role, RoleName="r", AssumeRolePolicyDocument=text)
    assert got == ("LimitExceeded", 409, "Cannot exceed quota for ACLSizePerRole: 2048")


def test_a_recreated_user_is_not_in_the_trust_policy(iam: Any, account: str) -> None:
    """A trust policy stores the unique id of a principal.

    A deleted user is shown as its id, and a new user with its name does not match.
    """
    user = iam.create_user(UserName="ann")["User"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(AWS=user["Arn"]))

    def principal() -> str:
        statement = iam.get_role(RoleName="r")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]
        return str(statement["Principal"]["AWS"])

    assert principal() == user["Arn"]
    iam.update_user(UserName="ann", NewUserName="bea")
    assert principal() == f"arn:aws:iam::{account}:user/bea"
    iam.delete_user(UserName="bea")
    iam.create_user(UserName="ann")
    assert principal() == user["UserId"]


def test_roles_are_listed_by_path_in_pages(iam: Any) -> None:
    """The prefix applies only to the path; all pages contain every role."""
    for path, name in (("/", "a-name"), ("/a/", "one"), ("/a/b/", "two"), ("/ab/", "three")):
        iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=EC2)

    def names(prefix: str) -> set[str]:
        pages = iam.get_paginator("list_roles").paginate(PathPrefix=prefix, PaginationConfig={"PageSize": 1})
        return {role["RoleName"] for page in pages for role in page["Roles"]}

    assert names("/") == {"a-name", "one", "two", "three"}
    assert names("/a") == {"one", "two", "three"}
    assert names("/a/") == {"one", "two"}
    assert names("/nonexistent-path/") == set()
    assert refused(iam.list_roles, Marker="?")[0] == "ValidationError"


def test_service_linked_roles_change_by_their_service_alone(iam: Any, account: str) -> None:
    """A caller can change only the description and the tags.

    DeleteServiceLinkedRole deletes the role, and the status of its task is returned.
    """
    made = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", Description="for ecs")["Role"]
    name, arn = "AWSServiceRoleForECS", f"arn:aws:iam::{account}:role/aws-service-role/ecs.amazonaws.com/"
    assert (made["RoleName"], made["Arn"], made["Description"]) == (name, arn + name, "for ecs")
    assert made["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": ["ecs.amazonaws.com"]}
    protected = (
        "UnmodifiableEntity",
        400,
        f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS",
    )
    full = "arn:aws:iam::aws:policy/IAMFullAccess"
    assert refused(iam.attach_role_policy, RoleName=name, PolicyArn=full) == protected
    assert refused(iam.put_role_policy, RoleName=name, PolicyName="p", PolicyDocument=LIST_BUCKET) == protected
    assert refused(iam.update_assume_role_policy, RoleName=name, PolicyDocument=EC2) == protected
    assert refused(iam.put_role_permissions_boundary, RoleName=name, PermissionsBoundary=full) == protected
    assert refused(iam.update_role, RoleName=name, MaxSigninSessionDuration=3600) == protected
    assert refused(iam.update_role, RoleName=name, ResetMaxSigninSessionDuration=True) == protected
    assert refused(iam.delete_role, RoleName=name) == protected
    iam.update_role_description(RoleName=name, Description="other")
    iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "b"}])
    words = f"Service role name {name} has been taken in this account, please try a different suffix."
    taken = ("InvalidInput", 400, words)
    assert refused(iam.create_service_linked_role, AWSServiceName="ecs.amazonaws.com") == taken
    iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", CustomSuffix="two")
    task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
    assert task.startswith(f"task/aws-service-role/ecs.amazonaws.com/{name}/")
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refused(iam.get_service_linked_role_deletion_status, DeletionTaskId=task + "0")[0] == "NoSuchEntity"
    assert refused(iam.get_role, RoleName=name)[0] == "NoSuchEntity"


def test_a_role_for_no_service_is_refused(iam: Any) -> None:
    """The name of a service is its service principal."""
    assert refused(iam.create_service_linked_role, AWSServiceName="ecs")[0] == "InvalidInput"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    assert refused(iam.delete_service_linked_role, RoleName="r")[0] == "InvalidInput"


def test_accounts_do_not_see_each_others_roles(iam: Any, server: Any, as_caller: ClientFactory) -> None:
    """Two accounts can have different roles with the same name."""
    other = as_caller("iam", server.new_account())
    for client in (iam, other):
        client.create_role(RoleName="same", AssumeRolePolicyDocument=EC2)
    other.delete_role(RoleName="same")
    assert iam.get_role(RoleName="same")["Role"]["RoleName"] == "same"


def test_boundaries_bind_at_once(iam: Any, user_client: Callable[..., Any]) -> None:
    """A new boundary limits the permissions at once.

    The removal of the boundary restores them.
    """
    everything = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    ann = user_client("ann", everything)
    assert ann.list_roles()["Roles"] == []
    no_lists = iam.create_policy(PolicyName="b", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary=no_lists)
    assert "no permissions boundary allows" in refused(ann.list_roles)[2]
    assert iam.get_policy(PolicyArn=no_lists)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    assert refused(iam.delete_policy, PolicyArn=no_lists)[0] == "DeleteConflict"
    iam.delete_user_permissions_boundary(UserName="ann")
    assert ann.list_roles()["Roles"] == []
    assert iam.get_policy(PolicyArn=no_lists)["Policy"]["PermissionsBoundaryUsageCount"] == 0


def test_a_boundary_must_be_a_policy_that_is_there(iam: Any, account: str) -> None:
    """AWS's messages for boundaries differ from those for attachments."""
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    invalid = f"arn:aws:iam::{account}:not_a_policy/invalid"
    words = ("InvalidInput", 400, f"ARN {invalid} is not valid.")
    assert refused(iam.put_role_permissions_boundary, RoleName="r", PermissionsBoundary=invalid) == words
    new: dict[str, Any] = {"RoleName": "s", "AssumeRolePolicyDocument": EC2}
    assert refused(iam.create_role, **new, PermissionsBoundary=invalid) == words
    missing = f"arn:aws:iam::{account}:policy/nonexistent-policy"
    words = ("NoSuchEntity", 404, f"Scope ARN: {missing} does not exist or is not attachable.")
    assert refused(iam.put_role_permissions_boundary, RoleName="r", PermissionsBoundary=missing) == words
    assert refused(iam.create_role, **new, PermissionsBoundary=missing) == words
    assert refused(iam.put_role_permissions_boundary, RoleName="ghost", PermissionsBoundary=missing) == NO_ROLE
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["r"]
