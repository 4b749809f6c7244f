"""Put a denial into AWS's words.

Owns the sentence and what it may reveal. The "because" part comes from policy/words.py, what the encoded message
tells from denial.py. Nothing here runs for a request that is allowed.
Rules: IAM User Guide, "Troubleshoot access denied error messages". Denials of sts:AssumeRole carry no reason:
a caller must not learn whether a role is missing, closed to it, or not granted by its own side.
"""

from daypass.authenticate.caller import Caller
from daypass.authorize.denial import describe_denial, is_own_side_only
from daypass.errors import AccessDenied, Fault
from daypass.operations.authorization_message import seal_message
from daypass.operations.operation import Asking
from daypass.operations.world import World
from daypass.policy.decision import Denied
from daypass.policy.evaluate import Policies
from daypass.policy.question import PrincipalKind, Question
from daypass.policy.story import name_statement
from daypass.policy.words import because

_WITHOUT_REASON = frozenset({"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRoot"})
_UNSIGNED = frozenset({PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS})


def refusal(asking: Asking, question: Question, policies: Policies, denied: Denied, caller: Caller) -> Fault:
    """Return the Fault that tells the caller no, without its encoded message."""
    detail = _detail(denied)
    if asking.refusal is not None:
        return type(asking.refusal)(asking.refusal.message, detail=detail)
    # Who asked is named as GetCallerIdentity names it; an unsigned caller has no such name.
    sentence = f"User: {caller.arn} is not authorized to perform: {question.action} on resource: {question.resource}"
    if question.action in _WITHOUT_REASON or policies.trust:
        return AccessDenied(sentence, detail=detail)
    return AccessDenied(f"{sentence} {because(denied)}", detail=detail)


def encode_denial(question: Question, policies: Policies, caller: Caller, world: World) -> str | None:
    """Return the encoded authorization message of a denial, or None for an unsigned call, which nobody could open."""
    if question.principal.kind in _UNSIGNED:
        return None
    return seal_message(
        describe_denial(question, policies, caller, at=world.now),
        one_size=is_own_side_only(question, policies),
        ring=world.ring,
        now=int(world.now.timestamp()),
        entropy=world.entropy,
    )


def _detail(denied: Denied) -> str:
    """Return what the audit event says of a denial: the reason in any case, and the statements that denied."""
    named = ", ".join(name_statement(ref) for ref in denied.statements)
    failed = f"{denied.failure} while the policies were evaluated" if denied.failure else ""
    return ": ".join(part for part in (because(denied), named, failed) if part)
