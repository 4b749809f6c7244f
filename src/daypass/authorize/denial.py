"""The content of an encoded authorization message.

Owns the choice of its policies. It never contains a role's side of sts:AssumeRole, nor facts by which a caller could
distinguish a missing role from a closed one, nor another account's policies. It then contains the result of the
caller's own account alone. Rules: IAM User Guide, "Troubleshoot access denied error messages"; authorization_message.py
owns the format.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import repeat

import msgspec

from daypass.authenticate.caller import Caller
from daypass.authorize.context import as_written
from daypass.authorize.remedy import closest_statements
from daypass.operations.authorization_message import Condition, DenialNote, StatementNote, TypeNote
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.compiled import CompiledStatement
from daypass.policy.decision import Allowed, Denied, StatementRef
from daypass.policy.evaluate import Policies
from daypass.policy.reasons.denial_messages import because
from daypass.policy.reasons.explain import StatementTrace, Trace, explain
from daypass.policy.reasons.explanation_text import describe

# Only a role that exists has these keys.
_OF_RESOURCE = ("aws:resourcetag/", "iam:resourcetag/")
_OWN_SIDE_ALLOWS = (
    "because the resource's side does not allow it, or the resource does not exist; "
    "every policy of the caller's own account allows it"
)


def is_own_side_only(request: AuthorizationRequest, policies: Policies) -> bool:
    """Return whether the message must not contain the resource's side."""
    return policies.trust or request.resource_account != request.principal.account


def describe_denial(request: AuthorizationRequest, policies: Policies, caller: Caller, *, at: datetime) -> DenialNote:
    """Return the facts about a denial that the message may contain."""
    own = is_own_side_only(request, policies)
    if own:
        request, policies = _own_side(request, policies)
    trace = explain(request, policies)
    decision = trace.decision
    written = dict(_statements(policies))
    denied = decision if isinstance(decision, Denied) else None
    explicit = denied is not None and denied.explicit
    return DenialNote(
        at=int(at.timestamp()),
        account=caller.account,
        principal_id=caller.user_id,
        principal_name="" if caller.identity is None else caller.identity.name,
        principal_arn=caller.arn,
        action=request.action,
        resource=request.resource,
        explicit=explicit,
        reason=_OWN_SIDE_ALLOWS if denied is None else because(denied),
        own_side=own,
        own_allows=isinstance(decision, Allowed),
        failed=denied is not None and bool(denied.failure),
        types=tuple(
            TypeNote(of_type.type.value, of_type.level, of_type.outcome.value, len(of_type.policies))
            for of_type in trace.types
        ),
        matched=tuple(_note(one, written) for one in trace.matched) if explicit else (),
        closest=tuple(_note(one, written) for one in closest_statements(trace)),
        missing=trace.missing,
        context=_in_order(request, trace),
    )


def _own_side(request: AuthorizationRequest, policies: Policies) -> tuple[AuthorizationRequest, Policies]:
    """Return the request for evaluation by the caller's account alone."""
    context = request.context
    if "resourcetag/" in "\n".join(context):
        context = {key: value for key, value in context.items() if not key.startswith(_OF_RESOURCE)}
    alone = msgspec.structs.replace(request, resource_account=request.principal.account, context=context)
    return alone, Policies(
        identity=policies.identity,
        boundary=policies.boundary,
        session=policies.session,
        scoped=policies.scoped,
        service_control=policies.service_control,
    )


def _statements(policies: Policies) -> Iterator[tuple[StatementRef, CompiledStatement]]:
    for policy_set in policies.sets():
        for policy in policy_set.policies:
            for statement in policy.statements:
                yield statement.ref, statement


def _note(traced: StatementTrace, written: dict[StatementRef, CompiledStatement]) -> StatementNote:
    ref, statement = traced.ref, written[traced.ref].statement
    return StatementNote(
        policy_type=ref.source.type.value,
        policy=ref.source.id,
        owner=ref.source.owner,
        sid=ref.sid,
        index=ref.index,
        allow=statement.allow,
        actions=_marked(statement.actions, inverted=statement.not_action),
        resources=_marked(statement.resources or (), inverted=statement.not_resource),
        principals=_marked(
            tuple(f"{name.type}:{name.value}" for name in statement.principals or ()), inverted=statement.not_principal
        ),
        conditions=tuple(Condition(test.operator, test.key, test.values) for test in statement.conditions),
        against=tuple(describe(reason) for reason in traced.reasons),
    )


def _marked(values: tuple[str, ...], *, inverted: bool) -> tuple[str, ...]:
    return tuple(f"not {value}" for value in values) if inverted else values


def _in_order(request: AuthorizationRequest, trace: Trace) -> tuple[Condition, ...]:
    """Return the request's keys.

    Those of failed conditions come first, then the others by name.
    """
    failed = {
        reason.key.lower()
        for of_type in trace.types
        for policy in of_type.policies
        for statement in policy.statements
        for reason in statement.reasons
    }
    context = request.context
    ordered = [*sorted(failed.intersection(context)), *sorted(set(context).difference(failed))]
    values = [(value,) if isinstance(value, str) else value for value in map(context.__getitem__, ordered)]
    return tuple(map(Condition, repeat(""), map(as_written, ordered), values))
