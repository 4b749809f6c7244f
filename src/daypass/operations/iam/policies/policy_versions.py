"""The versions of a managed policy, and its default version.

Source: IAM API Reference; IAM User Guide, "Versioning IAM policies"; AWS's recorded answers.
"""

from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import ManagedPolicy, PolicyVersion
from daypass.errors import DeleteConflict, LimitExceeded, NoSuchEntity
from daypass.operations.iam.iam_action import IamParams
from daypass.operations.iam.lookup import find_policy, get_own_policy, get_policy, require_policy_arn
from daypass.operations.iam.paging import Paged, page_of_stream, read_marker
from daypass.operations.iam.policies.managed_policies import AboutPolicy
from daypass.operations.iam.policies.policy_documents import check_managed, show_document
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


def show_version(policy: ManagedPolicy, version: PolicyVersion) -> dict[str, Any]:
    """Return a version as lists show it, without its document."""
    return {
        "VersionId": version.id,
        "IsDefaultVersion": version.id == policy.default,
        "CreateDate": version.created,
    }


class _CreatePolicyVersionParams(IamParams, frozen=True):
    policy_arn: str
    policy_document: str
    set_as_default: bool = False


class CreatePolicyVersion(AboutPolicy):
    """Adds a version. Version numbers are never used again."""

    action, takes, access = "CreatePolicyVersion", _CreatePolicyVersionParams, StoreAccess.WRITE

    def perform(self, params: _CreatePolicyVersionParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the new version. It is the default at once if requested."""
        policy = get_own_policy(ctx.reader, caller.account, params.policy_arn)
        quotas = ctx.settings.quotas
        check_managed(params.policy_document, quotas.managed_policy_characters)
        if len(policy.versions) >= quotas.policy_versions:
            raise LimitExceeded(
                f"A managed policy can have up to {quotas.policy_versions} versions. Before you create a new "
                "version, you must delete an existing version."
            )
        number = policy.last_version + 1
        version = PolicyVersion(id=f"v{number}", document=params.policy_document, created=ctx.now)
        changed = msgspec.structs.replace(
            policy,
            versions=(*policy.versions, version),
            last_version=number,
            default=version.id if params.set_as_default else policy.default,
            updated=ctx.now,
        )
        records.replace(ctx.writer, changed)
        return {"PolicyVersion": show_version(changed, version)}


class _PolicyVersionParams(IamParams, frozen=True):
    policy_arn: str
    version_id: str


class GetPolicyVersion(AboutPolicy):
    """Shows a version with its document."""

    action, takes, access = "GetPolicyVersion", _PolicyVersionParams, StoreAccess.SHORT_READ

    def perform(self, params: _PolicyVersionParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the version."""
        policy, version = _get_version(params, caller, ctx)
        return {"PolicyVersion": {**show_version(policy, version), "Document": show_document(version.document)}}


class _ListPolicyVersionsParams(Paged, frozen=True, kw_only=True):
    policy_arn: str


class ListPolicyVersions(AboutPolicy):
    """Lists a policy's versions, newest first."""

    action, takes, access = "ListPolicyVersions", _ListPolicyVersionsParams, StoreAccess.SHORT_READ

    def perform(self, params: _ListPolicyVersionsParams, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return a page of versions."""
        policy = get_policy(ctx.reader, caller.account, params.policy_arn)
        after = read_marker(params.marker)
        newest_first = [version for version in reversed(policy.versions) if not after or _is_older(version, after)]
        return page_of_stream(
            ((version.id, version) for version in newest_first),
            params,
            show=lambda version: show_version(policy, version),
            name="Versions",
        )


class DeletePolicyVersion(AboutPolicy):
    """Deletes a version that is not the default."""

    action, takes, access = "DeletePolicyVersion", _PolicyVersionParams, StoreAccess.WRITE

    def perform(self, params: _PolicyVersionParams, caller: Caller, ctx: RequestContext) -> None:
        """Delete the version."""
        policy, version = _get_own_version(params, caller, ctx)
        if version.id == policy.default:
            raise DeleteConflict("Cannot delete the default version of a policy.")
        left = tuple(other for other in policy.versions if other.id != version.id)
        records.replace(ctx.writer, msgspec.structs.replace(policy, versions=left))


class SetDefaultPolicyVersion(AboutPolicy):
    """Makes another version the default."""

    action, takes, access = "SetDefaultPolicyVersion", _PolicyVersionParams, StoreAccess.WRITE

    def perform(self, params: _PolicyVersionParams, caller: Caller, ctx: RequestContext) -> None:
        """Set the default version."""
        policy, version = _get_own_version(params, caller, ctx)
        records.replace(ctx.writer, msgspec.structs.replace(policy, default=version.id))


def _get_version(
    params: _PolicyVersionParams, caller: Caller, ctx: RequestContext
) -> tuple[ManagedPolicy, PolicyVersion]:
    require_policy_arn(params.policy_arn)
    policy = find_policy(ctx.reader, caller.account, params.policy_arn)
    for version in policy.versions if policy is not None else ():
        if policy is not None and version.id == params.version_id:
            return policy, version
    raise NoSuchEntity(f"Policy {params.policy_arn} version {params.version_id} does not exist or is not attachable.")


def _get_own_version(
    params: _PolicyVersionParams, caller: Caller, ctx: RequestContext
) -> tuple[ManagedPolicy, PolicyVersion]:
    policy, version = _get_version(params, caller, ctx)
    if policy.account == "aws":
        get_own_policy(ctx.reader, caller.account, policy.arn)
    return policy, version


def _is_older(version: PolicyVersion, after: str) -> bool:
    return after[1:].isdecimal() and int(version.id[1:]) < int(after[1:])


OPERATIONS = (
    CreatePolicyVersion(),
    GetPolicyVersion(),
    ListPolicyVersions(),
    DeletePolicyVersion(),
    SetDefaultPolicyVersion(),
)
