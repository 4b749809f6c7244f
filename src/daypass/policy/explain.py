"""Why a question was answered as it was: every policy looked at, every statement, and what did not fit.

Owns the trace as values; story.py tells it in sentences. Slow on purpose and never called by decide(); it
asks the same compiled statements, so that it cannot tell another story than the decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from daypass.policy.compiled import CompiledStatement, Policy, PolicySet
from daypass.policy.decision import Allowed, Denied, StatementRef
from daypass.policy.document_text import Span, statement_spans
from daypass.policy.evaluate import Policies, decide
from daypass.policy.keys import keys_of
from daypass.policy.principal import Reach
from daypass.policy.question import ContextValue, Question
from daypass.policy.source import PolicyType, Source
from daypass.policy.statement import Statement
from daypass.policy.work import LIGHT_PART, LIGHT_WORK, MOST_STORY_WORK, TELLING, work_of_telling

_spans = lru_cache(maxsize=64)(statement_spans)  # a simulation asks of the same few texts again and again


class Part(Enum):
    """Which part of a statement did not fit."""

    PRINCIPAL = "Principal"
    ACTION = "Action"
    RESOURCE = "Resource"
    CONDITION = "Condition"


class Outcome(Enum):
    """What one type of policy says, in the words of the policy simulator."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that did not fit: what the statement wanted, and what the request had.

    For a condition `operator` and `key` are set, and `had` is None where the request lacks the key.
    `inverted` marks the Not- form of the element.
    """

    part: Part
    wanted: tuple[str, ...]
    had: ContextValue | None
    operator: str = ""
    key: str = ""
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class StatementTrace:
    """One statement: whether it applies, and all that speaks against it."""

    ref: StatementRef
    allow: bool
    applies: bool
    reasons: tuple[Reason, ...]
    span: Span | None
    reach: Reach | None
    """For an Allow of a resource policy: what it does without, by the principal it names."""


@dataclass(frozen=True, slots=True)
class PolicyTrace:
    """One policy."""

    source: Source
    statements: tuple[StatementTrace, ...]


@dataclass(frozen=True, slots=True)
class TypeTrace:
    """One type of policy, and for control policies one level, counted from the organization's root."""

    type: PolicyType
    level: int | None
    outcome: Outcome
    policies: tuple[PolicyTrace, ...]

    @property
    def matched(self) -> tuple[StatementTrace, ...]:
        """Return the statements that settle this type: the Denies if any applies, else the Allows."""
        applying = [one for policy in self.policies for one in policy.statements if one.applies]
        denies = tuple(one for one in applying if not one.allow)
        return denies or tuple(applying)


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole story of one decision.

    `missing` lists the keys, as policies write them, that statements about this principal, action and
    resource ask for and the request lacks.
    """

    question: Question
    decision: Allowed | Denied
    types: tuple[TypeTrace, ...]
    missing: tuple[str, ...]

    @property
    def matched(self) -> tuple[StatementTrace, ...]:
        """Return the statements that decided: all applying Denies, or else all applying Allows."""
        applying = [
            one for of_type in self.types for policy in of_type.policies for one in policy.statements if one.applies
        ]
        denies = tuple(one for one in applying if not one.allow)
        return denies or tuple(applying)


def explain(question: Question, policies: Policies) -> Trace:
    """Return the decision with every reason, or the decision alone where the reasons are too much work to find."""
    decision = decide(question, policies)
    if isinstance(decision, Denied) and decision.failure:
        return Trace(question, decision, (), ())  # what could not be evaluated cannot be explained either
    if policies.characters > question.affordable and (work_of_story(question, policies) > MOST_STORY_WORK):
        return Trace(question, decision, (), ())
    types: list[TypeTrace] = []
    missing: dict[str, str] = {}
    for policy_type, level, policy_set in _sets(policies):
        traced = tuple(_trace_policy(policy, question) for policy in policy_set.policies)
        types.append(TypeTrace(policy_type, level, _outcome(traced), traced))
        for key in _missing(policy_set, question):
            missing.setdefault(key.lower(), key)
    return Trace(question, decision, tuple(types), tuple(missing.values()))


def is_light_story(question: Question, policies: Policies) -> bool:
    """Tell whether explaining a decision is so little work that the event loop may do it."""
    if TELLING * policies.characters <= question.affordable // LIGHT_PART:
        return True
    return work_of_story(question, policies, enough=LIGHT_WORK) <= LIGHT_WORK


def work_of_story(question: Question, policies: Policies, *, enough: int = MOST_STORY_WORK) -> int:
    """Return at most how much work it is to explain a decision. Counting ends where it is more than `enough`."""
    return work_of_telling(question, policies.sets(), enough)


def _sets(policies: Policies) -> Iterator[tuple[PolicyType, int | None, PolicySet]]:
    """Yield every set of policies that is looked at, in the order of evaluation."""
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


def _outcome(policies: tuple[PolicyTrace, ...]) -> Outcome:
    applying = {one.allow for policy in policies for one in policy.statements if one.applies}
    if False in applying:
        return Outcome.EXPLICIT_DENY
    return Outcome.ALLOWED if applying else Outcome.IMPLICIT_DENY


def _trace_policy(policy: Policy, question: Question) -> PolicyTrace:
    spans = _spans(policy.document.text)
    whole = len(spans) == len(policy.statements)
    traced = (
        _trace_statement(statement, question, spans[place] if whole else None)
        for place, statement in enumerate(policy.statements)
    )
    return PolicyTrace(policy.source, tuple(traced))


def _trace_statement(compiled: CompiledStatement, question: Question, span: Span | None) -> StatementTrace:
    reasons = tuple(_about_target(compiled, question)) + tuple(_about_conditions(compiled, question))
    reach = None
    if compiled.principal is not None and compiled.statement.allow and not reasons:
        reach = compiled.principal.reach(question.principal)
    return StatementTrace(compiled.ref, compiled.statement.allow, not reasons, reasons, span, reach)


def _about_target(compiled: CompiledStatement, question: Question) -> Iterator[Reason]:
    """Yield what speaks against the statement being about this principal, action and resource."""
    statement = compiled.statement
    if not _means(compiled, question):
        names = tuple(f"{name.type}:{name.value}" for name in statement.principals or ())
        yield Reason(Part.PRINCIPAL, names, _name(question), inverted=statement.not_principal)
    if not compiled.action.covers(question.action):
        yield Reason(Part.ACTION, statement.actions, question.action, inverted=statement.not_action)
    if compiled.resource is not None and not compiled.resource(question.resource, question.context):
        wanted = statement.resources or ()
        yield Reason(Part.RESOURCE, wanted, question.resource, inverted=statement.not_resource)


def _about_conditions(compiled: CompiledStatement, question: Question) -> Iterator[Reason]:
    for test, holds in zip(compiled.statement.conditions, compiled.conditions, strict=True):
        if not holds(question.context):
            had = question.context.get(test.key.lower())
            yield Reason(Part.CONDITION, test.values, had, operator=test.operator, key=test.key)


def _means(compiled: CompiledStatement, question: Question) -> bool:
    if compiled.principal is None:
        return True
    if not compiled.statement.allow or compiled.ref.source.type is PolicyType.RESOURCE_CONTROL:
        return compiled.principal.denies(question.principal)
    return compiled.principal.reach(question.principal) > Reach.NOTHING


def _name(question: Question) -> str:
    caller = question.principal
    return caller.arn or caller.federated or caller.service or caller.kind.value


def _missing(policy_set: PolicySet, question: Question) -> Iterator[str]:
    for policy in policy_set.policies:
        for compiled in policy.statements:
            if _concerns(compiled, question):
                yield from _absent(compiled.statement, question, variables=policy.document.variables)


def _concerns(compiled: CompiledStatement, question: Question) -> bool:
    """Tell whether the statement may be about the request, once the request has the keys it lacks."""
    reasons = tuple(_about_target(compiled, question))
    return all(reason.part is Part.RESOURCE and any("${" in text for text in reason.wanted) for reason in reasons)


def _absent(statement: Statement, question: Question, *, variables: bool) -> Iterator[str]:
    return (key for key in keys_of(statement, variables=variables) if key.lower() not in question.context)
