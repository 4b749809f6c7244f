"""Evaluate one request against the policies that apply.

Pure. Leaves the collection of policies to authorize/ and the message of a refusal to reasons/denial_messages.py.
Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic".

The order:
1. A Deny in any policy refuses the request.
2. Each level of resource and service control policies needs an Allow.
3. The resource policy and the caller's own policies need an Allow. principal.Reach lists the caller's policies that are
  not needed if the resource policy allows.
4. Each scope-down policy of the session needs an Allow. No resource policy replaces it.
"""

from collections.abc import Iterator

import msgspec

from daypass.policy.authorization_request import MOST_WORK, AuthorizationRequest, PrincipalKind
from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.decision import DECIDED, TOO_MUCH_WORK, Allowed, Denied
from daypass.policy.index import ResourceIndex
from daypass.policy.principal import PolicyBypass
from daypass.policy.source import PolicyType
from daypass.policy.work import LIGHT_PART, LIGHT_WORK, decision_work

_set = msgspec.structs.force_setattr


class Policies(msgspec.Struct, frozen=True):
    """All policies that apply to a request.

    `boundary` and `session` may be None; several session policies are one set. `scoped` has one set for each scope-down
    policy of GetScopedCredentials, oldest first, or (). Control policies are one set for each level, from the
    organization's root, or (). With `trust`, `resource` is a role's trust policy, which must itself allow the request,
    in the same account too. `characters` is the sum over all sets, and without `has_denies` no set has a Deny; passed
    values are ignored.
    """

    identity: PolicySet
    boundary: PolicySet | None = None
    session: PolicySet | None = None
    # In this place, a constructor by position that omits it does not type-check.
    scoped: tuple[PolicySet, ...] = ()
    service_control: tuple[PolicySet, ...] = ()
    resource_control: tuple[PolicySet, ...] = ()
    resource: PolicySet | None = None
    trust: bool = False
    characters: int = 0
    has_denies: bool = True

    def __post_init__(self) -> None:
        sets = [*self.sets()]
        _set(self, "characters", sum([one.characters for one in sets]))
        _set(self, "has_denies", True in [one.has_denies for one in sets])

    def sets(self) -> Iterator[PolicySet]:
        """Yield every set of policies, in the order of evaluation."""
        yield from self.resource_control
        yield from self.service_control
        for policy_set in (self.resource, self.identity, self.boundary, self.session):
            if policy_set is not None:
                yield policy_set
        yield from self.scoped


Decision = Allowed | Denied


def is_light(request: AuthorizationRequest, policies: Policies) -> bool:
    """Return whether the event loop may make the decision itself."""
    if policies.characters <= request.affordable // LIGHT_PART:
        return True
    return decision_work(request, policies.sets(), LIGHT_WORK) <= LIGHT_WORK


# Members of enums that every decision reads: through the class, each costs as much as a call.
_ROOT, _FEDERATED_USER = PrincipalKind.ROOT, PrincipalKind.FEDERATED_USER
_NO_MATCH, _BYPASS_IDENTITY, _BYPASS_ALL = PolicyBypass.NO_MATCH, PolicyBypass.BYPASS_IDENTITY, PolicyBypass.BYPASS_ALL
_WITHOUT_OWN_SIDE = frozenset(
    {PrincipalKind.SERVICE, PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML, PrincipalKind.ANONYMOUS}
)


def decide(request: AuthorizationRequest, policies: Policies) -> Decision:
    """Return Allowed or Denied.

    The request is refused if a statement cannot be evaluated, or the policies are too much work.
    """
    try:
        if policies.characters > request.affordable and (
            decision_work(request, policies.sets(), MOST_WORK) > MOST_WORK
        ):
            return _closed(TOO_MUCH_WORK, request, policies)
        denied = _denied_anywhere(request, policies) if policies.has_denies else None
        return denied or _decide_allow(request, policies)
    except Exception as problem:  # noqa: BLE001 - AWS: "generates an exception and closes"
        return _closed(type(problem).__name__, request, policies)


