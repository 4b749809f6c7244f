"""The results of a simulation: the engine's decisions in AWS's format.

Owns how a result shows a decision of the policy engine.
Source: IAM API Reference, EvaluationResult and ResourceSpecificResult.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daypass.arn import Arn, is_account_id
from daypass.errors import InvalidInput
from daypass.operations.iam.simulate.simulate_inputs import read_policy
from daypass.policy.authorization_request import AuthorizationRequest, NewConditionKeys, Principal
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_set
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind
from daypass.policy.reasons.explain import EvaluationDecision, StatementTrace, Trace, explain

ALLOWED, EXPLICIT, IMPLICIT = (outcome.value for outcome in EvaluationDecision)
_SHOWN = frozenset({PolicyType.IDENTITY, PolicyType.RESOURCE})
_DETAILS: Mapping[PolicyType, str] = {
    PolicyType.IDENTITY: "IAM Policy",
    PolicyType.BOUNDARY: "Permissions Boundary Policy",
    PolicyType.RESOURCE: "Resource Policy",
}
_HOLDERS = ("user", "group", "role")


@dataclass(frozen=True, slots=True)
class Scene:
    """The caller of a simulation, its policies and its context.

    `organization`: the result shows the decision of the organization's policies.
    """

    principal: Principal
    identity: PolicySet
    boundary: PolicySet | None
    service_control: tuple[PolicySet, ...]
    organization: bool
    context: NewConditionKeys


@dataclass(frozen=True, slots=True)
class Side:
    """The resource's side of a simulation.

    `resource` and `trust` are the given policy, as a resource policy and as a trust policy. `owner` is the account of
    resources whose ARN does not contain one. Policies of real resources are not looked up: without a policy and an
    owner, the resource is in the caller's account.
    """

    resource: PolicySet | None
    trust: PolicySet | None
    owner: str

    def owner_of(self, resource: str, caller_account: str) -> str:
        """Return the account that owns a resource."""
        if not (self.owner or self.resource or self.trust):
            return caller_account
        arn = Arn.find(resource)
        if arn is not None and is_account_id(arn.account):
            return arn.account
        return self.owner or caller_account


def read_side(text: str, owner: str, resources: Iterable[str]) -> Side:
    """Return the resource's side.

    Raises InvalidInput for a malformed policy, or for an owner that is not an account.
    """
    arn = Arn.find(owner)
    account = owner if arn is None else arn.account
    if account and not is_account_id(account):
        raise InvalidInput(f"{owner} is not the id of an account.")
    if not text:
        return Side(None, None, account)
    kinds = {_is_role(resource) for resource in resources}
    return Side(
        resource=_resource_policy(text, DocumentKind.RESOURCE) if False in kinds else None,
        trust=_resource_policy(text, DocumentKind.TRUST) if True in kinds else None,
        owner=account,
    )


def _resource_policy(text: str, kind: DocumentKind) -> PolicySet:
    return compile_set([read_policy(text, kind, PolicyType.RESOURCE, "ResourcePolicy")])


def _is_role(resource: str) -> bool:
    arn = Arn.find(resource)
    return arn is not None and arn.service == "iam" and arn.resource.startswith("role/")


def check_names(actions: tuple[str, ...], resources: tuple[str, ...]) -> None:
    """Refuse a string that is not the name of one action or of a resource."""
    for action in actions:
        service, colon, name = action.partition(":")
        if not (service and colon and name) or any(mark in action for mark in "*? "):
            raise InvalidInput(f"{action} is not the name of an action, such as iam:CreateUser.")
    for resource in resources:
        if resource != "*" and Arn.find(resource) is None:
            raise InvalidInput(f'{resource} is not an ARN or "*".')


def build_pair(action: str, resource: str, scene: Scene, side: Side) -> tuple[AuthorizationRequest, Policies]:
    """Return the request for one action on one resource, and its policies."""
    trust = side.trust is not None and _is_role(resource)
    owner = side.owner_of(resource, scene.principal.account)
    return AuthorizationRequest(action, resource, owner, scene.principal, scene.context), Policies(
        identity=scene.identity,
        boundary=scene.boundary,
        service_control=scene.service_control,
        resource=side.trust if trust else side.resource,
        trust=trust,
    )


def evaluate(request: AuthorizationRequest, policies: Policies, scene: Scene) -> dict[str, Any]:
    """Return the result for one action on one resource."""
    action, resource, trace = request.action, request.resource, explain(request, policies)
    across = request.resource_account != scene.principal.account
    decision, more = _decision(trace), _shared(trace, scene, across=across)
    result = {"EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision, **more}
    organizations = _organizations(trace, scene)
    if resource == "*":
        return {**result, **organizations}
    specific = {"EvalResourceName": resource, "EvalResourceDecision": decision, **more}
    return {"EvalDecisionDetails": {}, **result, **organizations, "ResourceSpecificResults": [specific]}


def _decision(trace: Trace) -> str:
    decision = trace.decision
    if isinstance(decision, Allowed):
        return ALLOWED
    return EXPLICIT if decision.explicit else IMPLICIT


def _shared(trace: Trace, scene: Scene, *, across: bool) -> dict[str, Any]:
    """Return the members that a result shares with its resource result."""
    by_type = {of_type.type: of_type.outcome for of_type in trace.types}
    shared: dict[str, Any] = {
        "MatchedStatements": [_show_statement(one) for one in _deciding(trace)],
        "MissingContextValues": list(trace.missing),
    }
    if scene.boundary is not None:
        allowed = by_type.get(PolicyType.BOUNDARY) is EvaluationDecision.ALLOWED
        shared["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    denied = trace.decision if isinstance(trace.decision, Denied) else None
    # AWS: if the organization's policies deny the request, the evaluation ends.
    if across and (denied is None or denied.by is not PolicyType.SERVICE_CONTROL):
        shared["EvalDecisionDetails"] = {
            name: by_type[of_type].value for of_type, name in _DETAILS.items() if of_type in by_type
        }
    return shared


def _organizations(trace: Trace, scene: Scene) -> dict[str, Any]:
    if not scene.organization:
        return {}
    outcomes = [of_type.outcome for of_type in trace.types if of_type.type is PolicyType.SERVICE_CONTROL]
    return {
        "OrganizationsDecisionDetail": {
            "AllowedByOrganizations": all(one is EvaluationDecision.ALLOWED for one in outcomes)
        }
    }


def _deciding(trace: Trace) -> list[StatementTrace]:
    """Return the statements that caused the decision.

    An implicit deny does not have such statements.
    """
    if isinstance(trace.decision, Denied) and not trace.decision.explicit:
        return []
    return [one for one in trace.matched if one.ref.source.type in _SHOWN]


def _show_statement(traced: StatementTrace) -> dict[str, Any]:
    source, span = traced.ref.source, traced.span
    shown: dict[str, Any] = {"SourcePolicyId": source.id.rpartition("/")[2], "SourcePolicyType": _type_of(source)}
    if span is not None:
        shown["StartPosition"] = {"Line": span.start_line, "Column": span.start_column}
        shown["EndPosition"] = {"Line": span.end_line, "Column": span.end_column}
    return shown


def _type_of(source: PolicySource) -> str:
    if source.type is PolicyType.RESOURCE:
        return "resource"
    if source.id.startswith("arn:"):
        return "aws-managed" if source.id.startswith("arn:aws:iam::aws:") else "user-managed"
    arn = Arn.find(source.owner)
    holder = "" if arn is None else arn.resource.partition("/")[0]
    return holder if holder in _HOLDERS else "none"
