"""The calls of terraform-provider-aws for each resource.

For each: create, read, update, delete and import. Written from the provider's public source (internal/service/iam),
call by call; the provider itself cannot run here. A resource's state has its arguments, as `read` returns them, or is
None if the resource does not exist.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

State = dict[str, Any]


def normalized(text: str) -> str:
    """Return a policy as the provider sends it, without extra white space."""
    return json.dumps(json.loads(text), separators=(",", ":"))


def shown(document: Any) -> str:
    """Return a decoded document from an answer in the form that the provider compares."""
    return json.dumps(document, separators=(",", ":"))


def tags_in(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the form of a request."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_out(tags: list[dict[str, str]]) -> dict[str, str]:
    """Return tags in the form of the state."""
    return {tag["Key"]: tag["Value"] for tag in tags}


def or_none(read: Callable[[], State]) -> State | None:
    """Return the result of a read, or None if the provider would remove the resource from its state."""
    try:
        return read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise


def unless_gone(call: Callable[..., Any], **parameters: Any) -> None:
    """Make a delete call, and ignore NoSuchEntity."""
    or_none(lambda: call(**parameters) or {})


def update_tags(call: Callable[..., Any], uncall: Callable[..., Any], old: State, new: State, **named: str) -> None:
    """Change tags as the provider does: remove first, then set new values."""
    removed = sorted(old["tags"].keys() - new["tags"].keys())
    if removed:
        uncall(**named, TagKeys=removed)
    changed = {key: value for key, value in new["tags"].items() if old["tags"].get(key) != value}
    if changed:
        call(**named, Tags=tags_in(changed))


@dataclass(frozen=True)
class Role:
    """aws_iam_role."""

    iam: Any

    def create(self, wanted: State) -> str:
        """Create the role with all arguments that CreateRole accepts."""
        optional = {
            "Description": wanted["description"],
            "PermissionsBoundary": wanted["permissions_boundary"],
            "Tags": tags_in(wanted["tags"]),
        }
        role = self.iam.create_role(
            RoleName=wanted["name"],
            Path=wanted["path"],
            AssumeRolePolicyDocument=normalized(wanted["assume_role_policy"]),
            MaxSessionDuration=wanted["max_session_duration"],
            **{name: value for name, value in optional.items() if value},
        )["Role"]
        return str(role["RoleName"])

    def read(self, name: str) -> State | None:
        """Read the role, its inline policies and its attachments."""
        return or_none(lambda: self._read(name))

    def _read(self, name: str) -> State:
        role = self.iam.get_role(RoleName=name)["Role"]
        self.iam.list_role_policies(RoleName=name)
        self.iam.list_attached_role_policies(RoleName=name)
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "assume_role_policy": shown(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description", ""),
            "max_session_duration": role["MaxSessionDuration"],
            "permissions_boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tags": tags_out(role.get("Tags", [])),
        }

    def update(self, name: str, old: State, new: State) -> str:
        """Change the different arguments, with one call for each."""
        if old["assume_role_policy"] != new["assume_role_policy"]:
            text = normalized(new["assume_role_policy"])
            self.iam.update_assume_role_policy(RoleName=name, PolicyDocument=text)
        if old["description"] != new["description"]:
            self.iam.update_role_description(RoleName=name, Description=new["description"])
        if old["max_session_duration"] != new["max_session_duration"]:
            self.iam.update_role(RoleName=name, MaxSessionDuration=new["max_session_duration"])
        if old["permissions_boundary"] != new["permissions_boundary"]:
            if new["permissions_boundary"]:
                boundary = new["permissions_boundary"]
                self.iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
            else:
                self.iam.delete_role_permissions_boundary(RoleName=name)
        update_tags(self.iam.tag_role, self.iam.untag_role, old, new, RoleName=name)
        return name

    def delete(self, name: str) -> None:
        """Remove the role from instance profiles, then delete it."""
        for profile in self.iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]:
            self.iam.remove_role_from_instance_profile(
                RoleName=name, InstanceProfileName=profile["InstanceProfileName"]
            )
        unless_gone(self.iam.delete_role, RoleName=name)


@dataclass(frozen=True)
class Policy:
    """aws_iam_policy. Its name, path and description cannot be changed."""

    iam: Any

    def create(self, wanted: State) -> str:
        """Create the policy. The provider sends an empty description too."""
        policy = self.iam.create_policy(
            PolicyName=wanted["name"],
            Path=wanted["path"],
            Description=wanted["description"],
            PolicyDocument=normalized(wanted["policy"]),
            **({"Tags": tags_in(wanted["tags"])} if wanted["tags"] else {}),
        )["Policy"]
        return str(policy["Arn"])

    def read(self, arn: str) -> State | None:
        """Read the policy and its default version."""
        return or_none(lambda: self._read(arn))

    def _read(self, arn: str) -> State:
        policy = self.iam.get_policy(PolicyArn=arn)["Policy"]
        version = self.iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        return {
            "name": policy["PolicyName"],
            "path": policy["Path"],
            "description": policy.get("Description", ""),
            "policy": shown(version["Document"]),
            "tags": tags_out(policy["Tags"]),
        }

    def update(self, arn: str, old: State, new: State) -> str:
        """Add a version as the default. Delete the oldest of five versions first."""
        if old["policy"] != new["policy"]:
            versions = self._versions(arn)
            if len(versions) >= 5:
                oldest = min(
                    (version for version in versions if not version["IsDefaultVersion"]),
                    key=lambda version: (version["CreateDate"], int(version["VersionId"][1:])),
                )
                self.iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
            text = normalized(new["policy"])
            made = self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=False)
            self.iam.set_default_policy_version(PolicyArn=arn, VersionId=made["PolicyVersion"]["VersionId"])
        update_tags(self.iam.tag_policy, self.iam.untag_policy, old, new, PolicyArn=arn)
        return arn

    def delete(self, arn: str) -> None:
        """Delete the other versions, then the policy."""
        for version in self._versions(arn):
            if not version["IsDefaultVersion"]:
                self.iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        unless_gone(self.iam.delete_policy, PolicyArn=arn)

    def _versions(self, arn: str) -> list[Any]:
        pages = self.iam.get_paginator("list_policy_versions").paginate(PolicyArn=arn)
        return [version for page in pages for version in page["Versions"]]


@dataclass(frozen=True)
class User:
    """aws_iam_user, with force_destroy."""

    iam: Any

    def create(self, wanted: State) -> str:
        """Create the user."""
        boundary = wanted["permissions_boundary"]
        user = self.iam.create_user(
            UserName=wanted["name"],
            Path=wanted["path"],
            **({"PermissionsBoundary": boundary} if boundary else {}),
            **({"Tags": tags_in(wanted["tags"])} if wanted["tags"] else {}),
        )["User"]
        return str(user["UserName"])

    def read(self, name: str) -> State | None:
        """Read the user."""
        return or_none(lambda: self._read(name))

    def _read(self, name: str) -> State:
        user = self.iam.get_user(UserName=name)["User"]
        return {
            "name": user["UserName"],
            "path": user["Path"],
            "permissions_boundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
            "tags": tags_out(user.get("Tags", [])),
        }

    def update(self, name: str, old: State, new: State) -> str:
        """Rename the user, change its boundary and its tags."""
        if (old["name"], old["path"]) != (new["name"], new["path"]):
            self.iam.update_user(UserName=name, NewUserName=new["name"], NewPath=new["path"])
            name = new["name"]
        if old["permissions_boundary"] != new["permissions_boundary"]:
            if new["permissions_boundary"]:
                boundary = new["permissions_boundary"]
                self.iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)
            else:
                self.iam.delete_user_permissions_boundary(UserName=name)
        update_tags(self.iam.tag_user, self.iam.untag_user, old, new, UserName=name)
        return name

    def delete(self, name: str) -> None:
        """Remove everything that a user can have, then delete the user."""
        iam, named = self.iam, {"UserName": name}
        for group in iam.list_groups_for_user(**named)["Groups"]:
            iam.remove_user_from_group(**named, GroupName=group["GroupName"])
        for key in iam.list_access_keys(**named)["AccessKeyMetadata"]:
            iam.delete_access_key(**named, AccessKeyId=key["AccessKeyId"])
        for ssh in iam.list_ssh_public_keys(**named)["SSHPublicKeys"]:
            iam.delete_ssh_public_key(**named, SSHPublicKeyId=ssh["SSHPublicKeyId"])
        for device in iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]:
            if device["User"].get("UserName") == name:
                iam.deactivate_mfa_device(**named, SerialNumber=device["SerialNumber"])
                iam.delete_virtual_mfa_device(SerialNumber=device["SerialNumber"])
        for device in iam.list_mfa_devices(**named)["MFADevices"]:
            iam.deactivate_mfa_device(**named, SerialNumber=device["SerialNumber"])
        unless_gone(iam.delete_login_profile, **named)
        for certificate in iam.list_signing_certificates(**named)["Certificates"]:
            iam.delete_signing_certificate(**named, CertificateId=certificate["CertificateId"])
        for secret in iam.list_service_specific_credentials(**named)["ServiceSpecificCredentials"]:
            credential = secret["ServiceSpecificCredentialId"]
            iam.delete_service_specific_credential(**named, ServiceSpecificCredentialId=credential)
        unless_gone(iam.delete_user, **named)


@dataclass(frozen=True)
class Group:
    """aws_iam_group."""

    iam: Any

    def create(self, wanted: State) -> str:
        """Create the group."""
        group = self.iam.create_group(GroupName=wanted["name"], Path=wanted["path"])["Group"]
        return str(group["GroupName"])

    def read(self, name: str) -> State | None:
        """Read the group."""
        return or_none(lambda: self._read(name))

    def _read(self, name: str) -> State:
        group = self.iam.get_group(GroupName=name)["Group"]
        return {"name": group["GroupName"], "path": group["Path"]}

    def update(self, name: str, old: State, new: State) -> str:
        """Rename the group."""
        if old != new:
            self.iam.update_group(GroupName=name, NewGroupName=new["name"], NewPath=new["path"])
        return str(new["name"])

    def delete(self, name: str) -> None:
        """Delete the group."""
        unless_gone(self.iam.delete_group, GroupName=name)


@dataclass(frozen=True)
class GroupMembership:
    """aws_iam_group_membership: all users of one group."""

    iam: Any

    def create(self, wanted: State) -> str:
        """Add each user."""
        for user in sorted(wanted["users"]):
            self.iam.add_user_to_group(GroupName=wanted["group"], UserName=user)
        return str(wanted["group"])

    def read(self, group: str) -> State | None:
        """Read every page of the group's users."""
        return or_none(lambda: self._read(group))

    def _read(self, group: str) -> State:
        pages = self.iam.get_paginator("get_group").paginate(GroupName=group, PaginationConfig={"PageSize": 1})
        return {"group": group, "users": {user["UserName"] for page in pages for user in page["Users"]}}

    def update(self, group: str, old: State, new: State) -> str:
        """Remove the users that are not wanted, then add the new ones."""
        for user in sorted(old["users"] - new["users"]):
            unless_gone(self.iam.remove_user_from_group, GroupName=group, UserName=user)
        for user in sorted(new["users"] - old["users"]):
            self.iam.add_user_to_group(GroupName=group, UserName=user)
        return group

    def delete(self, group: str) -> None:
        """Remove the users in the state."""
        state = self._read(group)
        for user in sorted(state["users"]):
            unless_gone(self.iam.remove_user_from_group, GroupName=group, UserName=user)
