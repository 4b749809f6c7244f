"""Render the parts of a trace as sentences.

Owns the wording on the command line and in the portal. Leaves AWS's messages to denial_messages.py.
"""

from daypass.policy.authorization_request import ContextValue
from daypass.policy.decision import StatementRef
from daypass.policy.reasons.explain import (
    Part,
    Reason,
)


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
