"""A caller and a request by their names, for explanations.

Such requests are neither signed nor executed. Owns the assumptions, which explicit values override: the current time,
an encrypted connection, no address, a role session named `explain` without session policies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from daypass.arn import Arn, is_account_id
from daypass.authenticate.caller import Caller, role_caller, root_caller, user_caller
from daypass.authorize.context import RequestInfo, build_context
from daypass.authorize.merged_requests import build_request
from daypass.authorize.snapshot import SnapshotViews
from daypass.directory import records
from daypass.directory.buckets import load_bucket
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.identity import Identity, load_account, load_identity, load_role
from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind
from daypass.operations.operation import PermissionCheck
from daypass.operations.sts.role_session import role_tags
from daypass.policy.authorization_request import AuthorizationRequest, ContextValue, NewConditionKeys
from daypass.policy.evaluate import Policies
from daypass.wire.http import HttpRequest

SESSION_NAME = "explain"
# For these actions, the role's trust policy is the resource policy.
_OF_TRUST = frozenset(
    {
        "sts:assumerole",
        "sts:assumerolewithsaml",
        "sts:assumerolewithwebidentity",
        "sts:tagsession",
        "sts:setsourceidentity",
        "sts:setcontext",
    }
)


class UnknownPrincipalError(LookupError):
    """The ARN does not belong to a principal of this store.

    The message is for the user.
    """


@dataclass(frozen=True, slots=True)
class Assumed:
    """The assumptions about a request that was not sent."""

    now: datetime
    region: str = "us-east-1"

    def context(self, caller: Caller) -> NewConditionKeys:
        """Return the condition keys of such a request."""
        request = HttpRequest("POST", b"/", b"", (), b"", "", secure=True)
        return build_context(caller, RequestInfo(self.now, request, self.region))


def get_caller(arn: str, views: SnapshotViews, now: datetime) -> Caller:
    """Return the principal with this ARN: root user, user, role or session.

    Raises UnknownPrincipalError if it does not exist.
    """
    parts = Arn.find(arn)
    if parts is None or not is_account_id(parts.account) or parts.service not in {"iam", "sts"}:
        raise UnknownPrincipalError(
            f"{arn} is not the ARN of a user, a role, a role session or an account's root user."
        )
    if views.get(load_account, parts.account) is None:
        raise UnknownPrincipalError(f"The account {parts.account} does not exist.")
    if parts.service == "iam" and parts.resource == "root":
        return root_caller(parts.account, "")
    kind, _, rest = parts.resource.partition("/")
    if parts.service == "sts" and kind == "assumed-role":
        name, _, session_name = rest.partition("/")
        role = records.find(views.reader, Role, parts.account, name)
        if role is not None and role.name == name and session_name:
            return session_of(_identity(role.id, views), session_name, now)
    elif parts.service == "iam" and kind in {"user", "role"}:
        found = records.find_by_arn(views.reader, arn)
        if isinstance(found, User):
            return user_caller(_identity(found.id, views), "")
        if isinstance(found, Role):
            return session_of(_identity(found.id, views), SESSION_NAME, now)
    raise UnknownPrincipalError(f"{arn} does not exist.")


def _identity(unique_id: str, views: SnapshotViews) -> Identity:
    identity = views.get(load_identity, unique_id)
    if identity is None:
        raise UnknownPrincipalError(f"{unique_id} does not exist.")
    return identity


def session_of(role: Identity, session_name: str, now: datetime) -> Caller:
    """Return a session of a role as sts:AssumeRole would create it.

    It has all permissions of the role.
    """
    session = Session(
        kind=SessionKind.ROLE,
        account=role.account,
        principal_id=role.id,
        principal_name=role.name,
        session_name=session_name,
        access_key_id="",
        secret=Secret(""),
        issued=int(now.timestamp()),
        expires=int((now + timedelta(hours=1)).timestamp()),
        issuing_key="",
    )
    return role_caller(role, session)


def build_named_request(
    caller: Caller,
    check: PermissionCheck,
    given: Mapping[str, ContextValue | None],
    views: SnapshotViews,
    assumed: Assumed,
) -> tuple[AuthorizationRequest, Policies]:
    """Return the request and its policies, with the keys in `given`.

    The value None removes a key.
    """
    keys = {**check.context, **{key: value for key, value in given.items() if value is not None}}
    request, policies = build_request(
        msgspec.structs.replace(check, context=keys), caller, assumed.context(caller), views
    )
    absent = {key for key, value in given.items() if value is None}
    context = {key: value for key, value in request.context.items() if key not in absent}
    return AuthorizationRequest(
        request.action, request.resource, request.resource_account, request.principal, context
    ), policies


def check_named(action: str, resource: str, caller: Caller, views: SnapshotViews) -> PermissionCheck:
    """Return the permission check of an action on a resource.

    For a role it contains the role's tags and, for actions on trust, its trust policy. For a recorded bucket and its
    objects it contains the owner and the bucket policy.
    """
    arn = Arn.find(resource)
    if arn is not None and arn.service == "s3":
        return _check_bucket(action, resource, arn.resource.partition("/")[0], caller, views)
    account = arn.account if arn is not None and is_account_id(arn.account) else caller.account
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        return PermissionCheck(action, resource, account)
    role = views.get(load_role, account, arn.resource.rpartition("/")[2])
    role = role if role is not None and role.arn == resource else None
    context = role_tags(role)
    if action.lower() not in _OF_TRUST:
        return PermissionCheck(action, resource, account, context)
    return PermissionCheck(
        action,
        resource,
        account,
        {**context, "sts:rolesessionname": SESSION_NAME},
        resource_policy=None if role is None else role.trust,
        trust=True,
    )


def _check_bucket(action: str, resource: str, name: str, caller: Caller, views: SnapshotViews) -> PermissionCheck:
    loaded = views.get(load_bucket, name)
    if loaded is None:
        return PermissionCheck(action, resource, caller.account)
    policy = loaded.policy_for(caller.principal, action)
    return PermissionCheck(action, resource, loaded.stored.account, resource_policy=policy)