def _closed(failure: str, request: AuthorizationRequest, policies: Policies) -> Denied:
    return Denied(
        explicit=False,
        by=PolicyType.IDENTITY,
        statements=(),
        action=request.action,
        trust=policies.trust,
        failure=failure,
    )


# Explicit denies --------------------------------------------------------------------------------------------


def _denied_anywhere(request: AuthorizationRequest, policies: Policies) -> Denied | None:
    """Return the first explicit deny, in AWS's order of policy types."""
    # Most sets have no Deny at all: they are not searched.
    for level in policies.resource_control:
        found = _find_deny_to_caller(level, request) if level.has_denies else None
        if found is not None:
            return _explicit(found, PolicyType.RESOURCE_CONTROL, request, policies)
    for level in policies.service_control:
        found = _find(level.candidates(request.action)[0], request) if level.has_denies else None
        if found is not None:
            return _explicit(found, PolicyType.SERVICE_CONTROL, request, policies)
    if policies.resource is not None and policies.resource.has_denies:
        found = _find_deny_to_caller(policies.resource, request)
        if found is not None:
            return _explicit(found, PolicyType.RESOURCE, request, policies)
    return _denied_on_own_side(request, policies)


def _denied_on_own_side(request: AuthorizationRequest, policies: Policies) -> Denied | None:
    # Written out, without a loop over the three types: every request comes here.
    action, boundary, session = request.action, policies.boundary, policies.session
    if policies.identity.has_denies:
        found = _find(policies.identity.candidates(action)[0], request)
        if found is not None:
            return _explicit(found, PolicyType.IDENTITY, request, policies)
    if boundary is not None and boundary.has_denies:
        found = _find(boundary.candidates(action)[0], request)
        if found is not None:
            return _explicit(found, PolicyType.BOUNDARY, request, policies)
    if session is not None and session.has_denies:
        found = _find(session.candidates(action)[0], request)
        if found is not None:
            return _explicit(found, PolicyType.SESSION, request, policies)
    for layer in policies.scoped:
        found = _find(layer.candidates(action)[0], request) if layer.has_denies else None
        if found is not None:
            return _explicit(found, PolicyType.SESSION, request, policies)
    return None


def _explicit(found: CompiledStatement, by: PolicyType, request: AuthorizationRequest, policies: Policies) -> Denied:
    return Denied(explicit=True, by=by, statements=(found.ref,), action=request.action, trust=policies.trust)


def _find(statements: ResourceIndex[CompiledStatement], request: AuthorizationRequest) -> CompiledStatement | None:
    """Return a statement that applies, in policies without a Principal."""
    for statement in statements.candidates_for(request.resource):
        if statement.applies(request):
            return statement
    return None


def _find_deny_to_caller(policy_set: PolicySet, request: AuthorizationRequest) -> CompiledStatement | None:
    for statement in policy_set.candidates(request.action)[0].candidates_for(request.resource):
        # The parser refuses a resource policy without Principal; a Deny of one applies to every principal.
        meant = statement.principal is None or statement.principal.denies(request.principal)
        if meant and statement.applies(request):
            return statement
    return None


# Allows -----------------------------------------------------------------------------------------------------


def _decide_allow(request: AuthorizationRequest, policies: Policies) -> Decision:
    controls = _lacks_control(request, policies)
    if controls is not None:
        return controls
    named, bypass = _find_grant(request, policies)
    if request.principal.kind in _WITHOUT_OWN_SIDE:
        if named is not None and bypass >= _BYPASS_IDENTITY:
            # Such callers have no session. If one had layers, they would apply to it as well.
            return named.allowed if not policies.scoped else _decide_layers(request, policies, [named])
        return _implicit(PolicyType.RESOURCE, request, policies)
    same_account = bool(request.resource_account) and request.principal.account == request.resource_account
    if not same_account:
        return _decide_across(request, policies, named)
    if named is None and policies.trust:
        return _implicit(PolicyType.RESOURCE, request, policies)
    return _decide_own_side(request, policies, named, bypass)


