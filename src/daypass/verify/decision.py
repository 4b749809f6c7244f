"""Decide whether a verified caller may do an action.

Owns the request that the engine evaluates. Leaves the rules of evaluation to policy/evaluate.py, and the condition keys
of a request to the service.
"""

from daypass.arn import Arn
from daypass.policy.authorization_request import AuthorizationRequest, ConditionKeys
from daypass.policy.compiled import PolicySet
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies
from daypass.policy.evaluate import decide as evaluate
from daypass.verify.caller import VerifiedCaller


def decide(  # noqa: PLR0913 - the parts of a decision
    caller: VerifiedCaller,
    action: str,
    resource: str,
    context: ConditionKeys,
    *,
    resource_account: str = "",
    resource_policy: PolicySet | None = None,
    resource_control: tuple[PolicySet, ...] = (),
) -> Allowed | Denied:
    """Return Allowed or Denied. Pass a Denied to the client as 403.

    `context` has the condition keys of the request. It does not override the caller's own keys. `resource_account` is
    the account that owns the resource: by default the account in the ARN, or the caller's if the ARN does not contain
    an account (those of S3 do not). If it is not the caller's account, the resource policy must allow the caller
    too. `resource_control` are the RCPs of the owner's account, one set for each level of its organization.
    """
    own = caller.policies
    policies = Policies(own.identity, own.boundary, own.session, own.service_control, resource_control, resource_policy)
    request = AuthorizationRequest(
        action=action,
        resource=resource,
        resource_account=resource_account or _account_in(resource) or caller.account,
        principal=caller.principal,
        context={**_lower_case(context), **caller.context},
    )
    return evaluate(request, policies)


def _account_in(resource: str) -> str:
    arn = Arn.find(resource)
    return "" if arn is None else arn.account


def _lower_case(context: ConditionKeys) -> ConditionKeys:
    # The engine compares keys in lower case: another spelling would make the conditions of a Deny miss their key.
    if "".join(context).islower():
        return context
    return {key.lower(): value for key, value in context.items()}
