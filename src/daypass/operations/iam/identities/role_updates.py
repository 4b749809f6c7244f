"""Changes of a role: description, maximum durations, trust policy.

UpdateRole changes only the given parameters, as AWS's recorded answers show.
Source: IAM API Reference, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.errors import InvalidInput
from daypass.operations.iam.identities.roles import AboutRole, RoleNamed, show_description, show_role
from daypass.operations.iam.lookup import get_named, require_changeable
from daypass.operations.iam.policies.policy_documents import read_trust
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext

_BOTH = "MaxSigninSessionDuration and ResetMaxSigninSessionDuration cannot be specified together. Specify one of them."


class _UpdateRoleParams(RoleNamed, frozen=True):
    description: str | None = None
    max_session_duration: int | None = None
    max_signin_session_duration: int | None = None
    reset_max_signin_session_duration: bool = False

    @property
    def changes_durations(self) -> bool:
        """Tell whether a duration changes."""
        given = (self.max_session_duration, self.max_signin_session_duration)
        return self.reset_max_signin_session_duration or given != (None, None)


class UpdateRole(AboutRole):
    """Changes a role's description and its maximum durations."""

    action, takes, access = "UpdateRole", _UpdateRoleParams, StoreAccess.WRITE

    def perform(self, params: _UpdateRoleParams, caller: Caller, ctx: RequestContext) -> None:
        """Change the given parameters.

        Raises InvalidInput if the longest sign-in is set and reset at the same time.
        """
        if params.reset_max_signin_session_duration and params.max_signin_session_duration is not None:
            raise InvalidInput(_BOTH)
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        if params.changes_durations:
            # A caller can change only the description of a service-linked role.
            require_changeable(role)
        if params.description is not None:
            role = msgspec.structs.replace(role, description=params.description)
        if params.max_session_duration is not None:
            role = msgspec.structs.replace(role, max_session_seconds=params.max_session_duration)
        if params.max_signin_session_duration is not None:
            role = msgspec.structs.replace(role, max_signin_seconds=params.max_signin_session_duration)
        if params.reset_max_signin_session_duration:
            role = msgspec.structs.replace(role, max_signin_seconds=None)
        records.replace(ctx.writer, role)


class _Describe(RoleNamed, frozen=True):
    description: str


class UpdateRoleDescription(AboutRole):
    """Changes a role's description."""

    action, takes, access = "UpdateRoleDescription", _Describe, StoreAccess.WRITE

    def perform(self, params: _Describe, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the changed role."""
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        role = msgspec.structs.replace(role, description=params.description)
        records.replace(ctx.writer, role)
        return {"Role": {**show_role(ctx.reader, role), **show_description(role)}}


class _Trust(RoleNamed, frozen=True):
    policy_document: str


class UpdateAssumeRolePolicy(AboutRole):
    """Replaces a role's trust policy. Existing sessions stay valid."""

    action, takes, access = "UpdateAssumeRolePolicy", _Trust, StoreAccess.WRITE

    def perform(self, params: _Trust, caller: Caller, ctx: RequestContext) -> None:
        """Replace the trust policy."""
        role = get_named(ctx.reader, Role, caller.account, params.role_name)
        require_changeable(role)
        trust = read_trust(ctx, role.account, params.policy_document)
        changed = msgspec.structs.replace(role, trust=trust.document, foreign=dict(trust.foreign))
        records.replace(ctx.writer, changed)


OPERATIONS = (UpdateRole(), UpdateRoleDescription(), UpdateAssumeRolePolicy())
