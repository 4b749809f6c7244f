"""What would have helped against a denial: the statements that nearly applied, and one that would.

Owns which statements come close, and the statement to add. Nobody should add it unread: it answers one question.
"""

from collections.abc import Mapping
from typing import Any

from daypass.policy.decision import Denied
from daypass.policy.explain import Outcome, Part, StatementTrace, Trace, TypeTrace
from daypass.policy.question import PrincipalKind, Question
from daypass.policy.source import PolicyType

_MOST = 3
# What is the farther away the more it counts: another principal is another statement, a condition can be met.
_WEIGHT: Mapping[Part, int] = {Part.CONDITION: 1, Part.RESOURCE: 10, Part.PRINCIPAL: 100, Part.ACTION: 1000}


def closest_statements(trace: Trace) -> tuple[StatementTrace, ...]:
    """Return the Allows that speak of the action where an Allow was missing, the nearest first."""
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


def helpful_statement(trace: Trace) -> dict[str, Any] | None:
    """Return a statement that the lacking type of policy would have to hold, or None where no Allow can help."""
    decision = trace.decision
    if not isinstance(decision, Denied) or decision.explicit or decision.failure:
        return None
    question = trace.question
    statement: dict[str, Any] = {"Effect": "Allow"}
    if decision.by is PolicyType.RESOURCE:
        statement["Principal"] = _principal(question)
    statement["Action"] = question.action
    if not (decision.trust and decision.by is PolicyType.RESOURCE):
        statement["Resource"] = question.resource
    return statement


def _find_lacking(trace: Trace) -> TypeTrace | None:
    decision = trace.decision
    if not isinstance(decision, Denied) or decision.explicit:
        return None
    for of_type in trace.types:
        if of_type.type is decision.by and of_type.outcome is Outcome.IMPLICIT_DENY:
            return of_type
    return None


def _distance(statement: StatementTrace) -> int:
    return sum(_WEIGHT[reason.part] for reason in statement.reasons)


def _principal(question: Question) -> dict[str, str]:
    caller = question.principal
    if caller.kind in {PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML}:
        return {"Federated": caller.federated}
    if caller.kind is PrincipalKind.SERVICE:
        return {"Service": caller.service}
    return {"AWS": caller.issuer_arn if caller.kind is PrincipalKind.ROLE_SESSION else caller.arn}