def _decide_across(request: AuthorizationRequest, policies: Policies, named: CompiledStatement | None) -> Decision:
    """Require an Allow of both accounts.

    The caller's own account comes first, because the caller may see its refusals.
    """
    own = _decide_own_side(request, policies, None, PolicyBypass.DELEGATED)
    if isinstance(own, Denied):
        return own
    if named is None:
        return _implicit(PolicyType.RESOURCE, request, policies)
    return Allowed((*own.statements, named.ref), DECIDED)


def _decide_own_side(
    request: AuthorizationRequest, policies: Policies, named: CompiledStatement | None, bypass: PolicyBypass
) -> Decision:
    """Evaluate the caller's own policies.

    It skips those that the resource policy's Allow makes unnecessary (`bypass`).
    """
    action, kind, session = request.action, request.principal.kind, policies.session
    if (
        named is not None
        and bypass >= _BYPASS_IDENTITY
        and policies.boundary is None
        and session is None
        and kind is not _FEDERATED_USER
        and not policies.scoped
    ):
        return named.allowed  # every policy of the caller's own that exists is unnecessary
    by: list[CompiledStatement] = []
    # The root user needs no identity policies.
    if bypass < _BYPASS_IDENTITY and kind is not _ROOT:
        found = _find(policies.identity.candidates(action)[1], request)
        if found is None:
            return _implicit(PolicyType.IDENTITY, request, policies)
        by.append(found)
    if policies.boundary is not None and bypass < PolicyBypass.BYPASS_BOUNDARY:
        found = _find(policies.boundary.candidates(action)[1], request)
        if found is None:
            return _implicit(PolicyType.BOUNDARY, request, policies)
        by.append(found)
    # A federated user without a session policy has no permissions.
    if (session is not None or kind is _FEDERATED_USER) and bypass < _BYPASS_ALL:
        found = None if session is None else _find(session.candidates(action)[1], request)
        if found is None:
            return _implicit(PolicyType.SESSION, request, policies)
        by.append(found)
    if named is not None:
        by.append(named)
    if policies.scoped:
        return _decide_layers(request, policies, by)
    return by[0].allowed if len(by) == 1 else Allowed(tuple([one.ref for one in by]), DECIDED)


def _decide_layers(request: AuthorizationRequest, policies: Policies, by: list[CompiledStatement]) -> Decision:
    """Require an Allow of each scope-down policy, beside the statements `by`.

    No resource policy makes them unnecessary: one that names the session must not widen what its holder was given.
    """
    found = [_find(layer.candidates(request.action)[1], request) for layer in policies.scoped]
    allows = [one for one in found if one is not None]
    if len(allows) < len(found):
        return _implicit(PolicyType.SESSION, request, policies)
    return Allowed(tuple([one.ref for one in (*by, *allows)]), DECIDED)


def _lacks_control(request: AuthorizationRequest, policies: Policies) -> Denied | None:
    """Return a denial if a level of control policies has no Allow.

    Levels are never merged.
    """
    for level in policies.resource_control:
        allows = level.candidates(request.action)[1].candidates_for(request.resource)
        if not any(statement.applies(request) for statement in allows):
            return _implicit(PolicyType.RESOURCE_CONTROL, request, policies)
    for level in policies.service_control:
        if _find(level.candidates(request.action)[1], request) is None:
            return _implicit(PolicyType.SERVICE_CONTROL, request, policies)
    return None


def _find_grant(request: AuthorizationRequest, policies: Policies) -> tuple[CompiledStatement | None, PolicyBypass]:
    """Return the resource policy's Allow with the largest reach, and the reach."""
    best, furthest = None, _NO_MATCH
    if policies.resource is None:
        return best, furthest
    for statement in policies.resource.candidates(request.action)[1].candidates_for(request.resource):
        if statement.principal is None:
            continue
        bypass = statement.principal.bypass(request.principal)
        if bypass > furthest and statement.applies(request):
            best, furthest = statement, bypass
    return best, furthest


def _implicit(by: PolicyType, request: AuthorizationRequest, policies: Policies) -> Denied:
    return Denied(explicit=False, by=by, statements=(), action=request.action, trust=policies.trust)
