"""Explanations as lines for people on a terminal.

Owns their order: the answer first, then what decided, then what would help, then everything that was looked at.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby

from daypass.authenticate.caller import Caller
from daypass.authorize.helpful_statement import HELPFUL, HelpfulStatement
from daypass.authorize.remedy import Remedy, closest_statements
from daypass.authorize.remedy_plan import Need
from daypass.authorize.who_can import Way
from daypass.cli.explain_json import compact
from daypass.operations.authorization_message import DenialNote, StatementNote
from daypass.policy.decision import Allowed, Denied, StatementRef
from daypass.policy.explain import Outcome, Part, PolicyTrace, StatementTrace, Trace, TypeTrace
from daypass.policy.source import PolicyType
from daypass.policy.story import describe, name_statement
from daypass.policy.words import because

_SAYS = {Outcome.ALLOWED: "allow it", Outcome.EXPLICIT_DENY: "deny it", Outcome.IMPLICIT_DENY: "do not allow it"}
_WHERE = {
    PolicyType.IDENTITY: "an identity-based policy of {owner}",
    PolicyType.BOUNDARY: "the permissions boundary of {owner}, which must allow it too",
    PolicyType.SESSION: "the session policy that the session is made with",
    PolicyType.SERVICE_CONTROL: "a service control policy at the level that lacks it",
    PolicyType.RESOURCE_CONTROL: "a resource control policy at the level that lacks it",
    PolicyType.RESOURCE: "the resource's own policy",
}
_NO_REMEDY = "No safe remedy is known. Read what the statements above ask for before you change any of them."
_NO_REMEDY_FOR_DENY = (
    "No Allow helps against a Deny, and no request like this one is known that it lets pass. "
    "Ask why the statement is there before you change it."
)


def trace_lines(trace: Trace, caller: Caller, remedy: Remedy | None) -> Iterator[str]:
    """Return the story of one question. `remedy` is what helps, None where no safe remedy is known."""
    decision, question = trace.decision, trace.question
    yield f"{'ALLOWED' if isinstance(decision, Allowed) else 'DENIED'}: {question.action} on {question.resource}"
    yield f"  by {caller.arn}"
    if isinstance(decision, Denied):
        yield f"  {because(decision)}"
    for ref in decision.statements:
        yield f"  decided by {_name(ref)}"
    yield from _help_lines(trace, caller, remedy)
    yield ""
    yield "What was looked at, in this order:"
    for of_type in trace.types:
        yield from _type_lines(of_type)
    if trace.missing:
        yield ""
        yield f"Statements about this call ask for keys that it does not have: {', '.join(trace.missing)}."
        yield "Give them with --context KEY=VALUE to see what then would be."


def _help_lines(trace: Trace, caller: Caller, remedy: Remedy | None) -> Iterator[str]:
    decision = trace.decision
    if isinstance(decision, Allowed):
        return
    for statement in closest_statements(trace):
        yield f"  came closest: {_name(statement.ref)}"
        for reason in statement.reasons:
            yield f"    but {describe(reason)}"
    yield ""
    yield "What would help:"
    if remedy is None:
        yield f"  {_NO_REMEDY_FOR_DENY if decision.explicit else _NO_REMEDY}"
        return
    if decision.explicit:
        yield "  No Allow helps against a Deny, so the request itself has to change:"
    for place, (head, *lines) in enumerate(_remedy_parts(remedy, caller)):
        yield f"  {'and ' if place else ''}{head}"
        yield from (f"    {line}" for line in lines)


def _remedy_parts(remedy: Remedy, caller: Caller) -> Iterator[list[str]]:
    """Yield what helps, part by part, each with a line above it."""
    by_statement = [(ref, list(needs)) for ref, needs in groupby(remedy.needs, key=_ref_of)]
    for ref, needs in by_statement:
        if ref.source.id != HELPFUL:
            head = "meet what {} asks for:" if needs[0].requirement.wanted else "avoid what {} denies:"
            yield [head.format(_name(ref)), *(need.words for need in needs)]
    owner = caller.arn if caller.identity is None else caller.identity.arn
    for one in remedy.statements:
        yield [f"a statement in {_place_of(one, owner)}:", compact(one.statement)]
    for ref, needs in by_statement:
        if ref.source.id == HELPFUL:
            yield ["meet what this statement asks for:", *(need.words for need in needs)]


def _ref_of(need: Need) -> StatementRef:
    return need.ref


def _place_of(one: HelpfulStatement, owner: str) -> str:
    return "the role's trust policy" if one.trust else _WHERE[one.by].format(owner=owner)


def _name(ref: StatementRef) -> str:
    return name_statement(ref) + (f" of {ref.source.owner}" if ref.source.owner else "")


def _type_lines(of_type: TypeTrace) -> Iterator[str]:
    level = "" if of_type.level is None else f", level {of_type.level} from the organization's root"
    if not of_type.policies:
        yield f"  {_plural(of_type.type)}{level}: there is none"
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
    """Return the story that an encoded message tells."""
    yield f"DENIED: {note.action} on {note.resource}"
    yield f"  by {note.principal_arn}, at {datetime.fromtimestamp(note.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    yield f"  {note.reason}"
    if note.failed:
        yield "  A policy could not be evaluated, so the call was refused; the audit event says more."
    for statement in note.matched:
        yield f"  decided by {_named(statement)}"
        yield from _content_lines(statement)
    for statement in note.closest:
        yield f"  came closest: {_named(statement)}"
        for against in statement.against:
            yield f"    but {against}"
    if note.own_side:
        yield "  (Only the policies of the caller's own account are told; the resource's side is not.)"
    yield ""
    yield "What each type of policy said:"
    for one in note.types:
        level = "" if one.level is None else f", level {one.level} from the organization's root"
        says = _SAYS[Outcome(one.outcome)] if one.policies else "there is none"
        yield f"  {_plural(PolicyType(one.policy_type))}{level} ({one.policies}): {says}"
    if note.missing:
        yield f"The request lacked: {', '.join(note.missing)}."
    yield ""
    yield "The request:"
    for condition in note.context:
        yield f"  {condition.key} = {', '.join(condition.values)}"
    if note.is_cut:
        yield "  (Some of it did not fit into the message.)"


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
    """Return who can do `action` to a role."""
    found = list(ways)
    if not found:
        yield f"Nobody here can do {action} to {role}."
        return
    yield f"{action} to {role}"
    for way in found:
        yield ""
        yield f"{'CAN' if not way.conditions else 'CAN, on conditions'}: {way.kind} {way.principal}"
        for condition in way.conditions:
            yield f"  needs {condition}" if way.kind not in {"user", "role"} else f"  now not: {condition}"
        for ref in way.statements:
            yield f"  through {_name(ref)}"
