"""The reference: evaluate a request over plain JSON documents, slowly.

Owns the second implementation with which the engine is compared. It follows the order of the documentation. Leaves
conditions to reference_conditions.py. Written from the rules (IAM User Guide: "Policy evaluation logic", "Principal",
"NotPrincipal", "Resource"), never from the engine. If AWS does not define a rule, it follows
docs/decisions/0001-policy-unclear-rules.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.policy.oracle.reference_conditions import PATTERNED, holds
from tests.policy.oracle.reference_values import Document, globs, globs_resource, pieces

from daypass.policy.authorization_request import AuthorizationRequest, Principal, PrincipalKind

Waiver = frozenset[str]

EVERY_LIMIT: Waiver = frozenset({"identity", "boundary", "session"})
# A user's session acts as the user: the documentation does not mention a session policy that could limit it.
USER_LIMITS: Waiver = frozenset({"identity", "boundary"})
IDENTITY_ONLY: Waiver = frozenset({"identity"})
DELEGATION: Waiver = frozenset()

# Callers with an account, which must allow too. For other callers only the resource decides.
_ACCOUNT_HOLDERS = {
    PrincipalKind.ROOT,
    PrincipalKind.USER,
    PrincipalKind.ROLE_SESSION,
    PrincipalKind.FEDERATED_USER,
}


@dataclass(frozen=True)
class Situation:
    """The documents that apply, each as parsed JSON.

    None means that there is no policy of that type.
    """

    identity: tuple[Document, ...] = ()
    boundary: tuple[Document, ...] | None = None
    session: tuple[Document, ...] | None = None
    service_control: tuple[tuple[Document, ...], ...] = ()
    resource_control: tuple[tuple[Document, ...], ...] = ()
    resource: tuple[Document, ...] | None = None
    trust: bool = False
    scoped: tuple[Document, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The decision, and whether a Deny statement made it."""

    allowed: bool
    explicit: bool


def judge(question: AuthorizationRequest, situation: Situation) -> Verdict:
    """Decide as "Policy evaluation logic" says.

    A Deny anywhere refuses; then every limit and a grant must allow.
    """
    everything = [
        situation.identity,
        situation.boundary or (),
        situation.session or (),
        *situation.service_control,
        *situation.resource_control,
        situation.resource or (),
        situation.scoped,
    ]
    if any(list(_matching(documents, "Deny", question)) for documents in everything):
        return Verdict(allowed=False, explicit=True)
    # Every level must allow, from the root of the organization down to the account. A resource control policy is
    # written for "*", which means every caller.
    ceilings = all(_allows(level, question) for level in situation.service_control) and all(
        list(_matching(level, "Allow", question, everyone=True)) for level in situation.resource_control
    )
    # GetScopedCredentials: "the intersection" of the calling session's permissions and of each policy of the chain.
    ceilings = ceilings and all(_allows((layer,), question) for layer in situation.scoped)
    if not ceilings:
        return Verdict(allowed=False, explicit=False)
    return Verdict(allowed=_is_granted(question, situation), explicit=False)


def _is_granted(question: AuthorizationRequest, situation: Situation) -> bool:
    who = question.principal
    waivers = list(_matching(situation.resource or (), "Allow", question))
    if who.kind not in _ACCOUNT_HOLDERS:
        # Anonymous callers may use public resources but not roles: every API for roles authenticates the caller.
        return bool(waivers) and not (situation.trust and who.kind is PrincipalKind.ANONYMOUS)
    allowed = {
        "identity": who.kind is PrincipalKind.ROOT or _allows(situation.identity, question),
        "boundary": situation.boundary is None or _allows(situation.boundary, question),
        # A federated user does not have permissions without a session policy. Other callers do not need one.
        "session": (
            who.kind is not PrincipalKind.FEDERATED_USER
            if situation.session is None
            else _allows(situation.session, question)
        ),
    }
    own = all(allowed.values())
    if who.account != question.resource_account:
        return own and bool(waivers)
    if own and not situation.trust:
        return True
    # In the same account, a grant of the resource's policy skips the implicit denies that its principal may skip.
    return any(all(allowed[limit] for limit in EVERY_LIMIT - waiver) for waiver in waivers)


def _allows(documents: Iterable[Document], question: AuthorizationRequest) -> bool:
    return bool(list(_matching(documents, "Allow", question)))


def _matching(
    documents: Iterable[Document], effect: str, question: AuthorizationRequest, *, everyone: bool = False
) -> Iterable[Waiver]:
    """Yield the denies that each matching statement of `effect` may skip."""
    for document in documents:
        variables = document.get("Version") == "2012-10-17"
        for statement in _list(document["Statement"]):
            if statement["Effect"] != effect:
                continue
            waivers = [DELEGATION] if everyone else _principal_waivers(statement, question.principal)
            if waivers and _is_about(statement, question, variables=variables):
                yield from waivers


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# Principals -------------------------------------------------------------------------------------------------


