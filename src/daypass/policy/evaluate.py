"""Decide one question against the policies that apply.

Pure: gathering the policies is authorize/'s work, putting a refusal into words is words.py's.
Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic".

The order: any Deny anywhere; then each level of resource and service control policies needs an Allow; then
the resource policy and the caller's own side. What the resource policy's Allow does without is told by
principal.Reach.
"""

from collections.abc import Iterator

import msgspec

from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.decision import DECIDED, TOO_MUCH_WORK, Allowed, Denied
from daypass.policy.index import ResourceIndex
from daypass.policy.principal import Reach
from daypass.policy.question import MOST_WORK, PrincipalKind, Question
from daypass.policy.source import PolicyType
from daypass.policy.work import LIGHT_PART, LIGHT_WORK, work_of_asking


class Policies(msgspec.Struct, frozen=True):
    """All that applies to a question.

    `boundary` and `session` are None where there is none; several session policies are one set. Control
    policies are one set a level, the organization's root first, and () where none apply. `trust` says that
    `resource` is a role's trust policy, which must itself allow, in the same account too. `characters` are
    those of all sets together; they are found out here, whatever is handed in.
    """

    identity: PolicySet
    boundary: PolicySet | None = None
    session: PolicySet | None = None
    service_control: tuple[PolicySet, ...] = ()
    resource_control: tuple[PolicySet, ...] = ()
    resource: PolicySet | None = None
    trust: bool = False
    characters: int = 0

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "characters", sum([one.characters for one in self.sets()]))

    def sets(self) -> Iterator[PolicySet]:
        """Yield every set of policies that is looked at, in the order of evaluation."""
        yield from self.resource_control
        yield from self.service_control
        for policy_set in (self.resource, self.identity, self.boundary, self.session):
            if policy_set is not None:
                yield policy_set


Decision = Allowed | Denied


def is_light(question: Question, policies: Policies) -> bool:
    """Tell whether a decision is so little work that the event loop may make it."""
    if policies.characters <= question.affordable // LIGHT_PART:
        return True
    return work_of_asking(question, policies.sets(), LIGHT_WORK) <= LIGHT_WORK


_WITHOUT_OWN_SIDE = frozenset(
    {PrincipalKind.SERVICE, PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS}
)


def decide(question: Question, policies: Policies) -> Decision:
    """Return Allowed or Denied.

    A statement that cannot be evaluated refuses the whole request, and so do policies that are too much work.
    """
    try:
        if policies.characters > question.affordable and (
            work_of_asking(question, policies.sets(), MOST_WORK) > MOST_WORK
        ):
            return _closed(TOO_MUCH_WORK, question, policies)
        return _denied_anywhere(question, policies) or _decide_allow(question, policies)
    except Exception as problem:  # noqa: BLE001 - AWS: "generates an exception and closes"
        return _closed(type(problem).__name__, question, policies)


def _closed(failure: str, question: Question, policies: Policies) -> Denied:
    return Denied(
        explicit=False,
        by=PolicyType.IDENTITY,
        statements=(),
        action=question.action,
        trust=policies.trust,
        failure=failure,
    )


# Explicit denies --------------------------------------------------------------------------------------------


def _denied_anywhere(question: Question, policies: Policies) -> Denied | None:
    """Return the first explicit deny, looking at the types in AWS's order."""
    for level in policies.resource_control:
        found = _find_deny_to_caller(level, question)
        if found is not None:
            return _explicit(found, PolicyType.RESOURCE_CONTROL, question, policies)
    for level in policies.service_control:
        found = _find(level.candidates(question.action)[0], question)
        if found is not None:
            return _explicit(found, PolicyType.SERVICE_CONTROL, question, policies)
    if policies.resource is not None:
        found = _find_deny_to_caller(policies.resource, question)
        if found is not None:
            return _explicit(found, PolicyType.RESOURCE, question, policies)
    return _denied_on_own_side(question, policies)


def _denied_on_own_side(question: Question, policies: Policies) -> Denied | None:
    own = (
        (policies.identity, PolicyType.IDENTITY),
        (policies.boundary, PolicyType.BOUNDARY),
        (policies.session, PolicyType.SESSION),
    )
    for policy_set, by in own:
        if policy_set is not None:
            found = _find(policy_set.candidates(question.action)[0], question)
            if found is not None:
                return _explicit(found, by, question, policies)
    return None


def _explicit(found: CompiledStatement, by: PolicyType, question: Question, policies: Policies) -> Denied:
    return Denied(explicit=True, by=by, statements=(found.ref,), action=question.action, trust=policies.trust)


