"""Explain a decision: every policy, every statement, and each mismatch.

Owns the trace as values; explanation_text.py renders it. Slow on purpose, and never called by decide(). It evaluates
the same compiled statements, so it cannot differ from the decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from daypass.policy.authorization_request import AuthorizationRequest, ContextValue
from daypass.policy.compiled import CompiledStatement, Policy, PolicySet
from daypass.policy.decision import Allowed, Denied, StatementRef
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document_text import Span, statement_spans
from daypass.policy.language.keys import keys_of
from daypass.policy.language.statement import Statement
from daypass.policy.principal import PolicyBypass
from daypass.policy.source import PolicySource, PolicyType
from daypass.policy.work import (
    EXPLANATION_FACTOR,
    LIGHT_PART,
    LIGHT_WORK,
    MOST_EXPLANATION_WORK,
    explanation_work_of_sets,
)

_spans = lru_cache(maxsize=64)(statement_spans)  # a simulation evaluates the same few documents again and again


class Part(Enum):
    """The part of a statement that did not match."""

    PRINCIPAL = "Principal"
    ACTION = "Action"
    RESOURCE = "Resource"
    CONDITION = "Condition"


class EvaluationDecision(Enum):
    """The result of one type of policy, as the policy simulator names it."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Reason:
    """One mismatch: the statement's values and the request's value.

    For a condition `operator` and `key` are set, and `had` is None if the request lacks the key. `inverted` marks the
    Not- form.
    """

    part: Part
    wanted: tuple[str, ...]
    had: ContextValue | None
    operator: str = ""
    key: str = ""
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class StatementTrace:
    """One statement: whether it applies, and all its mismatches."""

    ref: StatementRef
    allow: bool
    applies: bool
    reasons: tuple[Reason, ...]
    span: Span | None
    bypass: PolicyBypass | None
    """For an Allow of a resource policy: the policies that are not needed, by the principal it names."""


@dataclass(frozen=True, slots=True)
class PolicyTrace:
    """One policy."""

    source: PolicySource
    statements: tuple[StatementTrace, ...]


@dataclass(frozen=True, slots=True)
class TypeTrace:
    """One type of policy, or one level of control policies.

    Levels are counted from the organization's root.
    """

    type: PolicyType
    level: int | None
    outcome: EvaluationDecision
    policies: tuple[PolicyTrace, ...]

    @property
    def matched(self) -> tuple[StatementTrace, ...]:
        """Return the statements that decide for this type.

        They are the Deny statements that apply, or else the Allow statements.
        """
        applying = [one for policy in self.policies for one in policy.statements if one.applies]
        denies = tuple(one for one in applying if not one.allow)
        return denies or tuple(applying)


@dataclass(frozen=True, slots=True)
class Trace:
    """The complete explanation of one decision.

    `missing` lists the condition keys, as policies write them, that statements about this principal, action and
    resource test and the request lacks.
    """

    request: AuthorizationRequest
    decision: Allowed | Denied
    types: tuple[TypeTrace, ...]
    missing: tuple[str, ...]

    @property
    def matched(self) -> tuple[StatementTrace, ...]:
        """Return the statements that decided the request.

        They are all Deny statements that apply, or else all such Allow statements.
        """
        applying = [
            one for of_type in self.types for policy in of_type.policies for one in policy.statements if one.applies
        ]
        denies = tuple(one for one in applying if not one.allow)
        return denies or tuple(applying)


def explain(request: AuthorizationRequest, policies: Policies) -> Trace:
    """Return the decision with every reason.

    It omits reasons that are too much work.
    """
    decision = decide(request, policies)
    if isinstance(decision, Denied) and decision.failure:
        return Trace(request, decision, (), ())  # a decision that failed cannot be explained either
    if policies.characters > request.affordable and (explanation_work(request, policies) > MOST_EXPLANATION_WORK):
        return Trace(request, decision, (), ())
    types: list[TypeTrace] = []
    missing: dict[str, str] = {}
    for policy_type, level, policy_set in _sets(policies):
        traced = tuple(_trace_policy(policy, request) for policy in policy_set.policies)
        types.append(TypeTrace(policy_type, level, _outcome(traced), traced))
        for key in _missing(policy_set, request):
            missing.setdefault(key.lower(), key)
    return Trace(request, decision, tuple(types), tuple(missing.values()))


def is_light_explanation(request: AuthorizationRequest, policies: Policies) -> bool:
    """Return whether the event loop may explain the decision itself."""
    if EXPLANATION_FACTOR * policies.characters <= request.affordable // LIGHT_PART:
        return True
    return explanation_work(request, policies, enough=LIGHT_WORK) <= LIGHT_WORK


