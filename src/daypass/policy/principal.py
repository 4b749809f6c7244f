"""Whether the Principal element of a statement means the caller, and by which of the caller's names.

Owns the names that match, and how far an Allow by each name carries. Nothing here knows wildcards: a `*`
inside a name is a letter, and only the name `*` alone means everyone.
Source: IAM User Guide, "IAM JSON policy elements: Principal", "NotPrincipal", and the table of implicit
denies in "Policy evaluation logic".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from daypass.arn import is_account_id, root_arn
from daypass.policy.question import Principal, PrincipalKind
from daypass.policy.statement import ConditionTest, PrincipalName, Statement


class Reach(IntEnum):
    """What an Allow in a resource policy does without, growing."""

    NOTHING = 0
    """The caller is not meant."""
    DELEGATED = 1
    """The caller's account is meant: its own policies must allow."""
    PAST_IDENTITY = 2
    """No identity policy is needed; boundary and session policies limit."""
    PAST_BOUNDARY = 3
    """Neither identity policy nor boundary is needed; session policies limit."""
    PAST_ALL = 4
    """This Allow is enough by itself."""


_SIGNED = frozenset({PrincipalKind.ROOT, PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER})
_FEDERATED = frozenset({PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML})
_NAMING_OPERATORS = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"})


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a Principal or NotPrincipal element, sorted by what they can match."""

    everyone: bool
    exact: frozenset[str]
    accounts: frozenset[str]
    services: frozenset[str]
    federated: frozenset[str]

    @classmethod
    def of(cls, principals: Iterable[PrincipalName]) -> Self:
        """Sort the names of an element."""
        by_type: dict[str, set[str]] = {
            "AWS": set(),
            "Service": set(),
            "Federated": set(),
            "CanonicalUser": set(),
        }
        for name in principals:
            by_type[name.type].add(name.value)
        aws = by_type["AWS"]
        accounts = {name for name in aws if is_account_id(name)}
        accounts |= {name[13:25] for name in aws if name == root_arn(name[13:25]) and is_account_id(name[13:25])}
        return cls(
            everyone="*" in aws,
            exact=frozenset(name for name in aws if name != "*" and not is_account_id(name)),
            accounts=frozenset(accounts),
            services=frozenset(by_type["Service"]),
            federated=frozenset(by_type["Federated"]),
        )


class PrincipalMatch:
    """The compiled Principal or NotPrincipal element of one statement."""

    __slots__ = ("_inverted", "_names", "_open", "_past_everyone")

    def __init__(self, statement: Statement, *, closed: bool) -> None:
        """Compile it. Where `closed`, as in a trust policy, `*` does not mean the anonymous."""
        self._names = Names.of(statement.principals or ())
        self._inverted = statement.not_principal
        self._open = not closed
        # AWS: Allows to `*` narrowed by aws:PrincipalArn are not limited by implicit denies of boundary or
        # session.
        named = _names_principal_arn(statement.conditions)
        self._past_everyone = Reach.PAST_ALL if named else Reach.PAST_IDENTITY

    def reach(self, caller: Principal) -> Reach:
        """Return how far this element carries an Allow for `caller`."""
        if self._inverted:
            return self._reach_of_others(caller)
        if caller.kind not in _SIGNED:
            return self._reach_unsigned(caller)
        best = self._past_everyone if self._names.everyone else Reach.NOTHING
        best = max(best, self._reach_by_name(caller))
        return min(best, Reach.PAST_BOUNDARY) if caller.delegated else best

    def denies(self, caller: Principal) -> bool:
        """Tell whether a Deny means `caller`. `*` means everyone, services and federated too."""
        if self._inverted:
            return not self._is_excepted(caller)
        if self._names.everyone:
            return True
        if caller.kind in _SIGNED:
            return self._reach_by_name(caller) > Reach.NOTHING
        return self._reach_unsigned(caller) > Reach.NOTHING

    def _reach_by_name(self, caller: Principal) -> Reach:
        exact, kind = self._names.exact, caller.kind
        if exact and kind is not PrincipalKind.ROOT:
            if caller.arn in exact or (caller.session_id and caller.session_id in exact):
                return Reach.PAST_BOUNDARY if kind is PrincipalKind.USER else Reach.PAST_ALL
            if caller.unique_id and caller.unique_id in exact:
                return Reach.PAST_BOUNDARY if kind is PrincipalKind.USER else Reach.PAST_IDENTITY
            if caller.issuer_arn and caller.issuer_arn in exact:
                return Reach.PAST_IDENTITY
        return Reach.DELEGATED if caller.account in self._names.accounts else Reach.NOTHING

    def _reach_unsigned(self, caller: Principal) -> Reach:
        if caller.kind is PrincipalKind.SERVICE:
            meant = caller.service in self._names.services
        elif caller.kind in _FEDERATED:
            meant = caller.federated in self._names.federated
        else:
            meant = self._names.everyone and self._open
        return Reach.PAST_ALL if meant else Reach.NOTHING

    def _reach_of_others(self, caller: Principal) -> Reach:
        """Read NotPrincipal with Allow: who is listed by any name is out, others are delegated to."""
        if caller.kind is PrincipalKind.ANONYMOUS:
            return Reach.PAST_ALL if self._open and not self._names.everyone else Reach.NOTHING
        if caller.kind not in _SIGNED or self._names.everyone:
            return Reach.NOTHING
        return Reach.NOTHING if self._reach_by_name(caller) else Reach.DELEGATED

    def _is_excepted(self, caller: Principal) -> bool:
        """Read NotPrincipal with Deny: only who is listed by all of their names escapes."""
        names = self._names
        if caller.kind is PrincipalKind.SERVICE:
            return caller.service in names.services
        if caller.kind in _FEDERATED:
            return caller.federated in names.federated
        if names.everyone:
            return True
        return caller.kind in _SIGNED and caller.account in names.accounts and _all_listed(caller, names.exact)


def _all_listed(caller: Principal, exact: frozenset[str]) -> bool:
    """Tell whether every name below the account is listed: the user, or the role and its session."""
    if caller.kind is PrincipalKind.ROOT:
        return True
    issuer = caller.issuer_arn in exact or bool(caller.unique_id and caller.unique_id in exact)
    itself = caller.arn in exact or bool(caller.session_id and caller.session_id in exact)
    if caller.kind is PrincipalKind.USER:
        return itself or issuer
    return itself and issuer


def _names_principal_arn(conditions: Sequence[ConditionTest]) -> bool:
    """Tell whether a condition says which principals are meant. Negated and IfExists forms do not."""
    return any(test.key.lower() == "aws:principalarn" and test.operator in _NAMING_OPERATORS for test in conditions)
