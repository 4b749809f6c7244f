"""Instance profiles: each answer is the same as AWS's."""

from collections.abc import Callable
from typing import Any

from tests.documents import allow, document
from tests.iam.conftest import EC2
from tests.refusals import refused

NO_PROFILE = ("NoSuchEntity", 404, "Instance Profile ghost cannot be found.")


def test_a_profile_holds_one_role(iam: Any, account: str) -> None:
    """A second role is refused.

    A role in a profile cannot be deleted, and a profile with a role cannot be deleted.
    """
    made = iam.create_instance_profile(InstanceProfileName="p", Path="/x/")["InstanceProfile"]
    assert made["Arn"] == f"arn:aws:iam::{account}:instance-profile/x/p"
    assert made["InstanceProfileId"].startswith("AIPA")
    assert made.keys() == {"Arn", "CreateDate", "InstanceProfileId", "InstanceProfileName", "Path", "Roles"}
    assert iam.get_instance_profile(InstanceProfileName="p")["InstanceProfile"] == {**made, "Tags": []}
    roles = [iam.create_role(RoleName=name, AssumeRolePolicyDocument=EC2)["Role"] for name in ("r", "s")]
    iam.add_role_to_instance_profile(InstanceProfileName="p", RoleName="r")
    held = {**made, "Roles": [roles[0]]}
    assert iam.list_instance_profiles(PathPrefix="/x/")["InstanceProfiles"] == [held]
    assert iam.list_instance_profiles(PathPrefix="/y/")["InstanceProfiles"] == []
    assert iam.list_instance_profiles_for_role(RoleName="r")["InstanceProfiles"] == [held]
    assert iam.list_instance_profiles_for_role(RoleName="s")["InstanceProfiles"] == []
    quota = ("LimitExceeded", 409, "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    assert refused(iam.add_role_to_instance_profile, InstanceProfileName="p", RoleName="s") == quota
    conflict = ("DeleteConflict", 409, "Cannot delete entity, must remove roles from instance profile first.")
    assert refused(iam.delete_role, RoleName="r") == conflict
    assert refused(iam.delete_instance_profile, InstanceProfileName="p") == conflict
    iam.remove_role_from_instance_profile(InstanceProfileName="p", RoleName="r")
    words = "Role r in Instance Profile p cannot be found."
    missing = ("NoSuchEntity", 404, words)
    assert refused(iam.remove_role_from_instance_profile, InstanceProfileName="p", RoleName="r") == missing
    iam.delete_instance_profile(InstanceProfileName="p")
    iam.delete_role(RoleName="r")


def test_missing_and_taken_names_have_their_sentences(iam: Any) -> None:
    """If profile and role are missing, AWS's error names the profile."""
    assert refused(iam.get_instance_profile, InstanceProfileName="ghost") == NO_PROFILE
    assert refused(iam.delete_instance_profile, InstanceProfileName="ghost") == NO_PROFILE
    ghosts = {"InstanceProfileName": "ghost", "RoleName": "ghost"}
    assert refused(iam.add_role_to_instance_profile, **ghosts) == NO_PROFILE
    assert refused(iam.remove_role_from_instance_profile, **ghosts) == NO_PROFILE
    iam.create_instance_profile(InstanceProfileName="p")
    taken = ("EntityAlreadyExists", 409, "Instance Profile P already exists.")
    assert refused(iam.create_instance_profile, InstanceProfileName="P") == taken


def test_who_fills_a_profile_must_be_allowed_to_pass_the_role(
    iam: Any, account: str, user_client: Callable[..., Any]
) -> None:
    """Adding a role to a profile requires iam:PassRole.

    The role is passed to EC2, thus iam:PassedToService is its service name.
    """
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    iam.create_instance_profile(InstanceProfileName="p")
    both = {"InstanceProfileName": "p", "RoleName": "r"}
    add = allow("iam:AddRoleToInstanceProfile")
    role = f"arn:aws:iam::{account}:role/r"
    alone = user_client("alone", document(add))
    assert f"iam:PassRole on resource: {role}" in refused(alone.add_role_to_instance_profile, **both)[2]

    def passing(service: str) -> str:
        return document(add, allow("iam:PassRole", role, Condition={"StringEquals": {"iam:PassedToService": service}}))

    other = user_client("other", passing("lambda.amazonaws.com"))
    assert refused(other.add_role_to_instance_profile, **both)[0] == "AccessDenied"
    user_client("right", passing("ec2.amazonaws.com")).add_role_to_instance_profile(**both)