def _find(statements: ResourceIndex[CompiledStatement], question: Question) -> CompiledStatement | None:
    """Return a statement that applies, in policies that name no principal."""
    for statement in statements.speaking_of(question.resource):
        if statement.applies(question):
            return statement
    return None


def _find_deny_to_caller(policy_set: PolicySet, question: Question) -> CompiledStatement | None:
    for statement in policy_set.candidates(question.action)[0].speaking_of(question.resource):
        # No Principal in a policy that must have one: parsing refuses it; a Deny without one means everyone.
        meant = statement.principal is None or statement.principal.denies(question.principal)
        if meant and statement.applies(question):
            return statement
    return None


# Allows -----------------------------------------------------------------------------------------------------


def _decide_allow(question: Question, policies: Policies) -> Decision:
    controls = _lacks_control(question, policies)
    if controls is not None:
        return controls
    named, reach = _find_grant(question, policies)
    if question.principal.kind in _WITHOUT_OWN_SIDE:
        if named is not None and reach >= Reach.PAST_IDENTITY:
            return named.allowed
        return _implicit(PolicyType.RESOURCE, question, policies)
    same_account = bool(question.resource_account) and question.principal.account == question.resource_account
    if not same_account:
        return _decide_across(question, policies, named)
    if named is None and policies.trust:
        return _implicit(PolicyType.RESOURCE, question, policies)
    return _decide_own_side(question, policies, named, reach)


def _decide_across(question: Question, policies: Policies, named: CompiledStatement | None) -> Decision:
    """Both accounts must allow, and the caller's own account speaks first: it may know its own refusals."""
    own = _decide_own_side(question, policies, None, Reach.DELEGATED)
    if isinstance(own, Denied):
        return own
    if named is None:
        return _implicit(PolicyType.RESOURCE, question, policies)
    return Allowed((*own.statements, named.ref), DECIDED)


def _decide_own_side(question: Question, policies: Policies, named: CompiledStatement | None, reach: Reach) -> Decision:
    """Ask the caller's own policies, save those that the resource policy's Allow does without."""
    by: list[CompiledStatement] = []
    own = (
        (Reach.PAST_IDENTITY, PolicyType.IDENTITY, policies.identity),
        (Reach.PAST_BOUNDARY, PolicyType.BOUNDARY, policies.boundary),
        (Reach.PAST_ALL, PolicyType.SESSION, policies.session),
    )
    for skipped_from, policy_type, policy_set in own:
        if reach >= skipped_from or _is_free(policy_type, policy_set, question):
            continue
        found = None if policy_set is None else _find(policy_set.candidates(question.action)[1], question)
        if found is None:
            return _implicit(policy_type, question, policies)
        by.append(found)
    if named is not None:
        by.append(named)
    return by[0].allowed if len(by) == 1 else Allowed(tuple(one.ref for one in by), DECIDED)


def _is_free(policy_type: PolicyType, policy_set: PolicySet | None, question: Question) -> bool:
    """Tell whether a type of policy asks nothing of this caller.

    The root user has no identity policies and needs none. A federated user has the rights of its session
    policy, so without one it has none.
    """
    if policy_type is PolicyType.IDENTITY:
        return question.principal.kind is PrincipalKind.ROOT
    if policy_type is PolicyType.SESSION and question.principal.kind is PrincipalKind.FEDERATED_USER:
        return False
    return policy_set is None


def _lacks_control(question: Question, policies: Policies) -> Denied | None:
    """Return a denial where a level of control policies has no Allow. Levels are never merged."""
    for level in policies.resource_control:
        allows = level.candidates(question.action)[1].speaking_of(question.resource)
        if not any(statement.applies(question) for statement in allows):
            return _implicit(PolicyType.RESOURCE_CONTROL, question, policies)
    for level in policies.service_control:
        if _find(level.candidates(question.action)[1], question) is None:
            return _implicit(PolicyType.SERVICE_CONTROL, question, policies)
    return None


def _find_grant(question: Question, policies: Policies) -> tuple[CompiledStatement | None, Reach]:
    """Return the Allow of the resource policy that carries furthest, and how far."""
    best, furthest = None, Reach.NOTHING
    if policies.resource is None:
        return best, furthest
    for statement in policies.resource.candidates(question.action)[1].speaking_of(question.resource):
        if statement.principal is None:
            continue
        reach = statement.principal.reach(question.principal)
        if reach > furthest and statement.applies(question):
            best, furthest = statement, reach
    return best, furthest


def _implicit(by: PolicyType, question: Question, policies: Policies) -> Denied:
    return Denied(explicit=False, by=by, statements=(), action=question.action, trust=policies.trust)
