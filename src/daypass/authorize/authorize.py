"""Check the permissions of an operation.

Owns the step from permissions to an Authorized or a Fault:

- The first permission that is denied ends the check.
- `daypass explain` builds its requests with the same function as the server (merged_requests.py).
- A decision or an explanation that is too much work for the event loop runs on a worker thread, within the account's
  share.
- A refusal is in AWS's words. A denial of sts:AssumeRole has no reason: a caller must not learn whether a role is
  missing, forbidden to it, or not granted by its own policies.

Leaves the decision to policy/evaluate.py, and the content of the encoded message to denial.py.
"""

from contextlib import nullcontext, suppress
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.authorize.context import RequestInfo, build_context, request_keys
from daypass.authorize.denial import describe_denial, is_own_side_only
from daypass.authorize.merged_requests import build_lasting_request, build_request, is_lasting
from daypass.errors import AccessDenied, Fault, Throttling
from daypass.operations.authorization_message import seal_message
from daypass.operations.operation import AnyOperation, Authorized, NoPermissionNeeded, PermissionCheck
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import AuthorizationRequest, PrincipalKind
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies, decide, is_light
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import is_light_explanation
from daypass.policy.reasons.explanation_text import name_statement

_WITHOUT_REASON = frozenset({"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRoot"})
_UNSIGNED = frozenset({PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS})


def authorize(
    operation: AnyOperation, params: Any, caller: Caller, request_info: RequestInfo, ctx: RequestContext
) -> Authorized[Any]:
    """Return the parameters as authorized.

    Raises AccessDenied, in AWS's words, if a permission is denied.
    """
    checks = operation.permissions(params, caller, ctx)
    if isinstance(checks, NoPermissionNeeded):
        return Authorized(params, caller, checks)
    if is_lasting(caller):
        build, common = build_lasting_request, request_keys(request_info)
    else:
        build, common = build_request, build_context(caller, request_info)
    proof: tuple[Allowed, ...] = ()
    for check in checks:  # most calls have one
        request, policies = build(check, caller, common, ctx.views)
        proof += (_decide(check, request, policies, caller, ctx),)
    return Authorized(params, caller, proof, checks[0].role if checks else None)


def _decide(
    check: PermissionCheck, request: AuthorizationRequest, policies: Policies, caller: Caller, ctx: RequestContext
) -> Allowed:
    payer = caller.account or check.account
    if is_light(request, policies):
        decision = decide(request, policies)
    else:
        with ctx.heavy_work(payer):
            decision = decide(request, policies)
    if isinstance(decision, Allowed):
        return decision
    fault = refusal(check, request, policies, decision, caller)
    # A refusal is valid without its reasons, of which the account may have too many.
    light = is_light_explanation(request, policies)
    with suppress(Throttling), nullcontext() if light else ctx.heavy_work(payer):
        fault.encoded = encode_denial(request, policies, caller, ctx)
    raise fault


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

    Returns None for an unsigned call, whose caller could not decode it.
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
