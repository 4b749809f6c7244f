"""Roles: create, get, list, delete.

Owns the members of each answer: CreateRole and lists omit some, as on AWS.
Source: IAM API Reference; Service Authorization Reference; AWS's recorded answers.
"""

from typing import Any

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.directory import links, records
from daypass.directory.entities.iam_entities import Role
from daypass.directory.last_uses import forget_last_use
from daypass.directory.store import Reader
from daypass.errors import DeleteConflict, InvalidInput
from daypass.mint.access_keys import new_unique_id
from daypass.operations.iam import tags as tagging
from daypass.operations.iam.iam_action import CreateWithTags, IamParams
from daypass.operations.iam.identities.last_used import show_role_use
from daypass.operations.iam.lookup import check_quota, get_named, insert_named, require_changeable, show_named
from daypass.operations.iam.paging import ListNamed
from daypass.operations.iam.policies.boundaries import bind, boundary_context, show_boundary
from daypass.operations.iam.policies.policy_documents import read_trust, show_trust
from daypass.operations.iam.policies.policy_holders import AboutNamed, require_no_policies
from daypass.operations.iam.tags import Tag
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import ConditionKeys

_SERVICE_PATH = "/aws-service-role/"


def show_role(reader: Reader, role: Role) -> dict[str, Any]:
    """Return the members of a role that every answer shows."""
    return {**show_named(role), "AssumeRolePolicyDocument": show_trust(reader, role)}


def show_description(role: Role) -> dict[str, str]:
    """Return the member for a description, or {} if it is empty."""
    return {"Description": role.description} if role.description else {}


def show_signin_duration(role: Role) -> dict[str, int]:
    """Return the member for the longest sign-in, or {} if it is unset."""
    return {} if role.max_signin_seconds is None else {"MaxSigninSessionDuration": role.max_signin_seconds}


class RoleNamed(IamParams, frozen=True):
    """The parameters of an action about one role."""

    role_name: str


class AboutRole(AboutNamed):
    """An action about one existing role."""

    entity, named = Role, "role_name"
    takes: type[IamParams] = RoleNamed


class _CreateRoleParams(RoleNamed, frozen=True):
    assume_role_policy_document: str
    path: str = "/"
    description: str = ""
    max_session_duration: int = 3600
    max_signin_session_duration: int | None = None
    permissions_boundary: str = ""
    tags: tuple[Tag, ...] = ()


class CreateRole(CreateWithTags):
    """Creates a role."""

    action, takes, tag_action = "CreateRole", _CreateRoleParams, "iam:TagRole"

    def resource(self, params: _CreateRoleParams, caller: Caller, ctx: RequestContext) -> str:
        """Return the ARN that the role will have."""
        return iam_arn(caller.account, "role", params.path, params.role_name)

    def context(self, params: _CreateRoleParams, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the tags and the boundary that the role will have."""
        return {**super().context(params, caller, ctx), **boundary_context(params.permissions_boundary)}

    def perform(self, params: _CreateRoleParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new role.

        As on AWS, the answer omits its description and maximum session duration.
        """
        if params.path.startswith(_SERVICE_PATH):
            raise InvalidInput(f"Path prefix '{_SERVICE_PATH}' can only be used for AWS Service linked Roles")
        quotas = ctx.settings.quotas
        tags = tagging.read_tags(params.tags, most=quotas.tags)
        trust = read_trust(ctx, caller.account, params.assume_role_policy_document)
        role = Role(
            id=new_unique_id("AROA", ctx.entropy),
            account=caller.account,
            name=params.role_name,
            path=params.path,
            created=ctx.now,
            tags=tags,
            trust=trust.document,
            foreign=dict(trust.foreign),
            boundary=params.permissions_boundary,
            description=params.description,
            max_session_seconds=params.max_session_duration,
            max_signin_seconds=params.max_signin_session_duration,
        )
        check_quota(ctx.reader, Role, caller.account, name="RolesPerAccount", most=quotas.roles)
        insert_named(ctx.writer, role)
        bind(ctx, role, "", role.boundary)
        shown = {**show_role(ctx.reader, role), **show_boundary(role.boundary), **tagging.echoed(params.tags)}
        return {"Role": shown}


class GetRole(AboutRole):
    """Shows a role."""

    action, access = "GetRole", StoreAccess.SHORT_READ

    def perform(self, params: RoleNamed, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the role with all its members."""
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        return {
            "Role": {
                **show_role(ctx.reader, role),
                **show_description(role),
                "MaxSessionDuration": role.max_session_seconds,
                **show_signin_duration(role),
                **show_boundary(role.boundary),
                **tagging.shown(role.tags),
                "RoleLastUsed": show_role_use(ctx.reader, role),
            }
        }


class ListRoles(ListNamed):
    """Lists the roles below a path."""

    action, access, entity, name = "ListRoles", StoreAccess.SHORT_READ, Role, "Roles"

    def show(self, thing: Role, ctx: RequestContext) -> dict[str, Any]:
        """Return a role without its boundary, tags and last use, as AWS does."""
        longest = {"MaxSessionDuration": thing.max_session_seconds, **show_signin_duration(thing)}
        return {**show_role(ctx.reader, thing), **show_description(thing), **longest}


class DeleteRole(AboutRole):
    """Deletes a role. It must not have policies or instance profiles."""

    action, access = "DeleteRole", StoreAccess.WRITE

    def perform(self, params: RoleNamed, caller: Caller, ctx: RequestContext) -> None:
        """Delete the role, or raise DeleteConflict."""
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        require_changeable(role)
        if ctx.reader.targets(links.IN_PROFILE, role.id, limit=1):
            raise DeleteConflict("Cannot delete entity, must remove roles from instance profile first.")
        require_no_policies(ctx, role)
        bind(ctx, role, role.boundary, "")
        records.delete(ctx.writer, role)
        forget_last_use(ctx.writer, role.account, role.id)


OPERATIONS = (CreateRole(), GetRole(), ListRoles(), DeleteRole())
