"""Instance profiles: containers of a role for EC2 instances.

Terraform manages them together with their roles.
Source: IAM API Reference; Service Authorization Reference; AWS's recorded answers.
"""

from typing import Any

import msgspec

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import InstanceProfile, Role
from daypass.directory.links import IN_PROFILE
from daypass.directory.store import Link, Reader
from daypass.errors import DeleteConflict, LimitExceeded, NoSuchEntity
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import CreateWithTags, IamParams
from daypass.operations.iam.identities.roles import AboutRole, show_role
from daypass.operations.iam.lookup import arn_of, check_quota, get_named, insert_named, require_changeable, show_named
from daypass.operations.iam.paging import ListNamed, Paged, page_of_values
from daypass.operations.iam.policies.policy_holders import AboutNamed
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import PermissionCheck, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys, resource_tags


def show_profile(reader: Reader, profile: InstanceProfile) -> dict[str, Any]:
    """Return a profile as lists show it, without its tags."""
    role = records.find_by_id(reader, Role, profile.role) if profile.role else None
    return {**show_named(profile), "Roles": [] if role is None else [show_role(reader, role)]}


def profiles_of(reader: Reader, role: Role) -> list[InstanceProfile]:
    """Return the profiles that contain a role."""
    return records.find_all(reader, InstanceProfile, (link.target for link in reader.targets(IN_PROFILE, role.id)))


class _InstanceProfileParams(IamParams, frozen=True):
    instance_profile_name: str


class _AboutProfile(AboutNamed):
    entity, named = InstanceProfile, "instance_profile_name"
    takes: type[IamParams] = _InstanceProfileParams

    def profile(self, params: Any, caller: Caller, ctx: RequestContext) -> InstanceProfile:
        """Return the profile, or raise NoSuchEntity."""
        return get_named(ctx.reader, InstanceProfile, caller.account, params.instance_profile_name)


class _CreateInstanceProfileParams(_InstanceProfileParams, frozen=True):
    path: str = "/"
    tags: tuple[Tag, ...] = ()


class CreateInstanceProfile(CreateWithTags):
    """Creates an instance profile without a role."""

    action, takes, tag_action = "CreateInstanceProfile", _CreateInstanceProfileParams, "iam:TagInstanceProfile"

    def resource(self, params: _CreateInstanceProfileParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the profile will have."""
        return iam_arn(caller.account, "instance-profile", params.path, params.instance_profile_name)

    def perform(self, params: _CreateInstanceProfileParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new profile."""
        quotas = ctx.settings.quotas
        most = quotas.instance_profiles
        check_quota(ctx.reader, InstanceProfile, caller.account, name="InstanceProfilesPerAccount", most=most)
        profile = InstanceProfile(
            id=new_unique_id("AIPA", ctx.entropy),
            account=caller.account,
            name=params.instance_profile_name,
            path=params.path,
            created=ctx.now,
            tags=tagging.read_tags(params.tags, most=quotas.tags, rule=tagging.EXACT),
        )
        insert_named(ctx.writer, profile)
        return {"InstanceProfile": {**show_profile(ctx.reader, profile), **tagging.echoed(params.tags)}}


class GetInstanceProfile(_AboutProfile):
    """Shows a profile."""

    action, access = "GetInstanceProfile", StoreAccess.SHORT_READ

    def perform(self, params: _InstanceProfileParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the profile with its tags, even if there are no tags."""
        profile = self.profile(params, caller, ctx)
        shown = {**show_profile(ctx.reader, profile), "Tags": tagging.show_tags(profile.tags)}
        return {"InstanceProfile": shown}


class ListInstanceProfiles(ListNamed):
    """Lists the profiles below a path."""

    action, access, entity, name = "ListInstanceProfiles", StoreAccess.SHORT_READ, InstanceProfile, "InstanceProfiles"

    def show(self, thing: InstanceProfile, ctx: RequestContext) -> dict[str, Any]:
        """Return a profile without its tags."""
        return show_profile(ctx.reader, thing)


class _RolePage(Paged, frozen=True, kw_only=True):
    role_name: str


class ListInstanceProfilesForRole(AboutRole):
    """Lists the profiles that contain a role."""

    action, takes, access = "ListInstanceProfilesForRole", _RolePage, StoreAccess.SHORT_READ

    def perform(self, params: _RolePage, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of profiles."""
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        return page_of_values(
            profiles_of(ctx.reader, role),
            params,
            key=lambda profile: profile.path + profile.name,
            show=lambda profile: show_profile(ctx.reader, profile),
            name="InstanceProfiles",
        )


class DeleteInstanceProfile(_AboutProfile):
    """Deletes a profile. It must not contain a role."""

    action, access = "DeleteInstanceProfile", StoreAccess.WRITE

    def perform(self, params: _InstanceProfileParams, caller: Caller, ctx: RequestContext) -> None:
        """Delete the profile."""
        profile = self.profile(params, caller, ctx)
        if profile.role:
            raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        records.delete(ctx.writer, profile)


class _WithRole(_InstanceProfileParams, frozen=True):
    role_name: str


class AddRoleToInstanceProfile(_AboutProfile):
    """Adds a role to a profile. A profile contains at most one role."""

    action, takes, access = "AddRoleToInstanceProfile", _WithRole, StoreAccess.WRITE

    def permissions(self, params: _WithRole, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require iam:PassRole as well: a user of the profile gets the role."""
        passing = PermissionCheck(
            action="iam:PassRole",
            resource=arn_of(ctx.reader, Role, caller.account, params.role_name),
            account=caller.account,
            context={
                **self._role_tags(params, caller, ctx),
                "iam:passedtoservice": "ec2.amazonaws.com",
            },
        )
        return (*super().permissions(params, caller, ctx), passing)

    def _role_tags(self, params: _WithRole, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        found = records.find(ctx.reader, Role, caller.account, params.role_name)
        return {} if found is None else resource_tags(found.tags)

    def perform(self, params: _WithRole, caller: Caller, ctx: RequestContext) -> None:
        """Add the role."""
        profile = self.profile(params, caller, ctx)
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        require_changeable(role)
        if profile.role:
            raise LimitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
        records.replace(ctx.writer, msgspec.structs.replace(profile, role=role.id))
        ctx.writer.link(Link(IN_PROFILE, role.id, profile.id))


class RemoveRoleFromInstanceProfile(_AboutProfile):
    """Removes the role from a profile."""

    action, takes, access = "RemoveRoleFromInstanceProfile", _WithRole, StoreAccess.WRITE

    def perform(self, params: _WithRole, caller: Caller, ctx: RequestContext) -> None:
        """Remove the role."""
        profile = self.profile(params, caller, ctx)
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        if profile.role != role.id:
            raise NoSuchEntity(f"Role {role.name} in Instance Profile {profile.name} cannot be found.")
        records.replace(ctx.writer, msgspec.structs.replace(profile, role=""))
        ctx.writer.unlink(IN_PROFILE, role.id, profile.id)


OPERATIONS = (
    CreateInstanceProfile(),
    GetInstanceProfile(),
    ListInstanceProfiles(),
    ListInstanceProfilesForRole(),
    DeleteInstanceProfile(),
    AddRoleToInstanceProfile(),
    RemoveRoleFromInstanceProfile(),
)
