"""Decisions about delegation requests.

They are associate, update, accept, reject, and send the exchange token. Owns who can decide, and the record of the
approver, for whose identity the delegated credentials act.
Source: IAM API Reference, AssociateDelegationRequest and the other actions; IAM User Guide, "IAM temporary delegation".
"""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from daypass.authenticate.caller import Caller
from daypass.directory.delegation.approvals import approved_end, dated_approver, find_withdrawal
from daypass.directory.delegation.kept_requests import replace_request
from daypass.directory.entities.delegation_entities import Approver, DelegationRequest, State
from daypass.directory.revocations import revoke_delegation
from daypass.errors import InvalidInput
from daypass.mint.exchange_token import ExchangeToken, seal_exchange_token
from daypass.mint.key_chain import require_room
from daypass.mint.session import SessionKind
from daypass.operations.iam.delegation.delegation_rules import (
    AboutRequest,
    OneRequest,
    find_visible,
    get_owned,
    is_approver,
    is_owner,
    is_restricted,
    move,
    notify,
    permissions_of,
    require_packable,
)
from daypass.operations.operation import PermissionCheck, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import PrincipalKind

# A root user can delegate for at most four hours.
LONGEST_OF_ROOT = 14_400

_KINDS = {
    PrincipalKind.USER: SessionKind.USER,
    PrincipalKind.ROLE_SESSION: SessionKind.ROLE,
    PrincipalKind.ROOT: SessionKind.ROOT,
}


class _Noted(OneRequest, frozen=True):
    notes: str = ""


