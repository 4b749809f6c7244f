"""sts:GetDelegatedAccessToken: redeem an exchange token.

Owns the parameters and the answer. A partner gets, once, the credentials of the user who accepted the request, limited
to the accepted policy. They end at the accepted time, however late they are fetched, count as issued when the request
was accepted, and have the approver's and the partner's access keys behind them.
Source: STS API Reference, GetDelegatedAccessToken; IAM User Guide, "IAM temporary delegation".
"""

import msgspec
from msgspec.structs import replace

from daypass.authenticate.caller import Caller
from daypass.directory.delegation.approvals import approved_end, find_withdrawal
from daypass.directory.delegation.kept_requests import find_request, replace_request
from daypass.directory.entities.delegation_entities import Approver, DelegationRequest, State
from daypass.errors import AccessDenied, ExpiredTradeInToken, InvalidParameterValue
from daypass.mint.exchange_token import ExchangeTokenBrokenError, open_exchange_token
from daypass.mint.session import SessionKind
from daypass.operations.operation import Authorized, Result, StoreAccess, WithoutResource
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import Approval, Grant, mint_credentials
from daypass.operations.sts.session_policies import SessionPolicies, packed_percentage

_BROKEN = "The trade-in token is not valid for this account."
_EXPIRED = "The trade-in token has expired."
_USED = "The trade-in token was used already."
_WITHDRAWN = "The approval of the delegation request is no longer valid. Ask the customer to accept a new request."


class GetDelegatedAccessTokenParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of GetDelegatedAccessToken."""

    trade_in_token: str


class GetDelegatedAccessToken(WithoutResource[GetDelegatedAccessTokenParams]):
    """Mints a session of the user who accepted the request."""

    service, action, access = "sts", "GetDelegatedAccessToken", StoreAccess.WRITE
    takes = GetDelegatedAccessTokenParams

    def run(self, authorized: Authorized[GetDelegatedAccessTokenParams], ctx: RequestContext) -> Result:
        """Redeem the token and mint the session, both or neither."""
        caller = authorized.caller
        request, approver = _redeem(authorized.params.trade_in_token, caller, ctx)
        percentage = packed_percentage(SessionPolicies(inline=request.policy), approver.tags)
        credentials = mint_credentials(
            Grant(
                kind=SessionKind(approver.kind),
                account=approver.account,
                principal_id=approver.principal_id,
                principal_name=approver.principal_name,
                session_name=approver.session_name,
                seconds=int(approved_end(ctx.reader, request).timestamp()) - int(ctx.now.timestamp()),
                policy=request.policy,
                tags=approver.tags,
                transitive_tag_keys=approver.transitive_tag_keys,
                source_identity=approver.source_identity,
                provider=approver.provider,
                context=approver.context,
                delegation=request.id,
                approval=Approval(int(request.accepted.timestamp()), approver.key_chain),
            ),
            authorized,
            ctx,
        )
        # `daypass sessions revoke --delegation` needs the key id to end the credentials and sessions made with them.
        replace_request(ctx.writer, replace(request, redeemed_key=credentials["AccessKeyId"]))
        return {
            "Credentials": credentials,
            "PackedPolicySize": percentage or 0,
            "AssumedPrincipal": approver.arn,
        }


def _redeem(text: str, caller: Caller, ctx: RequestContext) -> tuple[DelegationRequest, Approver]:
    """Return the request of a token, and mark the token as used.

    Raises a Fault.
    """
    try:
        token = open_exchange_token(text, account=caller.account, sealing_ring=ctx.sealing_ring)
    except ExchangeTokenBrokenError as error:
        raise InvalidParameterValue(_BROKEN, detail="the token does not open for the caller's account") from error
    request = find_request(ctx.reader, token.request)
    if ctx.now.timestamp() >= token.expires or request is None:
        raise ExpiredTradeInToken(_EXPIRED)
    if request.state(ctx.now) is not State.FINALIZED or request.approver is None:
        raise ExpiredTradeInToken(_EXPIRED, detail=f"the request is {request.state(ctx.now).value}")
    reason = find_withdrawal(ctx.reader, request, request.approver)
    if reason:
        raise AccessDenied(_WITHDRAWN, detail=reason)
    if ctx.now >= approved_end(ctx.reader, request):
        raise ExpiredTradeInToken(_EXPIRED, detail="the approved time has passed")
    # The claim is part of this transaction: if minting fails, the token is not used up.
    if not ctx.writer.claim(f"delegation:{request.id}", until=request.expires):
        raise ExpiredTradeInToken(_USED)
    return request, request.approver
