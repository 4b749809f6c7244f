"""Render a trace as sentences.

Owns the wording of explanations on the command line and in the portal. Leaves AWS's own messages to denial_messages.py.
"""

from collections.abc import Iterator

from daypass.policy.authorization_request import ContextValue
from daypass.policy.decision import Allowed, StatementRef
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import (
    EvaluationDecision,
    Part,
    PolicyTrace,
    Reason,
    StatementTrace,
    Trace,
    TypeTrace,
)

_SAYS = {
    EvaluationDecision.ALLOWED: "allow",
    EvaluationDecision.EXPLICIT_DENY: "deny",
    EvaluationDecision.IMPLICIT_DENY: "do not allow",
}


def explanation_lines(trace: Trace) -> tuple[str, ...]:
    """Return the lines of the explanation: the decision, then each policy."""
    return tuple(_lines(trace))


def _lines(trace: Trace) -> Iterator[str]:
    decision = trace.decision
    verdict = "ALLOWED" if isinstance(decision, Allowed) else f"DENIED {because(decision)}"
    yield f"{trace.request.action} on {trace.request.resource}: {verdict}"
    for ref in decision.statements:
        yield f"  decided by {name_statement(ref)}"
    for of_type in trace.types:
        yield from _type_lines(of_type)
    for key in trace.missing:
        yield f"The request does not have the key {key}, which a policy tests."


def _type_lines(of_type: TypeTrace) -> Iterator[str]:
    level = "" if of_type.level is None else f" of level {of_type.level}"
    if not of_type.policies:
        yield f"{of_type.type.value}{level}: no policies"
        return
    yield f"{of_type.type.value}{level}: {_SAYS[of_type.outcome]}"
    for policy in of_type.policies:
        yield from _policy_lines(policy)


def _policy_lines(policy: PolicyTrace) -> Iterator[str]:
    owner = f" of {policy.source.owner}" if policy.source.owner else ""
    yield f"  {policy.source.id}{owner}"
    for statement in policy.statements:
        yield f"    {_statement_line(statement)}"
        for reason in statement.reasons:
            yield f"      {describe(reason)}"


def _statement_line(statement: StatementTrace) -> str:
    effect = "Allow" if statement.allow else "Deny"
    named = f" {statement.ref.sid}" if statement.ref.sid else ""
    where = f" (line {statement.span.start_line})" if statement.span else ""
    applies = "applies" if statement.applies else "does not apply:"
    return f"statement {statement.ref.index}{named}{where}, {effect}: {applies}"


def name_statement(ref: StatementRef) -> str:
    """Return a readable name of a statement."""
    named = f' "{ref.sid}"' if ref.sid else ""
    return f"statement {ref.index}{named} of {ref.source.type.value} {ref.source.id}"


def describe(reason: Reason) -> str:
    """Return one reason as a sentence."""
    wanted = ", ".join(reason.wanted) or "no value"
    if reason.part is not Part.CONDITION:
        element = f"Not{reason.part.value}" if reason.inverted else reason.part.value
        return f"{element} is {wanted}; the request has {_show(reason.had)}"
    if reason.had is None:
        return f"{reason.operator} {reason.key} asks for {wanted}; the request has no {reason.key}"
    return f"{reason.operator} {reason.key} asks for {wanted}; the request has {_show(reason.had)}"


def _show(value: ContextValue | None) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return value or "no value"
