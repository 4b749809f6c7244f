"""Explanations as JSON documents, for other programs.

Owns their members, which have AWS's names if AWS has any.
"""

import json
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.authorize.context import as_written
from daypass.authorize.helpful_statement import HelpfulStatement
from daypass.authorize.remedy import Remedy, closest_statements
from daypass.authorize.remedy_plan import Need
from daypass.authorize.who_can import Way
from daypass.policy.decision import Allowed, StatementRef
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import EvaluationDecision, StatementTrace, Trace
from daypass.policy.reasons.explanation_text import describe
from daypass.policy.source import PolicyType


def compact(value: Any) -> str:
    """Return JSON on one line, with non-ASCII characters unescaped."""
    return json.dumps(value, ensure_ascii=False)


def show_trace(trace: Trace, caller: Caller, remedy: Remedy | None) -> dict[str, Any]:
    """Return the explanation of a decision.

    `remedy` is None if no safe remedy is known.
    """
    decision, request = trace.decision, trace.request
    shown: dict[str, Any] = {
        "Decision": _decision(trace),
        "Principal": caller.arn,
        "Action": request.action,
        "Resource": request.resource,
        "DecidingStatements": [_ref(ref) for ref in decision.statements],
        "Policies": [
            {
                "Type": of_type.type.value,
                **({} if of_type.level is None else {"Level": of_type.level}),
                "Decision": of_type.outcome.value,
                "Documents": [
                    {
                        "Id": policy.source.id,
                        "Owner": policy.source.owner,
                        "Statements": [_statement(one) for one in policy.statements],
                    }
                    for policy in of_type.policies
                ],
            }
            for of_type in trace.types
        ],
        "MissingContextKeys": list(trace.missing),
        "Context": {as_written(key): value for key, value in sorted(request.context.items())},
    }
    if not isinstance(decision, Allowed):
        shown["Reason"] = because(decision)
        shown["ClosestStatements"] = [_statement(one) | _ref(one.ref) for one in closest_statements(trace)]
        shown |= _show_remedy(remedy)
    return shown


def _show_remedy(remedy: Remedy | None) -> dict[str, Any]:
    """Return the remedy. HelpfulStatement is set if this statement alone allows the request."""
    needs, statements = (remedy.needs, remedy.statements) if remedy else ((), ())
    is_enough = len(statements) == 1 and not needs
    return {
        "HelpfulStatement": dict(statements[0].statement) if is_enough else None,
        "ConditionsToMeet": [_need(need) for need in needs],
        "HelpfulStatements": [_helpful(one) for one in statements],
    }


def _need(need: Need) -> dict[str, Any]:
    test = need.requirement.test
    return {
        "Words": need.words,
        "Operator": test.operator,
        "Key": test.key,
        "Values": list(test.values),
        "Effect": "Allow" if need.requirement.wanted else "Deny",
        **_ref(need.ref),
    }


def _helpful(one: HelpfulStatement) -> dict[str, Any]:
    level = {"Level": one.level} if one.by in {PolicyType.SERVICE_CONTROL, PolicyType.RESOURCE_CONTROL} else {}
    return {"PolicyType": one.by.value, **level, "Trust": one.trust, "Statement": dict(one.statement)}


def show_way(way: Way) -> dict[str, Any]:
    """Return one principal that can call the action."""
    return {
        "Principal": way.principal,
        "Kind": way.kind,
        "Conditional": bool(way.conditions),
        "Conditions": list(way.conditions),
        "Statements": [
            {**_ref(ref), "Statement": json.loads(text)} for ref, text in zip(way.statements, way.texts, strict=True)
        ],
    }


def _decision(trace: Trace) -> str:
    if isinstance(trace.decision, Allowed):
        return str(EvaluationDecision.ALLOWED.value)
    return str(
        (EvaluationDecision.EXPLICIT_DENY if trace.decision.explicit else EvaluationDecision.IMPLICIT_DENY).value
    )


def _statement(traced: StatementTrace) -> dict[str, Any]:
    line = {} if traced.span is None else {"Line": traced.span.start_line}
    return {
        "Index": traced.ref.index,
        "Sid": traced.ref.sid,
        "Effect": "Allow" if traced.allow else "Deny",
        "Applies": traced.applies,
        "Reasons": [describe(reason) for reason in traced.reasons],
        **line,
    }


def _ref(ref: StatementRef) -> dict[str, Any]:
    return {
        "PolicyType": ref.source.type.value,
        "PolicyId": ref.source.id,
        "Owner": ref.source.owner,
        "Index": ref.index,
        "Sid": ref.sid,
    }
