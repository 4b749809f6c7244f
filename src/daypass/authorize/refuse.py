"""Put a denial into AWS's words.

Owns the sentence and what it may reveal. The "because" part comes from policy/words.py.
Rules: IAM User Guide, "Troubleshoot access denied error messages". Denials of sts:AssumeRole carry no reason:
a caller must not learn whether a role is missing, closed to it, or not granted by its own side.
"""

from daypass.errors import AccessDenied, Fault
from daypass.operations.operation import Asking
from daypass.operations.world import World
from daypass.policy.decision import Denied
from daypass.policy.question import Question
from daypass.policy.words import because

_WITHOUT_REASON = frozenset({"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRoot"})


def refusal(asking: Asking, question: Question, denied: Denied, world: World) -> Fault:  # noqa: ARG001 - see below
    """Return the Fault that tells the caller no."""
    reason = because(denied)
    if asking.refusal is not None:
        return type(asking.refusal)(asking.refusal.message, detail=reason)
    sentence = (
        f"User: {question.principal.arn} is not authorized to perform: {question.action} "
        f"on resource: {question.resource}"
    )
    if question.action in _WITHOUT_REASON:
        return AccessDenied(sentence, detail=reason)
    return AccessDenied(f"{sentence} {reason}", detail=reason)
