"""The reverse query: who can assume a role, and on which conditions.

Owns the search through all accounts, and its limits for one account. The engine decides a request with the assumptions
of named_request.py. If it is refused, but allowed without conditions, these conditions are returned.

A search for one account does not read other accounts' users, roles and policies. It returns only the principals in the
account's own trust policies, and whether the organization's policies have conditions.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from msgspec import structs

from daypass.arn import account_in_arn, assumed_role_arn, is_account_id, root_arn
from daypass.authenticate.caller import Caller, user_caller
from daypass.authorize.candidates import PossiblePrincipal, find_candidates, load_own_policies
from daypass.authorize.named_request import SESSION_NAME, Assumed, build_named_request, check_named, session_of
from daypass.authorize.readable_ids import readable, readable_name
from daypass.authorize.snapshot import SnapshotViews
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.identity import AssumableRole, load_account, load_identity
from daypass.directory.unresolved_principals import is_unresolved, unresolved_of
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.decision import Allowed, Denied, StatementRef
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.statement import PrincipalName
from daypass.policy.principal import PolicyBypass
from daypass.policy.reasons.explain import EvaluationDecision, Part, Trace, explain
from daypass.policy.reasons.explanation_text import describe
from daypass.policy.source import PolicyType

_OF_ORGANIZATION = frozenset({PolicyType.SERVICE_CONTROL, PolicyType.RESOURCE_CONTROL})
_TOO = "the policies of the caller's own account allow it too"
_UNLESS = "no Deny of the trust policy applies"
_CONDITIONS_ABOVE = "the organization's policies have conditions"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a role: principal, statements, and conditions.

    Without `conditions` the principal can assume the role now. `texts` are the statements, in JSON.
    """

    principal: str
    kind: str
    account: str
    statements: tuple[StatementRef, ...]
    texts: tuple[str, ...]
    conditions: tuple[str, ...] = ()


def accounts_of(views: SnapshotViews) -> Iterator[Account]:
    """Return every account of the store, by id."""
    return records.each(views.reader, Account, "")


@dataclass(frozen=True, slots=True)
class _Search:
    """The parameters of the search.

    `allows` and `denies` are the trust policy's statements about the action.
    """

    action: str
    role: AssumableRole
    views: SnapshotViews
    assumed: Assumed
    allows: tuple[CompiledStatement, ...]
    denies: tuple[CompiledStatement, ...]
    sessions: Mapping[str, list[str]]
    inside: str

    def may_show(self, of_type: PolicyType) -> bool:
        """Return whether the content of policies of a type may be shown."""
        return not self.inside or of_type not in _OF_ORGANIZATION

    @property
    def foreign(self) -> Mapping[str, str]:
        """The strings to show for ids.

        An account sees its own strings for other accounts' principals, an operator the present ARNs.
        """
        return self.role.foreign if self.inside else unresolved_of(self.role.foreign)

    def reach(self, principal: Principal) -> PolicyBypass:
        """Return the largest reach of an Allow for this principal.

        One that no Allow matches, by its own name or its account's, need not be evaluated.
        """
        found = (one.principal.bypass(principal) for one in self.allows if one.principal is not None)
        return max(found, default=PolicyBypass.NO_MATCH)

    def needs_own(self, candidate: PossiblePrincipal) -> bool:
        """Return whether a principal needs an Allow in its own policies.

        It is False for one that the trust policy may name by itself, by the name of a session too.
        """
        if candidate.account != self.role.account:
            return True
        return not any(
            self.reach(principal) >= PolicyBypass.BYPASS_IDENTITY for _, principal in _principals(candidate, self)
        )


def who_can(
    action: str, role: AssumableRole, views: SnapshotViews, assumed: Assumed, *, inside: str = ""
) -> Iterator[Way]:
    """Yield the ways to a role.

    Users and roles of all accounts first, then other principals in its trust policy. With `inside` (the role's own
    account), only those that this account may see.
    """
    search = _search(action, role, views, assumed, inside)
    for candidate in _candidates(search):
        yield from _ways_of(candidate, search)
    for statement in search.allows:
        yield from _ways_of_others(statement, search)


def count_candidates(action: str, role: AssumableRole, views: SnapshotViews, assumed: Assumed) -> int:
    """Return the number of users and roles that may have a way to a role.

    It is at least the number of those that have one, and known without the evaluation of any.
    """
    return sum(1 for _ in _candidates(_search(action, role, views, assumed, "")))