def explanation_work(request: AuthorizationRequest, policies: Policies, *, enough: int = MOST_EXPLANATION_WORK) -> int:
    """Return an upper bound of the work to explain a decision.

    Counting stops above `enough`.
    """
    return explanation_work_of_sets(request, policies.sets(), enough)


def _sets(policies: Policies) -> Iterator[tuple[PolicyType, int | None, PolicySet]]:
    """Yield every set of policies, in the order of evaluation."""
    for level, policy_set in enumerate(policies.resource_control):
        yield PolicyType.RESOURCE_CONTROL, level, policy_set
    for level, policy_set in enumerate(policies.service_control):
        yield PolicyType.SERVICE_CONTROL, level, policy_set
    if policies.resource is not None:
        yield PolicyType.RESOURCE, None, policies.resource
    yield PolicyType.IDENTITY, None, policies.identity
    if policies.boundary is not None:
        yield PolicyType.BOUNDARY, None, policies.boundary
    if policies.session is not None:
        yield PolicyType.SESSION, None, policies.session
    for policy_set in policies.scoped:
        yield PolicyType.SESSION, None, policy_set


def _outcome(policies: tuple[PolicyTrace, ...]) -> EvaluationDecision:
    applying = {one.allow for policy in policies for one in policy.statements if one.applies}
    if False in applying:
        return EvaluationDecision.EXPLICIT_DENY
    return EvaluationDecision.ALLOWED if applying else EvaluationDecision.IMPLICIT_DENY


def _trace_policy(policy: Policy, request: AuthorizationRequest) -> PolicyTrace:
    spans = _spans(policy.document.text)
    whole = len(spans) == len(policy.statements)
    traced = (
        _trace_statement(statement, request, spans[place] if whole else None)
        for place, statement in enumerate(policy.statements)
    )
    return PolicyTrace(policy.source, tuple(traced))


def _trace_statement(compiled: CompiledStatement, request: AuthorizationRequest, span: Span | None) -> StatementTrace:
    reasons = tuple(_about_target(compiled, request)) + tuple(_about_conditions(compiled, request))
    bypass = None
    if compiled.principal is not None and compiled.statement.allow and not reasons:
        bypass = compiled.principal.bypass(request.principal)
    return StatementTrace(compiled.ref, compiled.statement.allow, not reasons, reasons, span, bypass)


def _about_target(compiled: CompiledStatement, request: AuthorizationRequest) -> Iterator[Reason]:
    """Yield the mismatches of principal, action and resource."""
    statement = compiled.statement
    if not _means(compiled, request):
        names = tuple(f"{name.type}:{name.value}" for name in statement.principals or ())
        yield Reason(Part.PRINCIPAL, names, _name(request), inverted=statement.not_principal)
    if not compiled.action.covers(request.action):
        yield Reason(Part.ACTION, statement.actions, request.action, inverted=statement.not_action)
    if compiled.resource is not None and not compiled.resource(request.resource, request.context):
        wanted = statement.resources or ()
        yield Reason(Part.RESOURCE, wanted, request.resource, inverted=statement.not_resource)


def _about_conditions(compiled: CompiledStatement, request: AuthorizationRequest) -> Iterator[Reason]:
    for test, holds in zip(compiled.statement.conditions, compiled.conditions, strict=True):
        if not holds(request.context):
            had = request.context.get(test.key.lower())
            yield Reason(Part.CONDITION, test.values, had, operator=test.operator, key=test.key)


def _means(compiled: CompiledStatement, request: AuthorizationRequest) -> bool:
    if compiled.principal is None:
        return True
    if not compiled.statement.allow or compiled.ref.source.type is PolicyType.RESOURCE_CONTROL:
        return compiled.principal.denies(request.principal)
    return compiled.principal.bypass(request.principal) > PolicyBypass.NO_MATCH


def _name(request: AuthorizationRequest) -> str:
    caller = request.principal
    return caller.arn or caller.federated or caller.service or caller.kind.value


def _missing(policy_set: PolicySet, request: AuthorizationRequest) -> Iterator[str]:
    for policy in policy_set.policies:
        for compiled in policy.statements:
            if _concerns(compiled, request):
                yield from _absent(compiled.statement, request, variables=policy.document.variables)


def _concerns(compiled: CompiledStatement, request: AuthorizationRequest) -> bool:
    """Return whether the statement could apply if the missing keys were present."""
    reasons = tuple(_about_target(compiled, request))
    return all(reason.part is Part.RESOURCE and any("${" in text for text in reason.wanted) for reason in reasons)


def _absent(statement: Statement, request: AuthorizationRequest, *, variables: bool) -> Iterator[str]:
    return (key for key in keys_of(statement, variables=variables) if key.lower() not in request.context)
