"""Terraform's resources: create, plan, change, import, destroy.

A plan after each apply must show no difference.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document, trust
from tests.iam.conftest import LIST_BUCKET
from tests.iam.terraform import Group, GroupMembership, Policy, Role, State, User

READ_ONLY = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"

# A document as a person writes it: indented, keys in any order, lists of one.
BY_HAND = """
{
  "Statement": [
    {
      "Action":    "sts:AssumeRole",
      "Principal": { "Service": ["ec2.amazonaws.com"] },
      "Effect":    "Allow",
      "Sid":       ""
    }
  ],
  "Version": "2012-10-17"
}
"""

ROLE: State = {
    "name": "r",
    "path": "/x/",
    "assume_role_policy": BY_HAND,
    "description": "",
    "max_session_duration": 3600,
    "permissions_boundary": "",
    "tags": {},
}
POLICY: State = {"name": "p", "path": "/", "description": "", "policy": LIST_BUCKET, "tags": {}}
USER: State = {"name": "u", "path": "/", "permissions_boundary": "", "tags": {"team": "blue"}}
GROUP: State = {"name": "g", "path": "/"}

CASES: tuple[tuple[Callable[[Any], Any], State, tuple[State, ...]], ...] = (
    (
        Role,
        ROLE,
        (
            {"assume_role_policy": trust(Service="lambda.amazonaws.com")},
            {"description": "with words"},
            {"description": "", "max_session_duration": 7200},
            {"permissions_boundary": READ_ONLY},
            {"permissions_boundary": ""},
            {"tags": {"a": "1", "b": "2"}},
            {"tags": {"b": "3"}},
        ),
    ),
    (
        Policy,
        POLICY,
        (
            *({"policy": document(allow(f"s3:Get{number}"))} for number in range(6)),
            {"tags": {"a": "1", "A": "2"}},
            {"tags": {}},
        ),
    ),
    (
        User,
        USER,
        (
            {"path": "/y/"},
            {"name": "v"},
            {"permissions_boundary": READ_ONLY},
            {"permissions_boundary": "", "tags": {"team": "red", "more": ""}},
        ),
    ),
    (Group, GROUP, ({"path": "/y/"}, {"name": "h"})),
)


def same(state: State | None, wanted: State) -> bool:
    """Tell whether a plan would show no difference.

    Documents are compared by their meaning.
    """

    def plain(value: State) -> State:
        policies = ("assume_role_policy", "policy")
        return {name: json.loads(one) if name in policies else one for name, one in value.items()}

    return state is not None and plain(state) == plain(wanted)


@pytest.mark.parametrize(("resource", "wanted", "changes"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_resource_lives_as_terraform_has_it(
    iam: Any, resource: Callable[[Any], Any], wanted: State, changes: tuple[State, ...]
) -> None:
    """After each apply a plan shows no difference.

    An import knows only the id, and reads the same state.
    """
    provider = resource(iam)
    identifier = provider.create(wanted)
    assert same(provider.read(identifier), wanted)
    for change in changes:
        new = {**wanted, **change}
        identifier = provider.update(identifier, wanted, new)
        wanted = new
        assert same(provider.read(identifier), wanted)
    imported = resource(iam).read(identifier)
    assert same(imported, wanted)
    provider.delete(identifier)
    assert provider.read(identifier) is None


def test_a_group_membership_is_all_of_its_users(iam: Any) -> None:
    """Users that are not in the state are removed, new ones are added."""
    iam.create_group(GroupName="g")
    for name in ("a", "b", "c"):
        iam.create_user(UserName=name)
    provider = GroupMembership(iam)
    wanted: State = {"group": "g", "users": {"a", "b"}}
    identifier = provider.create(wanted)
    assert provider.read(identifier) == wanted
    new: State = {"group": "g", "users": {"b", "c"}}
    provider.update(identifier, wanted, new)
    assert provider.read(identifier) == new
    provider.delete(identifier)
    assert provider.read(identifier) == {"group": "g", "users": set()}


def test_everything_depends_and_goes_in_order(iam: Any) -> None:
    """Many resources are destroyed in Terraform's order without a conflict."""
    roles, policies, users, groups = Role(iam), Policy(iam), User(iam), Group(iam)
    arn = policies.create(POLICY)
    for make, wanted in ((roles, ROLE), (users, USER), (groups, GROUP)):
        make.create(wanted)
    members = GroupMembership(iam)
    members.create({"group": "g", "users": {"u"}})
    iam.create_instance_profile(InstanceProfileName="i")
    iam.add_role_to_instance_profile(InstanceProfileName="i", RoleName="r")
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.create_access_key(UserName="u")
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    iam.remove_role_from_instance_profile(InstanceProfileName="i", RoleName="r")
    iam.delete_instance_profile(InstanceProfileName="i")
    members.delete("g")
    users.delete("u")
    groups.delete("g")
    roles.delete("r")
    policies.delete(arn)
    summary = iam.get_account_summary()["SummaryMap"]
    assert [summary[name] for name in ("Users", "Groups", "Roles", "Policies", "InstanceProfiles")] == [0] * 5