def _search(action: str, role: AssumableRole, views: SnapshotViews, assumed: Assumed, inside: str) -> _Search:
    about_action = role.trust.statements_about(action)
    allows, denies = (
        tuple(statement for statement in about_action if statement.statement.allow is allow) for allow in (True, False)
    )
    return _Search(action, role, views, assumed, allows, denies, _sessions_named(allows), inside)


def _candidates(search: _Search) -> Iterator[PossiblePrincipal]:
    candidates = find_candidates(search.allows, search.views.reader, inside=search.inside)
    own_policies = search.views.get(load_own_policies, search.action, search.role.arn)
    return own_policies.each_able(candidates, search.needs_own)


def _ways_of(candidate: PossiblePrincipal, search: _Search) -> Iterator[Way]:
    """Yield the way of a user, or of any session of a role.

    Without one of any session, yield those of the sessions that the trust policy names.
    """
    for session_name, principal in _principals(candidate, search):
        if search.reach(principal) is PolicyBypass.NO_MATCH:
            continue
        identity = search.views.get(load_identity, candidate.id)
        if identity is None:
            continue
        if not candidate.is_role:
            yield from _evaluate(user_caller(identity, ""), candidate.arn, search)
            continue
        is_any = session_name == SESSION_NAME
        shown = candidate.arn if is_any else principal.arn
        found = list(_evaluate(session_of(identity, session_name, search.assumed.now), shown, search))
        yield from found
        if found and is_any:
            return


def _principals(candidate: PossiblePrincipal, search: _Search) -> Iterator[tuple[str, Principal]]:
    """Yield the principals of a user or role, with the name of the session of a role."""
    if not candidate.is_role:
        yield "", Principal(PrincipalKind.USER, candidate.account, candidate.arn, unique_id=candidate.id)
        return
    for session_name in (SESSION_NAME, *search.sessions.get(candidate.id, ())):
        yield (
            session_name,
            Principal(
                PrincipalKind.ROLE_SESSION,
                candidate.account,
                assumed_role_arn(candidate.account, candidate.name, session_name),
                issuer_arn=candidate.arn,
                unique_id=candidate.id,
                session_id=f"{candidate.id}:{session_name}",
            ),
        )


def _sessions_named(allows: Iterable[CompiledStatement]) -> dict[str, list[str]]:
    """Return the session names in a trust policy, by the unique id of the role."""
    sessions: dict[str, list[str]] = {}
    for statement in allows:
        for name in statement.statement.principals or ():
            unique_id, colon, session_name = name.value.partition(":")
            if colon:
                sessions.setdefault(unique_id, []).append(session_name)
    return sessions


def _evaluate(caller: Caller, shown: str, search: _Search) -> Iterator[Way]:
    check = check_named(search.action, search.role.arn, caller, search.views)
    request, policies = build_named_request(caller, check, {}, search.views, search.assumed)
    kind = "role" if caller.principal.kind is PrincipalKind.ROLE_SESSION else "user"
    decision = decide(request, policies)
    if isinstance(decision, Allowed):
        yield _way(shown, kind, caller, decision.statements, policies, search)
        return
    # Only information: no access depends on it.
    possible = decide(request, _without_conditions(policies))
    if isinstance(possible, Denied):
        return
    trace = explain(request, policies)
    conditions = tuple(dict.fromkeys(_conditions(trace, possible.statements, search)))
    if conditions:
        yield replace(_way(shown, kind, caller, possible.statements, policies, search), conditions=conditions)


def _way(
    shown: str,
    kind: str,
    caller: Caller,
    statements: tuple[StatementRef, ...],
    policies: Policies,
    search: _Search,
) -> Way:
    visible = tuple(ref for ref in statements if search.may_show(ref.source.type))
    return Way(shown, kind, caller.account, visible, _quote(visible, policies, search))


def _quote(refs: tuple[StatementRef, ...], policies: Policies, search: _Search) -> tuple[str, ...]:
    """Return statements as people wrote them."""
    documents = {
        policy.source: policy.document.text for policy_set in policies.sets() for policy in policy_set.policies
    }
    return tuple(readable(_statements(documents[ref.source])[ref.index], search.views, search.foreign) for ref in refs)


