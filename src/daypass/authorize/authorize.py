"""Check the permissions of an operation.

Owns the order: the first permission that is denied ends the check. An allowed request becomes an Authorized, a denied
one a Fault. Owns also the choice of the thread: a decision or an explanation that is too much work for the event loop
runs on a worker thread, within the account's share.
"""

from contextlib import nullcontext, suppress
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.authorize.access_denied import encode_denial, refusal
from daypass.authorize.context import RequestInfo, build_context
from daypass.authorize.request_builder import build_request
from daypass.errors import Throttling
from daypass.operations.operation import AnyOperation, Authorized, NoPermissionNeeded, PermissionCheck
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import NewConditionKeys
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import decide, is_light
from daypass.policy.explain import is_light_story


def authorize(
    operation: AnyOperation, params: Any, caller: Caller, request_info: RequestInfo, ctx: RequestContext
) -> Authorized[Any]:
    """Return the parameters as authorized.

    Raises AccessDenied, in AWS's words, if a permission is denied.
    """
    checks = operation.permissions(params, caller, ctx)
    if isinstance(checks, NoPermissionNeeded):
        return Authorized(params, caller, checks)
    common = build_context(caller, request_info)
    proof = tuple([_decide(check, caller, common, ctx) for check in checks])
    return Authorized(params, caller, proof, checks[0].role if checks else None)


def _decide(check: PermissionCheck, caller: Caller, common: NewConditionKeys, ctx: RequestContext) -> Allowed:
    request, policies = build_request(check, caller, common, ctx.views)
    payer = caller.account or check.account
    if is_light(request, policies):
        decision = decide(request, policies)
    else:
        with ctx.heavy_work(payer):
            decision = decide(request, policies)
    if isinstance(decision, Allowed):
        return decision
    fault = refusal(check, request, policies, decision, caller)
    # A refusal is valid without its reasons. If the account has too many of them, the request is still refused.
    light = is_light_story(request, policies)
    with suppress(Throttling), nullcontext() if light else ctx.heavy_work(payer):
        fault.encoded = encode_denial(request, policies, caller, ctx)
    raise fault
