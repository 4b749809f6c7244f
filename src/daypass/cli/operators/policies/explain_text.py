"""Explanations as lines for people on a terminal.

Owns their order: the decision, the statements that decided, the remedy, then all evaluated policies.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby

from daypass.authenticate.caller import Caller
from daypass.authorize.helpful_statement import HELPFUL, HelpfulStatement
from daypass.authorize.remedy import Remedy, closest_statements
from daypass.authorize.remedy_plan import Need
from daypass.authorize.who_can import Way
from daypass.cli.operators.policies.explain_json import compact
from daypass.operations.authorization_message import DenialNote, StatementNote
from daypass.policy.decision import Allowed, Denied, StatementRef
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import EvaluationDecision, Part, PolicyTrace, StatementTrace, Trace, TypeTrace
from daypass.policy.reasons.explanation_text import describe, name_statement
from daypass.policy.source import PolicyType

_SAYS = {
    EvaluationDecision.ALLOWED: "allow it",
    EvaluationDecision.EXPLICIT_DENY: "deny it",
    EvaluationDecision.IMPLICIT_DENY: "do not allow it",
}
_WHERE = {
    PolicyType.IDENTITY: "an identity-based policy of {owner}",
    PolicyType.BOUNDARY: "the permissions boundary of {owner}, which must allow it too",
    PolicyType.SESSION: "the session policy that the session is made with",
    PolicyType.SERVICE_CONTROL: "a service control policy at the level that lacks it",
    PolicyType.RESOURCE_CONTROL: "a resource control policy at the level that lacks it",
    PolicyType.RESOURCE: "the resource's own policy",
}
_NO_REMEDY = "No safe remedy is known. Read the conditions of the statements above before you change any of them."
_NO_REMEDY_FOR_DENY = (
    "An Allow does not override a Deny, and no similar request is known that the Deny does not match. "
    "Ask why the statement exists before you change it."
)


def trace_lines(trace: Trace, caller: Caller, remedy: Remedy | None) -> Iterator[str]:
    """Yield the explanation of a decision.

    `remedy` is None if no safe remedy is known.
    """
    decision, request = trace.decision, trace.request
    yield f"{'ALLOWED' if isinstance(decision, Allowed) else 'DENIED'}: {request.action} on {request.resource}"
    yield f"  by {caller.arn}"
    if isinstance(decision, Denied):
        yield f"  {because(decision)}"
    for ref in decision.statements:
        yield f"  decided by {_name(ref)}"
    yield from _help_lines(trace, caller, remedy)
    yield ""
    yield "Evaluated policies, in this order:"
    for of_type in trace.types:
        yield from _type_lines(of_type)
    if trace.missing:
        yield ""
        yield f"Some statements test condition keys that the request does not have: {', '.join(trace.missing)}."
        yield "Set them with --context KEY=VALUE to see the result with them."


def _help_lines(trace: Trace, caller: Caller, remedy: Remedy | None) -> Iterator[str]:
    decision = trace.decision
    if isinstance(decision, Allowed):
        return
    for statement in closest_statements(trace):
        yield f"  came closest: {_name(statement.ref)}"
        for reason in statement.reasons:
            yield f"    but {describe(reason)}"
    yield ""
    yield "How to allow it:"
    if remedy is None:
        yield f"  {_NO_REMEDY_FOR_DENY if decision.explicit else _NO_REMEDY}"
        return
    if decision.explicit:
        yield "  An Allow does not override a Deny, so the request itself has to change:"
    for place, (head, *lines) in enumerate(_remedy_parts(remedy, caller)):
        yield f"  {'and ' if place else ''}{head}"
        yield from (f"    {line}" for line in lines)


def _remedy_parts(remedy: Remedy, caller: Caller) -> Iterator[list[str]]:
    """Yield the parts of the remedy, each with a heading."""
    by_statement = [(ref, list(needs)) for ref, needs in groupby(remedy.needs, key=_ref_of)]
    for ref, needs in by_statement:
        if ref.source.id != HELPFUL:
            head = "meet the conditions of {}:" if needs[0].requirement.wanted else "avoid the conditions of {}:"
            yield [head.format(_name(ref)), *(need.words for need in needs)]
    owner = caller.arn if caller.identity is None else caller.identity.arn
    for one in remedy.statements:
        yield [f"a statement in {_place_of(one, owner)}:", compact(one.statement)]
    for ref, needs in by_statement:
        if ref.source.id == HELPFUL:
            yield ["meet the conditions of this statement:", *(need.words for need in needs)]


def _ref_of(need: Need) -> StatementRef:
    return need.ref


def _place_of(one: HelpfulStatement, owner: str) -> str:
    return "the role's trust policy" if one.trust else _WHERE[one.by].format(owner=owner)


def _name(ref: StatementRef) -> str:
    return name_statement(ref) + (f" of {ref.source.owner}" if ref.source.owner else "")


def _type_lines(of_type: TypeTrace) -> Iterator[str]:
    level = "" if of_type.level is None else f", level {of_type.level} from the organization's root"
    if not of_type.policies:
        yield f"  {_plural(of_type.type)}{level}: not present"
        return
    yield f"  {_plural(of_type.type)}{level}: {_SAYS[of_type.outcome]}"
    for policy in of_type.policies:
        yield from _policy_lines(policy)


def _plural(of_type: PolicyType) -> str:
    return of_type.value.removesuffix("y") + ("ies" if of_type.value.endswith("y") else "")


def _policy_lines(policy: PolicyTrace) -> Iterator[str]:
    owner = f" of {policy.source.owner}" if policy.source.owner else ""
    yield f"    {policy.source.id}{owner}"
    others = 0
    for statement in policy.statements:
        if any(reason.part is Part.ACTION for reason in statement.reasons):
            others += 1
            continue
        yield f"      {_statement_line(statement)}"
        for reason in statement.reasons:
            yield f"        {describe(reason)}"
    if others:
        yield f"      {others} statement{'s' if others > 1 else ''} about other actions"


def _statement_line(statement: StatementTrace) -> str:
    named = f' "{statement.ref.sid}"' if statement.ref.sid else ""
    where = f" (line {statement.span.start_line})" if statement.span else ""
    does = "applies" if statement.applies else "does not apply:"
    return f"{'Allow' if statement.allow else 'Deny'} statement {statement.ref.index}{named}{where} {does}"


def message_lines(note: DenialNote) -> Iterator[str]:
    """Yield the explanation that an encoded message contains."""
    yield f"DENIED: {note.action} on {note.resource}"
    yield f"  by {note.principal_arn}, at {datetime.fromtimestamp(note.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f"  {note.reason}"
    if note.failed:
        yield "  A policy could not be evaluated, so the request was denied. See the audit event."
    for statement in note.matched:
        yield f"  decided by {_named(statement)}"
        yield from _content_lines(statement)
    for statement in note.closest:
        yield f"  came closest: {_named(statement)}"
        for against in statement.against:
            yield f"    but {against}"
    if note.own_side:
        yield "  (Only the policies of the caller's own account are shown, not those of the resource's account.)"
    yield ""
    yield "Result of each type of policy:"
    for one in note.types:
        level = "" if one.level is None else f", level {one.level} from the organization's root"
        says = _SAYS[EvaluationDecision(one.outcome)] if one.policies else "not present"
        yield f"  {_plural(PolicyType(one.policy_type))}{level} ({one.policies}): {says}"
    if note.missing:
        yield f"The request did not have: {', '.join(note.missing)}."
    yield ""
    yield "The request:"
    for condition in note.context:
        yield f"  {condition.key} = {', '.join(condition.values)}"
    if note.is_cut:
        yield "  (Shortened: not all details fit into the message.)"


def _named(note: StatementNote) -> str:
    sid = f' "{note.sid}"' if note.sid else ""
    owner = f" of {note.owner}" if note.owner else ""
    return f"statement {note.index}{sid} of {note.policy_type} {note.policy}{owner}"


def _content_lines(note: StatementNote) -> Iterator[str]:
    parts = (("Principal", note.principals), ("Action", note.actions), ("Resource", note.resources))
    for name, values in parts:
        if values:
            yield f"    {name}: {', '.join(values)}"
    for condition in note.conditions:
        yield f"    {condition.operator} {condition.key}: {', '.join(condition.values)}"


def way_lines(action: str, role: str, ways: Iterable[Way]) -> Iterator[str]:
    """Yield the principals that can do `action` to a role.

    Each is yielded as soon as it is known.
    """
    is_first = True
    for way in ways:
        if is_first:
            yield f"{action} to {role}"
            is_first = False
        yield ""
        yield f"{'CAN' if not way.conditions else 'CAN, WITH CONDITIONS'}: {way.kind} {way.principal}"
        for condition in way.conditions:
            yield f"  needs {condition}" if way.kind not in {"user", "role"} else f"  currently not met: {condition}"
        for ref in way.statements:
            yield f"  allowed by {_name(ref)}"
    if is_first:
        yield f"No principal in this store can do {action} to {role}."