class _Decision(AboutRequest):
    """Base of the decisions: only the owner's account can decide."""

    access = StoreAccess.WRITE

    def perform(self, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Decide, and notify the partner."""
        request = get_owned(ctx.reader, caller, params.delegation_request_id)
        self.decide(request, params, caller, ctx)

    def decide(self, request: DelegationRequest, params: Any, caller: Caller, ctx: RequestContext) -> None:
        """Store the decision."""
        raise NotImplementedError


class AssociateDelegationRequest(_Decision):
    """Makes the caller and its account the owner of a request."""

    action = "AssociateDelegationRequest"

    def decide(self, request: DelegationRequest, params: OneRequest, caller: Caller, ctx: RequestContext) -> None:
        """Make the caller the owner."""
        if is_restricted(caller):
            raise InvalidInput("A session with session policies cannot own a delegation request.")
        moved = move(request, self.action, ctx, owner=caller.arn, owner_id=caller.user_id, owner_account=caller.account)
        notify(moved, ctx)


class UpdateDelegationRequest(_Decision):
    """Passes a request on to an identity that can accept it."""

    action, takes = "UpdateDelegationRequest", _Noted

    def decide(self, request: DelegationRequest, params: _Noted, caller: Caller, ctx: RequestContext) -> None:
        """Store the notes. The partner is notified only if the state changes."""
        state = request.state(ctx.now)
        moved = move(request, self.action, ctx, notes=params.notes or request.notes)
        if moved.state(ctx.now) is not state:
            notify(moved, ctx)


class AcceptDelegationRequest(_Decision):
    """Grants the request with the caller's own permissions."""

    action = "AcceptDelegationRequest"

    def decide(self, request: DelegationRequest, params: OneRequest, caller: Caller, ctx: RequestContext) -> None:
        """Record the approver."""
        if caller.principal.kind not in _KINDS or is_restricted(caller):
            # Such a session has only a part of its identity's permissions, but the record can only name the identity.
            raise InvalidInput("A session with session policies cannot accept a delegation request.")
        if caller.is_root and request.seconds > LONGEST_OF_ROOT:
            raise InvalidInput(f"A root user can delegate for {LONGEST_OF_ROOT} seconds at the most.")
        approver = _approver(caller, ctx.now)
        require_packable(request.policy, approver.tags)
        notify(move(request, self.action, ctx, approver=approver), ctx)


class RejectDelegationRequest(_Decision):
    """Rejects a request, even after it was accepted or its token was sent.

    AWS refuses to reject a finalized request, whose token was sent. Here it stays finalized too, but the access is
    revoked. The approver needs no policy to withdraw its approval.
    """

    action, takes = "RejectDelegationRequest", _Noted

    def permissions(self, params: _Noted, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require the action. The approver of the request is allowed by default."""
        [check] = super().permissions(params, caller, ctx)
        request = find_visible(ctx.reader, caller, params.delegation_request_id)
        if request is None or not is_approver(request, caller):
            return (check,)
        allowed = permissions_of(caller.arn, (check.action,), name="request-approver")
        return (replace(check, resource_policy=allowed),)

    def decide(self, request: DelegationRequest, params: _Noted, caller: Caller, ctx: RequestContext) -> None:
        """Record the reason, or end the access."""
        if request.state(ctx.now) is State.FINALIZED:
            replace_request(ctx.writer, replace(request, rejection=params.notes, updated=ctx.now))
            revoke_delegation(ctx.writer, request, now=int(ctx.now.timestamp()))
            return
        notify(move(request, self.action, ctx, rejection=params.notes), ctx)


class SendDelegationToken(_Decision):
    """Sends the exchange token to the partner. This starts the access.

    RejectDelegationRequest ends the access.
    """

    action = "SendDelegationToken"

    def decide(self, request: DelegationRequest, params: OneRequest, caller: Caller, ctx: RequestContext) -> None:
        """Seal the token for the partner's account and add it to the queue."""
        if request.only_owner_sends and not is_owner(request, caller):
            raise InvalidInput("Only the owner of this delegation request can send its token.")
        finalized = move(request, self.action, ctx, approver=dated_approver(request, ctx.now))
        ends = _require_open(finalized, ctx)
        token = seal_exchange_token(
            ExchangeToken(finalized.id, int(ends.timestamp())),
            account=finalized.requestor,
            sealing_ring=ctx.sealing_ring,
            now=int(ctx.now.timestamp()),
            entropy=ctx.entropy,
        )
        notify(finalized, ctx, token=token, ends=ends)


def _require_open(request: DelegationRequest, ctx: RequestContext) -> datetime:
    """Return when the access of a request ends.

    Raises InvalidInput if the request was not accepted, or if the approval was withdrawn or has ended.
    """
    if request.approver is None:
        raise InvalidInput(f"The delegation request {request.id} was not accepted.")
    reason = find_withdrawal(ctx.reader, request, request.approver)
    ends = approved_end(ctx.reader, request)
    if not reason and ends <= ctx.now:
        reason = "the session that accepted it has ended"
    if reason:
        raise InvalidInput(
            f"The delegation request {request.id} cannot be sent: {reason}. Reject it and ask for another."
        )
    return ends


def _approver(caller: Caller, now: datetime) -> Approver:
    session, principal = caller.session, caller.principal
    chain = require_room(caller.key_chain(int(now.timestamp())))
    approver = Approver(
        kind=_KINDS[principal.kind].value,
        account=caller.account,
        arn=caller.arn,
        principal_id=principal.unique_id,
        principal_name="" if caller.identity is None else caller.identity.name,
        accepted=now,
        keys=chain.keys,
        key_times=chain.times,
        has_all_keys=chain.is_complete,
        ends=None if session is None else datetime.fromtimestamp(session.expires, UTC),
    )
    if session is None or principal.kind is not PrincipalKind.ROLE_SESSION:
        return approver
    return replace(
        approver,
        session_name=session.session_name,
        tags=session.tags,
        transitive_tag_keys=session.transitive_tag_keys,
        source_identity=session.source_identity,
        provider=session.provider,
        context=session.context,
    )


OPERATIONS = (
    AssociateDelegationRequest(),
    UpdateDelegationRequest(),
    AcceptDelegationRequest(),
    RejectDelegationRequest(),
    SendDelegationToken(),
)
