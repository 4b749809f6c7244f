"""Control policies apply to the accounts of an organization, level by level."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from tests.documents import allow, deny, document
from tests.organization.conftest import Tree
from tests.refusals import refused

from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.directory.organization import organization_changes as changes
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def test_a_new_member_may_do_all_that_it_could_alone(tree: Tree, as_caller: ClientFactory) -> None:
    """FullAWSAccess and RCPFullAWSAccess are attached to every level from the start."""
    iam = as_caller("iam", tree.member)
    iam.create_user(UserName="alice")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["alice"]


@pytest.mark.parametrize("level", ["/", "/prod", "account"])
def test_a_denial_at_any_level_binds_the_root_user_of_a_member(
    tree: Tree, as_caller: ClientFactory, level: str
) -> None:
    """A service control policy applies to a member's root user too, with AWS's message."""
    tree.guard(tree.member.account if level == "account" else level, deny("iam:ListUsers"))
    code, status, words = refused(as_caller("iam", tree.member).list_users)
    assert (code, status) == ("AccessDenied", 403)
    assert words == (
        f"User: arn:aws:iam::{tree.member.account}:root is not authorized to perform: iam:ListUsers on resource: "
        f"arn:aws:iam::{tree.member.account}:user/ with an explicit deny in a service control policy"
    )


def test_the_management_account_is_bound_by_nothing(tree: Tree, as_caller: ClientFactory) -> None:
    """Control policies at the root do not apply to the management account."""
    tree.guard("/", deny("*"))
    assert as_caller("iam", tree.manager).list_users()["Users"] == []


def test_a_level_without_an_allow_denies(tree: Tree, as_caller: ClientFactory) -> None:
    """Each level needs its own Allow.

    An Allow of another level does not count.
    """
    tree.guard("/prod", allow("iam:*"), name="only-iam")
    tree.change(changes.remove_policy, "/prod", "service", "FullAWSAccess")
    assert as_caller("iam", tree.member).list_users()["Users"] == []
    assert as_caller("iam", tree.other).list_users()["Users"] == []
    code, _, words = refused(as_caller("sts", tree.member).get_federation_token, Name="visitor")
    assert code == "AccessDenied"
    assert words.endswith("because no service control policy allows the sts:GetFederationToken action")


def test_an_account_that_moves_is_bound_by_where_it_stands(tree: Tree, as_caller: ClientFactory) -> None:
    """A move counts from the next request on."""
    tree.guard("/prod", deny("iam:ListUsers"))
    iam = as_caller("iam", tree.other)
    assert iam.list_users()["Users"] == []
    tree.change(changes.move_account, tree.other.account, "/prod")
    assert refused(iam.list_users)[0] == "AccessDenied"
    tree.change(changes.remove_account, tree.other.account)
    assert iam.list_users()["Users"] == []


def test_repeated_calls_follow_each_change_of_the_organization(
    tree: Tree, as_caller: ClientFactory, user_of: Callable[..., Any]
) -> None:
    """What the server keeps of a user's first call does not outlive the control policies that it was made with."""
    key = user_of(tree.other, "alice", document(allow("*")))
    iam, sts = as_caller("iam", key), as_caller("sts", key)
    changes_and_rights: list[tuple[Callable[[], Any], bool, bool]] = [
        (lambda: None, True, True),
        (lambda: tree.guard("/", deny("iam:ListUsers")), False, True),
        (lambda: tree.guard("/", deny("sts:*")), True, False),
        (lambda: tree.change(changes.remove_policy, "/", "service", "guard"), True, True),
        (lambda: tree.guard("/prod", deny("*")), True, True),
        (lambda: tree.change(changes.move_account, tree.other.account, "/prod"), False, False),
        (lambda: tree.change(changes.remove_account, tree.other.account), True, True),
    ]
    for change, may_list, may_federate in changes_and_rights:
        change()
        for _ in range(3):
            assert (_is_allowed(iam.list_users), _is_allowed(_federate(sts))) == (may_list, may_federate)


def _federate(sts: Any) -> Callable[[], Any]:
    return lambda: sts.get_federation_token(Name="visitor")


