"""The rules of delegation requests: visibility, owners and states.

Owns the table of states, the owner's default permissions, and the notifications that a partner receives.
Source: IAM User Guide, "IAM temporary delegation", "Managing permissions for delegation requests", "Understanding the
request lifecycle".
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from daypass.arn import iam_arn
from daypass.authenticate.caller import Caller
from daypass.authenticate.caller_keys import iso
from daypass.directory.delegation import kept_requests
from daypass.directory.entities.delegation_entities import DelegationRequest, State
from daypass.directory.identity import compiled
from daypass.directory.store import Reader
from daypass.errors import InvalidInput, LimitExceeded, NoSuchEntity, PackedPolicyTooLarge
from daypass.operations.iam.iam_action import IamAction, IamParams
from daypass.operations.operation import PermissionCheck
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.session_policies import SessionPolicies, packed_percentage
from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_set
from daypass.policy.language.document import DocumentKind

# For each action: the states in which it is valid, and the new state.
TRANSITIONS: Mapping[str, tuple[frozenset[State], State]] = {
    "AssociateDelegationRequest": (frozenset({State.UNASSIGNED}), State.ASSIGNED),
    "UpdateDelegationRequest": (frozenset({State.ASSIGNED, State.PENDING_APPROVAL}), State.PENDING_APPROVAL),
    "AcceptDelegationRequest": (frozenset({State.ASSIGNED, State.PENDING_APPROVAL}), State.ACCEPTED),
    "RejectDelegationRequest": (
        frozenset({State.ASSIGNED, State.PENDING_APPROVAL, State.ACCEPTED}),
        State.REJECTED,
    ),
    "SendDelegationToken": (frozenset({State.ACCEPTED}), State.FINALIZED),
}

# The owner of a request has these permissions without a policy.
_OWNERS = (
    "iam:GetDelegationRequest",
    "iam:UpdateDelegationRequest",
    "iam:SendDelegationToken",
    "iam:GetHumanReadableSummary",
)


class OneRequest(IamParams, frozen=True):
    """The parameters of an action about one request."""

    delegation_request_id: str


def require_packable(policy: str, tags: Mapping[str, str]) -> None:
    """Refuse a policy that the delegated credentials would have no room for.

    Otherwise the partner would learn it only after the approval. Raises InvalidInput in AWS's words.
    """
    try:
        packed_percentage(SessionPolicies(inline=policy), tags)
    except PackedPolicyTooLarge as problem:
        raise InvalidInput(problem.message) from problem


def find_visible(reader: Reader, caller: Caller, request_id: str) -> DelegationRequest | None:
    """Return a request that the caller's account can see, or None.

    Without an owner account it is visible to all accounts, afterwards to the owner account and the partner that created
    it.
    """
    request = kept_requests.find_request(reader, request_id)
    if request is None or request.owner_account not in {"", caller.account}:
        seen = request is not None and request.requestor == caller.account
        return request if seen else None
    return request


def get_owned(reader: Reader, caller: Caller, request_id: str) -> DelegationRequest:
    """Return a request that the caller's account can decide.

    Raises NoSuchEntity if it is missing, or if another account owns it.
    """
    request = find_visible(reader, caller, request_id)
    if request is None or request.owner_account not in {"", caller.account}:
        raise missing(request_id)
    return request


def missing(request_id: str) -> NoSuchEntity:
    """Return the error for a request that is missing or not visible."""
    return NoSuchEntity(f"The delegation request {request_id} cannot be found.")


def is_restricted(caller: Caller) -> bool:
    """Tell whether a policy limits the session itself."""
    return caller.session is not None and caller.session.has_policies


def is_owner(request: DelegationRequest, caller: Caller) -> bool:
    """Tell whether the caller, in an unrestricted session, owns the request."""
    return bool(request.owner_id) and request.owner_id == caller.user_id and not is_restricted(caller)


def is_approver(request: DelegationRequest, caller: Caller) -> bool:
    """Tell whether the caller, in an unrestricted session, is the approver."""
    approver = request.approver
    if approver is None or is_restricted(caller):
        return False
    # The unique id alone matches every session of a role. The ARN alone matches a recreated user.
    return (approver.principal_id, approver.arn) == (caller.principal.unique_id, caller.arn)


def move(request: DelegationRequest, action: str, ctx: RequestContext, **more: Any) -> DelegationRequest:
    """Store a request in the next state of an action.

    Raises InvalidInput if the action is not valid in the present state.
    """
    fitting, following = TRANSITIONS[action]
    state = request.state(ctx.now)
    if state not in fitting:
        raise InvalidInput(f"The delegation request {request.id} is in the state {state.value}.")
    entered = {} if state is following else {"since": ctx.now}
    moved = msgspec.structs.replace(request, stored_state=following.value, updated=ctx.now, **entered, **more)
    kept_requests.replace_request(ctx.writer, moved)
    return moved


def notify(request: DelegationRequest, ctx: RequestContext, *, token: str = "", ends: datetime | None = None) -> None:
    """Queue the notification of the partner about the request's new state.

    `ends` is when the token expires. Raises LimitExceeded if too many wait for the partner's webhook: access must not
    be granted without a notification. A rejection is stored in any case.
    """
    state = request.state(ctx.now)
    ends = request.expires if ends is None else ends
    message = {
        "DelegationRequestId": request.id,
        "RequestorWorkflowId": request.workflow,
        "State": state.value,
        "OwnerAccountId": request.owner_account,
        "UpdatedTime": iso(request.updated),
        "ExpirationTime": iso(ends),
        "RejectionReason": request.rejection if state is State.REJECTED else "",
        "ExchangeToken": token,
    }
    notification = kept_requests.new_notification(
        request,
        msgspec.json.encode({name: value for name, value in message.items() if value}),
        due=int(ctx.now.timestamp()),
        expires=int(ends.timestamp()),
        entropy=ctx.entropy,
        vault=ctx.vault,
    )
    if not kept_requests.enqueue_notification(ctx.writer, request, notification) and state is not State.REJECTED:
        raise LimitExceeded(
            f"Cannot exceed quota for NotificationsPerRequestor: {kept_requests.MOST_WAITING}. The partner's webhook "
            "does not take its notifications; try again later, or ask the partner."
        )


class AboutRequest(IamAction[Any]):
    """Base of actions about one request.

    Owns its ARN, its condition keys, and its owner's default permissions.
    """

    takes: type[IamParams] = OneRequest

    def resource(self, params: Any, caller: Caller, ctx: RequestContext) -> str:
        """Return the request's ARN in the caller's account."""
        return iam_arn(caller.account, "delegation-request", "/", self.request_id(params))

    def request_id(self, params: Any) -> str:
        """Return the id of the request."""
        named: str = params.delegation_request_id
        return named

    def context(self, params: Any, caller: Caller, ctx: RequestContext) -> ConditionKeys:
        """Return the condition keys of the request."""
        request = find_visible(ctx.reader, caller, self.request_id(params))
        return {} if request is None else request_keys(request)

    def permissions(self, params: Any, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require the action. The owner of the request has default permissions."""
        [check] = super().permissions(params, caller, ctx)
        request = find_visible(ctx.reader, caller, self.request_id(params))
        if request is None or not is_owner(request, caller):
            return (check,)
        return (msgspec.structs.replace(check, resource_policy=permissions_of(caller.arn, _OWNERS)),)


def request_keys(request: DelegationRequest) -> ConditionKeys:
    """Return the condition keys of a request."""
    owner = {"iam:delegationrequestowner": request.owner} if request.owner else {}
    return {
        "iam:templatearn": request.template,
        "iam:delegationduration": str(request.seconds),
        "iam:notificationchannel": request.channel,
        **owner,
    }


@lru_cache(maxsize=1024)
def permissions_of(arn: str, actions: tuple[str, ...], *, name: str = "request-owner") -> PolicySet:
    """Return the default permissions of a request's owner or approver."""
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": actions, "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return compile_set((compiled(text, DocumentKind.RESOURCE, PolicySource(PolicyType.RESOURCE, name)),))