def _principal_waivers(statement: Document, who: Principal) -> list[Waiver]:
    """Return one waiver for each match of the caller by the principals."""
    deny = statement["Effect"] == "Deny"
    if "Principal" in statement:
        found = [
            (name, waiver)
            for kind, name in _named(statement["Principal"])
            if (waiver := _waiver(kind, name, who, deny=deny)) is not None
        ]
        # "Permissions granted using the aws:PrincipalArn condition key with a wildcard in the Principal element" are
        # not limited by boundary and session policy. The documentation does not say this of a star without the
        # condition.
        by_arn = _asks_for_principal_arn(statement)
        return [EVERY_LIMIT if name == "*" and by_arn else waiver for name, waiver in found]
    if "NotPrincipal" in statement:
        excepted = _is_excepted(list(_named(statement["NotPrincipal"])), who, deny=deny)
        # Such an Allow does not reach further than a star.
        reached = _waiver("AWS", "*", who, deny=deny) is not None
        return [DELEGATION] if reached and not excepted else []
    return [EVERY_LIMIT]


def _asks_for_principal_arn(statement: Document) -> bool:
    """Return whether a condition grants by the caller's ARN.

    It must be positive, on a key that must be present.
    """
    return any(
        operator in PATTERNED and key.lower() == "aws:principalarn"
        for operator, keys in statement.get("Condition", {}).items()
        for key in keys
    )


def _named(element: Any) -> Iterable[tuple[str, str]]:
    if element == "*":
        element = {"AWS": "*"}
    for kind, names in element.items():
        for name in _list(names):
            yield kind, name


def _waiver(kind: str, name: str, who: Principal, *, deny: bool) -> Waiver | None:  # noqa: PLR0911 - a table
    """Return the implicit denies that a grant to this name skips, or None if it is not the caller's."""
    if kind == "Service":
        return EVERY_LIMIT if who.kind is PrincipalKind.SERVICE and name == who.service else None
    if kind == "Federated":
        unsigned = who.kind in {PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML}
        return EVERY_LIMIT if unsigned and name == who.federated else None
    if kind != "AWS":
        return None
    if name == "*":
        # A Deny for everyone applies to every caller; a grant to everyone only to AWS principals.
        everyone = deny or who.kind in _ACCOUNT_HOLDERS or who.kind is PrincipalKind.ANONYMOUS
        return IDENTITY_ONLY if everyone else None
    if who.kind not in _ACCOUNT_HOLDERS:
        return None
    if name in {who.account, f"arn:aws:iam::{who.account}:root"}:
        return DELEGATION
    if name in _own_names(who):
        return USER_LIMITS if who.kind is PrincipalKind.USER else EVERY_LIMIT
    return IDENTITY_ONLY if name in _issuer_names(who) else None


def _own_names(who: Principal) -> set[str]:
    """Return the names of the caller itself: a user, or one session."""
    own = {who.arn, who.session_id}
    return (own | {who.unique_id} if who.kind is PrincipalKind.USER else own) - {""}


def _issuer_names(who: Principal) -> set[str]:
    """Return the names of a session's role or of a federated session's user."""
    return {who.issuer_arn, who.unique_id} - {""}


def _is_excepted(named: list[tuple[str, str]], who: Principal, *, deny: bool) -> bool:
    """Return whether NotPrincipal excludes the caller.

    AWS "might validate the account first, then the role, and then the assumed-role user", so a Deny excludes only a
    caller that is named at every one of these steps. An Allow excludes a caller that is named at any of them.
    """
    by_name = any(_waiver(kind, name, who, deny=False) is not None for kind, name in named)
    if not deny or who.kind not in _ACCOUNT_HOLDERS or ("AWS", "*") in named:
        return by_name
    names = {name for kind, name in named if kind == "AWS"}
    steps = [{who.account, f"arn:aws:iam::{who.account}:root"}]
    if who.kind is not PrincipalKind.ROOT:
        steps.append(_own_names(who))
    if who.kind in {PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER}:
        steps.append(_issuer_names(who))
    return all(step & names for step in steps)


# Action, Resource -------------------------------------------------------------------------------------------


def _is_about(statement: Document, question: AuthorizationRequest, *, variables: bool) -> bool:
    return (
        _is_action(statement, question.action)
        and _is_resource(statement, question, variables=variables)
        and holds(statement, question.context, variables=variables)
    )


def _is_action(statement: Document, action: str) -> bool:
    """Match an action, without case and variables."""
    named = any(
        globs(pieces(name.lower(), variables=False, context={}) or [], action.lower())
        for name in _list(statement.get("Action", statement.get("NotAction")))
    )
    return named == ("Action" in statement)


def _is_resource(statement: Document, question: AuthorizationRequest, *, variables: bool) -> bool:
    """Match the resource, with case. A trust policy always means its role."""
    if "Resource" not in statement and "NotResource" not in statement:
        return True
    hits = [
        _names_resource(name, question, variables=variables)
        for name in _list(statement.get("Resource", statement.get("NotResource")))
    ]
    if "Resource" in statement:
        return True in hits
    if None in hits:
        # With a variable without a value the excepted resources are unknown. To fail closed, a Deny applies, an Allow
        # does not.
        return statement["Effect"] == "Deny" and True not in hits
    return True not in hits


def _names_resource(name: str, question: AuthorizationRequest, *, variables: bool) -> bool | None:
    """Match one Resource. None means that one of its variables has no value."""
    # Variables exist only after the fifth colon.
    head, tail = (":".join(name.split(":")[:5]), name.split(":", 5)[5:])
    front = pieces(head, variables=False, context={}) or []
    back = pieces("".join(f":{part}" for part in tail), variables=variables, context=question.context)
    return None if back is None else globs_resource(front + back, question.resource)
