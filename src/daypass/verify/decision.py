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
from daypass.policy.language.known_keys import PROPAGATED
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
    """Return Allowed or Denied. Answer the client of a Denied with 403.

    `context` has the condition keys of the request. It does not override the caller's own keys, and a propagated
    identity (aws:OriginIdentity/…) in it is ignored. `resource_account` is
    the account that owns the resource: by default the account in the ARN, or the caller's if the ARN does not contain
    an account (those of S3 do not). If it is not the caller's account, the resource policy must allow the caller
    too. `resource_control` are the RCPs of the owner's account, one set for each level of its organization.

    >>> from daypass.verify import decide, static_caller
    >>> statement = '{"Effect": "Allow", "Action": "inventory:Get*", "Resource": "*"}'
    >>> policy = '{"Version": "2012-10-17", "Statement": ' + statement + '}'
    >>> alice = static_caller("111122223333", "alice", policy)
    >>> type(decide(alice, "inventory:GetItem", "arn:aws:inventory:::item/42", {})).__name__
    'Allowed'
    >>> type(decide(alice, "inventory:DeleteItem", "arn:aws:inventory:::item/42", {})).__name__
    'Denied'
    """
    request, policies = prepare_decision(
        caller,
        action,
        resource,
        context,
        resource_account=resource_account,
        resource_policy=resource_policy,
        resource_control=resource_control,
    )
    return evaluate(request, policies)


def prepare_decision(  # noqa: PLR0913 - the parts of a decision
    caller: VerifiedCaller,
    action: str,
    resource: str,
    context: ConditionKeys,
    *,
    resource_account: str = "",
    resource_policy: PolicySet | None = None,
    resource_control: tuple[PolicySet, ...] = (),
) -> tuple[AuthorizationRequest, Policies]:
    """Return the request and the policies of a decision.

    An event loop asks policy.evaluate.is_light about them first: a heavy decision belongs on a worker thread.
    """
    own = caller.policies
    policies = Policies(
        own.identity, own.boundary, own.session, own.scoped, own.service_control, resource_control, resource_policy
    )
    request = AuthorizationRequest(
        action=action,
        resource=resource,
        resource_account=resource_account or _account_in(resource) or caller.account,
        principal=caller.principal,
        context={**_of_request(context), **caller.context},
    )
    return request, policies


def _account_in(resource: str) -> str:
    arn = Arn.find(resource)
    return "" if arn is None else arn.account


def _of_request(context: ConditionKeys) -> ConditionKeys:
    # The engine compares keys in lower case: another spelling would make the conditions of a Deny miss their key.
    if not "".join(context).islower():
        context = {key.lower(): value for key, value in context.items()}
    # A propagated identity was proved at the sign-in. A request cannot give it to a caller that has none.
    if any(key.startswith(PROPAGATED) for key in context):
        return {key: value for key, value in context.items() if not key.startswith(PROPAGATED)}
    return context
