"""The evaluation of policies without any short cut: every set is searched, and every step is taken.

The engine skips sets that cannot matter. Its decisions must be those of this evaluation, statements included.
"""

from collections.abc import Iterator

from daypass.policy.authorization_request import AuthorizationRequest, PrincipalKind
from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.evaluate import Policies
from daypass.policy.principal import PolicyBypass
from daypass.policy.source import PolicyType

Found = tuple[str, PolicyType | None, tuple[str, ...]]
"""`allow`, `explicit` or `implicit`, the type of policy that denied, and the statements."""

_WITHOUT_OWN_SIDE = {
    PrincipalKind.SERVICE,
    PrincipalKind.WEB_IDENTITY,
    PrincipalKind.SAML,
    PrincipalKind.ANONYMOUS,
}


def decide_plainly(request: AuthorizationRequest, policies: Policies) -> Found:
    """Return the decision."""
    for kind, policy_set in _sets(policies):
        for statement in _candidates(policy_set, request, allow=False):
            has_principal = kind in {PolicyType.RESOURCE, PolicyType.RESOURCE_CONTROL}
            meant = not has_principal or statement.principal is None or statement.principal.denies(request.principal)
            if meant and statement.applies(request):
                return "explicit", kind, _named([statement])
    return _decide_allow(request, policies)


def _decide_allow(request: AuthorizationRequest, policies: Policies) -> Found:
    for kind, levels in (
        (PolicyType.RESOURCE_CONTROL, policies.resource_control),
        (PolicyType.SERVICE_CONTROL, policies.service_control),
    ):
        if not all(_allowing(level, request) for level in levels):
            return "implicit", kind, ()
    named, bypass = _grant(request, policies)
    if request.principal.kind in _WITHOUT_OWN_SIDE:
        if named is None or bypass < PolicyBypass.BYPASS_IDENTITY:
            return "implicit", PolicyType.RESOURCE, ()
        return _decide_layers(request, policies, [named])
    if not request.resource_account or request.principal.account != request.resource_account:
        return _decide_across(request, policies, named)
    if named is None and policies.trust:
        return "implicit", PolicyType.RESOURCE, ()
    return _decide_own_side(request, policies, named, bypass)


def _decide_across(request: AuthorizationRequest, policies: Policies, named: CompiledStatement | None) -> Found:
    own = _decide_own_side(request, policies, None, PolicyBypass.DELEGATED)
    if own[0] != "allow":
        return own
    if named is None:
        return "implicit", PolicyType.RESOURCE, ()
    return "allow", None, (*own[2], *_named([named]))


def _decide_own_side(
    request: AuthorizationRequest, policies: Policies, named: CompiledStatement | None, bypass: PolicyBypass
) -> Found:
    is_root = request.principal.kind is PrincipalKind.ROOT
    is_federated = request.principal.kind is PrincipalKind.FEDERATED_USER
    needed = (
        (PolicyType.IDENTITY, policies.identity, bypass < PolicyBypass.BYPASS_IDENTITY and not is_root),
        (PolicyType.BOUNDARY, policies.boundary, bypass < PolicyBypass.BYPASS_BOUNDARY),
        (PolicyType.SESSION, policies.session, bypass < PolicyBypass.BYPASS_ALL),
    )
    by: list[CompiledStatement] = []
    for kind, policy_set, is_needed in needed:
        if not is_needed or (policy_set is None and not (kind is PolicyType.SESSION and is_federated)):
            continue
        allowing = [] if policy_set is None else _allowing(policy_set, request)
        if not allowing:
            return "implicit", kind, ()
        by.append(allowing[0])
    return _decide_layers(request, policies, by if named is None else [*by, named])


def _decide_layers(request: AuthorizationRequest, policies: Policies, by: list[CompiledStatement]) -> Found:
    layers = [_allowing(layer, request) for layer in policies.scoped]
    if not all(layers):
        return "implicit", PolicyType.SESSION, ()
    return "allow", None, _named([*by, *(layer[0] for layer in layers)])


def _grant(request: AuthorizationRequest, policies: Policies) -> tuple[CompiledStatement | None, PolicyBypass]:
    best, furthest = None, PolicyBypass.NO_MATCH
    if policies.resource is not None:
        for statement in _allowing(policies.resource, request):
            bypass = PolicyBypass.NO_MATCH
            if statement.principal is not None:
                bypass = statement.principal.bypass(request.principal)
            if bypass > furthest:
                best, furthest = statement, bypass
    return best, furthest


def _sets(policies: Policies) -> Iterator[tuple[PolicyType, PolicySet]]:
    rows = (
        (PolicyType.RESOURCE_CONTROL, policies.resource_control),
        (PolicyType.SERVICE_CONTROL, policies.service_control),
        (PolicyType.RESOURCE, (policies.resource,)),
        (PolicyType.IDENTITY, (policies.identity,)),
        (PolicyType.BOUNDARY, (policies.boundary,)),
        (PolicyType.SESSION, (policies.session,)),
        (PolicyType.SESSION, policies.scoped),
    )
    for kind, sets in rows:
        for policy_set in sets:
            if policy_set is not None:
                yield kind, policy_set


def _candidates(policy_set: PolicySet, request: AuthorizationRequest, *, allow: bool) -> list[CompiledStatement]:
    return list(policy_set.candidates(request.action)[allow].candidates_for(request.resource))


def _allowing(policy_set: PolicySet, request: AuthorizationRequest) -> list[CompiledStatement]:
    return [one for one in _candidates(policy_set, request, allow=True) if one.applies(request)]


def _named(statements: list[CompiledStatement]) -> tuple[str, ...]:
    return tuple(f"{one.ref.source.id} {one.ref.index}" for one in statements)
