"""Find a remedy for a denial, and check it with the engine.

The rules:

- If an Allow fails only on its conditions, the remedy is to meet them, never a statement without them.
- If a Deny applies because of its conditions, the remedy is a request to which it does not apply.
- A condition that the request already meets is listed if another condition on the same key fails: a new value has to
  meet both.
- If no Allow is that close, the remedy is a statement with every condition of the closest Allows.
- The whole remedy must turn the decision into an Allowed, and every part of it must be necessary.
- With the statement, a request that misses one of its conditions must be refused, unless it was allowed without the
  statement.

Owns the search; remedy_plan.py owns the check, without which no remedy is shown. A statement solves one request; an
administrator should read it before adding it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from daypass.authorize.helpful_statement import HelpfulStatement, write_statement
from daypass.authorize.remedy_plan import Need, RemedyPlan, is_safe, without_needless
from daypass.policy.authorization_request import AuthorizationRequest, ConditionKeys
from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.principal import PolicyBypass
from daypass.policy.reasons.explain import EvaluationDecision, Part, StatementTrace, Trace, TypeTrace
from daypass.policy.reasons.witness import Requirement
from daypass.policy.source import PolicyType

_MOST = 3
# Weights grow with the effort: a condition can be met, another principal is another statement.
_WEIGHT: Mapping[Part, int] = {Part.CONDITION: 1, Part.RESOURCE: 10, Part.PRINCIPAL: 100, Part.ACTION: 1000}
# More steps do not help, and a search must end.
_MOST_STEPS = 8
_MOST_TRIES = 200
# The conditions that a caller can meet most easily.
_EASY = (
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:securetransport",
    "sts:externalid",
    "aws:sourceip",
)

_OWN_SIDE: Mapping[PolicyType, PolicyBypass] = {
    PolicyType.IDENTITY: PolicyBypass.BYPASS_IDENTITY,
    PolicyType.BOUNDARY: PolicyBypass.BYPASS_BOUNDARY,
    PolicyType.SESSION: PolicyBypass.BYPASS_ALL,
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """The changes that together turn a denial into an Allowed.

    `context` is the context of a request that meets the needs.
    """

    needs: tuple[Need, ...]
    statements: tuple[HelpfulStatement, ...]
    context: ConditionKeys


def closest_statements(trace: Trace) -> tuple[StatementTrace, ...]:
    """Return the closest Allow statements about the action.

    Returns () if the denial is not for a missing Allow.
    """
    lacking = _find_lacking(trace)
    if lacking is None:
        return ()
    near = [
        one
        for policy in lacking.policies
        for one in policy.statements
        if one.allow and one.reasons and all(reason.part is not Part.ACTION for reason in one.reasons)
    ]
    return tuple(sorted(near, key=_distance)[:_MOST])


def _find_lacking(trace: Trace) -> TypeTrace | None:
    decision = trace.decision
    if not isinstance(decision, Denied) or decision.explicit:
        return None
    for of_type in trace.types:
        if of_type.type is decision.by and of_type.outcome is EvaluationDecision.IMPLICIT_DENY:
            return of_type
    return None


def _distance(statement: StatementTrace) -> int:
    return sum(_WEIGHT[reason.part] for reason in statement.reasons)


def find_remedy(request: AuthorizationRequest, policies: Policies) -> Remedy | None:
    """Return a remedy for a denial, or None if no safe remedy is known."""
    if isinstance(decide(request, policies), Allowed):
        return None
    found = _search(RemedyPlan(request, policies), _MOST_STEPS, iter(range(_MOST_TRIES)))
    if found is None:
        return None
    plan = _with_conditions_on_changed_keys(without_needless(found), found.needs)
    return Remedy(plan.needs, plan.statements, plan.changed_request.context) if is_safe(plan) else None


def _with_conditions_on_changed_keys(plan: RemedyPlan, every: Iterable[Need]) -> RemedyPlan:
    """Return the plan with more needs on the keys whose values change.

    The request meets these with its present value.
    """
    changed = {need.requirement.key for need in plan.needs}
    missed = {id(need) for need in plan.needs}
    needs = (
        need
        for need in every
        if id(need) in missed or (need.requirement.key in changed and need.requirement.is_met(plan.request.context))
    )
    return replace(plan, needs=tuple(needs))


def _search(plan: RemedyPlan, steps: int, tries: Iterator[int]) -> RemedyPlan | None:
    """Return the first plan that works. `tries` limits the number of plans."""
    if not plan.possible or next(tries, None) is None:
        return None
    decision = decide(plan.changed_request, plan.changed)
    if isinstance(decision, Allowed):
        return plan
    if not steps or decision.failure:
        return None
    options = _avoid_deny(plan, decision) if decision.explicit else _supply_allow(plan, decision)
    found = (_search(option, steps - 1, tries) for option in options)
    return next((one for one in found if one is not None), None)


def _avoid_deny(plan: RemedyPlan, decision: Denied) -> Iterator[RemedyPlan]:
    """Yield plans in which one condition of the Deny does not hold.

    Conditions that a caller can change easily are first.
    """
    sets = plan.changed.sets()
    denies = [one for policy_set in sets for one in _statements(policy_set) if one.ref in decision.statements]
    for deny in denies[:1]:
        needs = [Need(deny.ref, requirement) for requirement in _requirements(deny, plan, wanted=False)]
        for need in sorted(needs, key=lambda need: _ease(need.requirement)):
            yield replace(plan, needs=(*plan.needs, need))


def _ease(requirement: Requirement) -> int:
    return _EASY.index(requirement.key) if requirement.key in _EASY else len(_EASY)


def _supply_allow(plan: RemedyPlan, decision: Denied) -> Iterator[RemedyPlan]:
    """Yield plans that meet the conditions of an Allow.

    If no Allow is that close, yield a plan with an additional statement.
    """
    if decision.by is PolicyType.SESSION and plan.changed.scoped:
        return  # A scope-down policy cannot be changed, and its holder was meant to have no more.
    sets, level = _lacking_sets(plan, decision)
    candidates = [_closest(policy_set, plan.changed_request) for policy_set in sets]
    near = [one for allows in candidates for one in allows if _fails_on_conditions(one, plan.changed_request, decision)]
    for allow in sorted(near, key=lambda one: len(_missed(one, plan.changed_request))):
        needs = (Need(allow.ref, requirement) for requirement in _requirements(allow, plan, wanted=True))
        yield replace(plan, needs=(*plan.needs, *needs))
    if not near:
        trust = decision.trust and decision.by is PolicyType.RESOURCE
        nearest = [one for allows in candidates for one in allows[:_MOST]]
        # A string that is literal in an old policy would be a variable in the new statement.
        if any("${" in value and not _has_variables(one, plan) for one in nearest for value in _values(one)):
            return
        written = write_statement(plan.changed_request, decision.by, level, nearest, trust=trust)
        if written is not None:
            yield replace(plan, statements=(*plan.statements, written))


def _closest(policy_set: PolicySet, request: AuthorizationRequest) -> list[CompiledStatement]:
    """Return the Allows about the action that do not apply, closest first."""
    allows = (one for one in _statements(policy_set) if one.statement.allow and one.action.covers(request.action))
    return sorted((one for one in allows if _miss_distance(one, request)), key=lambda one: _miss_distance(one, request))


def _lacking_sets(plan: RemedyPlan, decision: Denied) -> tuple[list[PolicySet], int]:
    """Return the sets in which an Allow would help.

    Returns also the level of control policies without an Allow.
    """
    policies, request = plan.changed, plan.changed_request
    levels = {
        PolicyType.SERVICE_CONTROL: policies.service_control,
        PolicyType.RESOURCE_CONTROL: policies.resource_control,
    }
    for level, policy_set in enumerate(levels.get(decision.by, ())):
        allows = (one for one in _statements(policy_set) if one.statement.allow and one.action.covers(request.action))
        if not any(one.applies(request) for one in allows):
            return [policy_set], level
    own: dict[PolicyType, PolicySet | None] = {
        PolicyType.IDENTITY: policies.identity,
        PolicyType.BOUNDARY: policies.boundary,
        PolicyType.SESSION: policies.session,
        PolicyType.RESOURCE: policies.resource,
    }
    sets = [own.get(decision.by)]
    if decision.by in _OWN_SIDE and request.principal.account == request.resource_account:
        # In the same account, the resource policy can be sufficient without the caller's policies.
        sets.append(policies.resource)
    return [policy_set for policy_set in sets if policy_set is not None], 0


def _fails_on_conditions(allow: CompiledStatement, request: AuthorizationRequest, decision: Denied) -> bool:
    if allow.principal is not None and allow.ref.source.type is PolicyType.RESOURCE:
        least = _OWN_SIDE.get(decision.by, PolicyBypass.DELEGATED)
        if allow.principal.bypass(request.principal) < least:
            return False
    if allow.resource is not None and not allow.resource(request.resource, request.context):
        return False
    return bool(_missed(allow, request))


def _missed(allow: CompiledStatement, request: AuthorizationRequest) -> list[int]:
    return [at for at, holds in enumerate(allow.conditions) if not holds(request.context)]


def _miss_distance(allow: CompiledStatement, request: AuthorizationRequest) -> int:
    is_meant = allow.principal is None or allow.principal.bypass(request.principal) > PolicyBypass.NO_MATCH
    is_resource_meant = allow.resource is None or allow.resource(request.resource, request.context)
    far = (0 if is_meant else _WEIGHT[Part.PRINCIPAL]) + (0 if is_resource_meant else _WEIGHT[Part.RESOURCE])
    return far + len(_missed(allow, request))


def _requirements(statement: CompiledStatement, plan: RemedyPlan, *, wanted: bool) -> Iterator[Requirement]:
    variables = _has_variables(statement, plan)
    for test, holds in zip(statement.statement.conditions, statement.conditions, strict=True):
        yield Requirement(test, holds, wanted, variables)


def _has_variables(statement: CompiledStatement, plan: RemedyPlan) -> bool:
    policies = (policy for policy_set in plan.changed.sets() for policy in policy_set.policies)
    return any(policy.document.variables for policy in policies if statement in policy.statements)


def _values(statement: CompiledStatement) -> Iterator[str]:
    return (value for test in statement.statement.conditions for value in test.values)


def _statements(policy_set: PolicySet) -> Iterator[CompiledStatement]:
    return (statement for policy in policy_set.policies for statement in policy.statements)
