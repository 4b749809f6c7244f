"""Explanations as JSON documents, for other programs.

Owns their members. They follow AWS's names where AWS has some.
"""

import json
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.authorize.context import as_written
from daypass.authorize.remedy import closest_statements, helpful_statement
from daypass.authorize.who_can import Way
from daypass.policy.decision import Allowed, StatementRef
from daypass.policy.explain import Outcome, StatementTrace, Trace
from daypass.policy.story import describe
from daypass.policy.words import because


def compact(value: Any) -> str:
    """Return JSON on one line, as people write policies."""
    return json.dumps(value, ensure_ascii=False)


def show_trace(trace: Trace, caller: Caller) -> dict[str, Any]:
    """Return the story of one question."""
    decision, question = trace.decision, trace.question
    shown: dict[str, Any] = {
        "Decision": _decision(trace),
        "Principal": caller.arn,
        "Action": question.action,
        "Resource": question.resource,
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
        "Context": {as_written(key): value for key, value in sorted(question.context.items())},
    }
    if not isinstance(decision, Allowed):
        shown["Reason"] = because(decision)
        shown["ClosestStatements"] = [_statement(one) | _ref(one.ref) for one in closest_statements(trace)]
        shown["HelpfulStatement"] = helpful_statement(trace)
    return shown


def show_way(way: Way) -> dict[str, Any]:
    """Return one of those who can."""
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
        return str(Outcome.ALLOWED.value)
    return str((Outcome.EXPLICIT_DENY if trace.decision.explicit else Outcome.IMPLICIT_DENY).value)


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