@lru_cache(maxsize=4096)
def _statements(text: str) -> tuple[str, ...]:
    statements = json.loads(text)["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    return tuple(json.dumps(statement, ensure_ascii=False) for statement in listed)


def _conditions(trace: Trace, wanted: tuple[StatementRef, ...], search: _Search) -> Iterator[str]:
    for of_type in trace.types:
        if not search.may_show(of_type.type):
            if of_type.outcome is not EvaluationDecision.ALLOWED:
                yield _CONDITIONS_ABOVE
            continue
        for policy in of_type.policies:
            for statement in policy.statements:
                if statement.allow and statement.ref in wanted:
                    for reason in statement.reasons:
                        if reason.part is Part.CONDITION:
                            yield describe(reason)
                elif not statement.allow and statement.applies:
                    named = f' "{statement.ref.sid}"' if statement.ref.sid else ""
                    yield f"a Deny{named} with conditions applies now"


def _without_conditions(policies: Policies) -> Policies:
    """Return the policies with all conditions of Allows met and of Denies not met."""
    return Policies(
        identity=_relaxed(policies.identity),
        boundary=None if policies.boundary is None else _relaxed(policies.boundary),
        session=None if policies.session is None else _relaxed(policies.session),
        scoped=tuple(map(_relaxed, policies.scoped)),
        service_control=tuple(map(_relaxed, policies.service_control)),
        resource_control=tuple(map(_relaxed, policies.resource_control)),
        resource=None if policies.resource is None else _relaxed(policies.resource),
        trust=policies.trust,
    )


def _relaxed(policy_set: PolicySet) -> PolicySet:
    return PolicySet(
        tuple(
            structs.replace(
                policy,
                statements=tuple(
                    structs.replace(statement, conditions=())
                    for statement in policy.statements
                    if statement.statement.allow or not statement.conditions
                ),
            )
            for policy in policy_set.policies
        )
    )


def _ways_of_others(statement: CompiledStatement, search: _Search) -> Iterator[Way]:
    """Yield the providers, services and foreign accounts in a statement."""
    if statement.statement.not_principal:
        return
    texts = _quote((statement.ref,), Policies(identity=search.role.trust), search)
    conditions = tuple(
        f"{test.operator} {test.key}: {', '.join(test.values)}" for test in statement.statement.conditions
    )
    for name in statement.statement.principals or ():
        if is_unresolved(name.value) and not search.inside:
            continue  # It never matches. The account itself must not learn that.
        shown = _name_of(name, search)
        account = account_in_arn(shown)
        kind = _kind_outside(shown, account, search) if name.type == "AWS" else name.type.lower()
        denied = _denial(name, search)
        if kind and denied is not None:
            too = (_TOO,) if search.inside and kind in _SIGNING else ()
            yield Way(shown, kind, account, (statement.ref,), texts, (*conditions, *too, *denied))


def _denial(name: PrincipalName, search: _Search) -> tuple[str, ...] | None:
    """Return the requirement for a principal that cannot be evaluated.

    Returns None if a Deny applies to it unconditionally.
    """
    shown = _name_of(name, search)
    for deny in search.denies:
        # By their names: an unresolved principal is an id in an Allow, and its string in a Deny.
        means = any(
            other.value == "*" or (other.type == name.type and _name_of(other, search) == shown)
            for other in deny.statement.principals or ()
        )
        if means and not deny.statement.not_principal and not deny.statement.conditions:
            return None
    return (_UNLESS,) if search.denies else ()


_SIGNING = frozenset({"user", "role", "account", "everybody"})


def _name_of(name: PrincipalName, search: _Search) -> str:
    """Return the ARN of a name.

    Users and roles are stored by id; accounts have two names.
    """
    if name.type != "AWS":
        return name.value
    shown = readable_name(name.value, search.views, search.foreign)
    return root_arn(shown) if is_account_id(shown) else shown


def _kind_outside(shown: str, account: str, search: _Search) -> str:
    """Return the kind of a principal that was not evaluated above.

    Returns "" if it was evaluated or is gone.
    """
    if shown == "*" and search.inside:
        return "everybody"
    if not is_account_id(account):
        return ""  # a bare unique id belongs to a deleted principal
    if search.inside:
        return "" if account == search.inside else _kind_by_name(shown)
    return "account" if search.views.get(load_account, account) is None else ""


def _kind_by_name(arn: str) -> str:
    if ":user/" in arn:
        return "user"
    return "role" if ":role/" in arn or ":assumed-role/" in arn else "account"