def _is_allowed(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDenied":
            return False
        raise
    return True


def test_a_service_linked_role_is_bound_by_no_service_control_policy(
    tree: Tree, as_caller: ClientFactory, server: RunningServer
) -> None:
    """The organization cannot deny a service's own actions, but the role's policies still count."""
    iam = as_caller("iam", tree.member)
    trust = {"Effect": "Allow", "Principal": {"AWS": tree.member.account}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="linked", AssumeRolePolicyDocument=document(trust))["Role"]
    iam.put_role_policy(RoleName="linked", PolicyName="p", PolicyDocument=document(allow("iam:ListUsers")))
    key = _user(iam, "alice", document(allow("sts:AssumeRole")))
    assumed = as_caller("sts", key).assume_role(RoleArn=role["Arn"], RoleSessionName="session")["Credentials"]
    tree.guard("/", deny("iam:ListUsers"))
    assert refused(as_caller("iam", assumed).list_users)[0] == "AccessDenied"
    with server.there.store.write() as writer:
        row = records.find(writer, Role, tree.member.account, "linked")
        assert row is not None
        records.replace(writer, msgspec.structs.replace(row, service_linked=True))
    assert as_caller("iam", assumed).list_users()["Users"]


def test_a_resource_control_policy_binds_callers_from_outside(tree: Tree, as_caller: ClientFactory) -> None:
    """It protects the account's roles against every caller, and can test the origin of the caller."""
    outsider = tree.server.new_account(standing="standalone")
    role = _role_for(as_caller("iam", tree.member), outsider.account, tree.other.account)
    outside = _user(as_caller("iam", outsider), "eve", document(allow("sts:AssumeRole")))
    inside = _user(as_caller("iam", tree.other), "bob", document(allow("sts:AssumeRole")))
    organization = tree.change(changes.get_organization).id
    for key in (outside, inside):
        as_caller("sts", key).assume_role(RoleArn=role, RoleSessionName="session")
    tree.guard(
        "/",
        {
            **deny("sts:AssumeRole", Condition={"StringNotEquals": {"aws:PrincipalOrgID": organization}}),
            "Principal": "*",
        },
        kind="resource",
    )
    code, _, words = refused(as_caller("sts", outside).assume_role, RoleArn=role, RoleSessionName="session")
    assert code == "AccessDenied"
    assert words.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {role}")
    as_caller("sts", inside).assume_role(RoleArn=role, RoleSessionName="session")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aws:PrincipalOrgID", "{organization}"),
        ("aws:ResourceOrgID", "{organization}"),
        ("aws:PrincipalOrgPaths", "{organization}/{root}/{unit}/"),
        ("aws:ResourceOrgPaths", "{organization}/{root}/{unit}/"),
        ("aws:ResourceAccount", "{account}"),
    ],
)
def test_where_caller_and_resource_stand_are_condition_keys(
    tree: Tree, as_caller: ClientFactory, user_of: Callable[..., Any], key: str, value: str
) -> None:
    """Conditions can compare the organization's id, the path of units and the account."""
    organization = tree.change(changes.get_organization)
    wanted = value.format(
        organization=organization.id, root=organization.root, unit=tree.unit, account=tree.member.account
    )
    operator = "ForAnyValue:StringEquals" if key.endswith("Paths") else "StringEquals"
    fits = allow("iam:ListUsers", Condition={operator: {key: wanted}})
    fails = allow("iam:ListUsers", Condition={operator: {key: wanted + "x"}})
    good, bad = user_of(tree.member, "good", document(fits)), user_of(tree.member, "bad", document(fails))
    as_caller("iam", good).list_users()
    assert refused(as_caller("iam", bad).list_users)[0] == "AccessDenied"


def test_a_standalone_account_has_no_organization(tree: Tree, as_caller: ClientFactory, user_of: Any) -> None:
    """The keys are absent, and control policies do not apply."""
    alone = tree.server.new_account(standing="standalone")
    tree.guard("/", deny("*"))
    absent = allow("iam:ListUsers", Condition={"Null": {"aws:PrincipalOrgID": "true", "aws:ResourceOrgID": "true"}})
    as_caller("iam", user_of(alone, "alice", document(absent))).list_users()


def _user(iam: Any, name: str, policy: str) -> Any:
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    return iam.create_access_key(UserName=name)["AccessKey"]


def _role_for(iam: Any, *accounts: str) -> str:
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"AWS": list(accounts)}, "Action": "sts:AssumeRole"},
        }
    )
    arn: str = iam.create_role(RoleName="open", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn
