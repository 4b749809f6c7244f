"""Express a denial in AWS's words.

Owns the message and the decision which facts it may reveal. policy/denial_messages.py provides the "because" part,
denial.py the content of the encoded message. This code does not run for allowed requests. Rules: IAM User Guide,
"Troubleshoot access denied error messages". Denials of sts:AssumeRole do not give a reason: a caller must not learn
whether the role does not exist, does not trust the caller, or is not allowed by the caller's own policies.
"""

from daypass.authenticate.caller import Caller
from daypass.authorize.denial import describe_denial, is_own_side_only
from daypass.errors import AccessDenied, Fault
from daypass.operations.authorization_message import seal_message
from daypass.operations.operation import PermissionCheck
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import AuthorizationRequest, PrincipalKind
from daypass.policy.decision import Denied
from daypass.policy.denial_messages import because
from daypass.policy.evaluate import Policies
from daypass.policy.explanation_text import name_statement

_WITHOUT_REASON = frozenset({"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRoot"})
_UNSIGNED = frozenset({PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS})


def refusal(
    check: PermissionCheck, request: AuthorizationRequest, policies: Policies, denied: Denied, caller: Caller
) -> Fault:
    """Return the Fault for the caller, without its encoded message."""
    detail = _detail(denied)
    if check.refusal is not None:
        return type(check.refusal)(check.refusal.message, detail=detail)
    # The caller's ARN as GetCallerIdentity returns it; an unsigned caller does not have one.
    sentence = f"User: {caller.arn} is not authorized to perform: {request.action} on resource: {request.resource}"
    if request.action in _WITHOUT_REASON or policies.trust:
        return AccessDenied(sentence, detail=detail)
    return AccessDenied(f"{sentence} {because(denied)}", detail=detail)


def encode_denial(request: AuthorizationRequest, policies: Policies, caller: Caller, ctx: RequestContext) -> str | None:
    """Return the encoded authorization message of a denial.

    Return None for an unsigned call: its caller could not decode the message.
    """
    if request.principal.kind in _UNSIGNED:
        return None
    return seal_message(
        describe_denial(request, policies, caller, at=ctx.now),
        one_size=is_own_side_only(request, policies),
        sealing_ring=ctx.sealing_ring,
        now=int(ctx.now.timestamp()),
        entropy=ctx.entropy,
    )


def _detail(denied: Denied) -> str:
    """Return the reason for the audit event, and the statements that denied."""
    named = ", ".join(name_statement(ref) for ref in denied.statements)
    failed = f"{denied.failure} while the policies were evaluated" if denied.failure else ""
    return ": ".join(part for part in (because(denied), named, failed) if part)
