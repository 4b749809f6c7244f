"""Test whether a Principal element matches the caller, and by which name.

Owns the names that match, and the reach of an Allow by each name. A `*` inside a name is literal; only the name `*`
alone means every principal. Source: IAM User Guide, "IAM JSON policy elements: Principal", "NotPrincipal", and the
table of implicit denies in "Policy evaluation logic".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from daypass.arn import is_account_id, root_arn
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.policy.language.statement import ConditionTest, PrincipalName, Statement


class PolicyBypass(IntEnum):
    """The policies that are not needed beside a resource policy's Allow.

    The values are in ascending order.
    """

    NO_MATCH = 0
    """The Allow does not match the caller."""
    DELEGATED = 1
    """The Allow matches the caller's account: the account's own policies must allow."""
    BYPASS_IDENTITY = 2
    """No identity policy is needed; boundary and session policies limit."""
    BYPASS_BOUNDARY = 3
    """Neither identity policy nor boundary is needed; session policies limit."""
    BYPASS_ALL = 4
    """This Allow alone is sufficient."""


_SIGNED = frozenset({PrincipalKind.ROOT, PrincipalKind.USER, PrincipalKind.ROLE_SESSION, PrincipalKind.FEDERATED_USER})
_FEDERATED = frozenset({PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML})
_NO_NAMES: frozenset[str] = frozenset()
_NAMING_OPERATORS = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"})


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a Principal or NotPrincipal element, by kind."""

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
            exact=_names(name for name in aws if name != "*" and not is_account_id(name)),
            accounts=_names(accounts),
            services=_names(by_type["Service"]),
            federated=_names(by_type["Federated"]),
        )


def _names(found: Iterable[str]) -> frozenset[str]:
    """Return a set of names. Every policy shares the empty one, which takes 216 bytes."""
    return frozenset(found) or _NO_NAMES


class PrincipalMatch:
    """The compiled Principal or NotPrincipal element of one statement."""

    __slots__ = ("_inverted", "_names", "_open", "_past_everyone")

    def __init__(self, statement: Statement, *, closed: bool) -> None:
        """Compile the element.

        If `closed` (a trust policy), `*` does not include anonymous callers.
        """
        self._names = Names.of(statement.principals or ())
        self._inverted = statement.not_principal
        self._open = not closed
        # AWS: implicit denies of boundary or session do not limit Allows to `*` with a condition on aws:PrincipalArn.
        named = _names_principal_arn(statement.conditions)
        self._past_everyone = PolicyBypass.BYPASS_ALL if named else PolicyBypass.BYPASS_IDENTITY

    def bypass(self, caller: Principal) -> PolicyBypass:
        """Return the reach of an Allow with this element for `caller`."""
        if self._inverted:
            return self._bypass_of_others(caller)
        if caller.kind not in _SIGNED:
            return self._bypass_unsigned(caller)
        best = self._bypass_by_name(caller)
        if self._names.everyone and self._past_everyone > best:
            best = self._past_everyone
        return min(best, PolicyBypass.BYPASS_BOUNDARY) if caller.delegated else best

    def denies(self, caller: Principal) -> bool:
        """Return whether a Deny with this element applies to `caller`.

        `*` means every principal, including services and federated principals.
        """
        if self._inverted:
            return not self._is_excepted(caller)
        if self._names.everyone:
            return True
        if caller.kind in _SIGNED:
            return self._bypass_by_name(caller) > PolicyBypass.NO_MATCH
        return self._bypass_unsigned(caller) > PolicyBypass.NO_MATCH

    def _bypass_by_name(self, caller: Principal) -> PolicyBypass:
        exact, kind = self._names.exact, caller.kind
        if exact and kind is not PrincipalKind.ROOT:
            if caller.arn in exact or (caller.session_id and caller.session_id in exact):
                return PolicyBypass.BYPASS_BOUNDARY if kind is PrincipalKind.USER else PolicyBypass.BYPASS_ALL
            if caller.unique_id and caller.unique_id in exact:
                return PolicyBypass.BYPASS_BOUNDARY if kind is PrincipalKind.USER else PolicyBypass.BYPASS_IDENTITY
            if caller.issuer_arn and caller.issuer_arn in exact:
                return PolicyBypass.BYPASS_IDENTITY
        return PolicyBypass.DELEGATED if caller.account in self._names.accounts else PolicyBypass.NO_MATCH

    def _bypass_unsigned(self, caller: Principal) -> PolicyBypass:
        if caller.kind is PrincipalKind.SERVICE:
            meant = caller.service in self._names.services
        elif caller.kind in _FEDERATED:
            meant = caller.federated in self._names.federated
        else:
            meant = self._names.everyone and self._open
        return PolicyBypass.BYPASS_ALL if meant else PolicyBypass.NO_MATCH

    def _bypass_of_others(self, caller: Principal) -> PolicyBypass:
        """Return the reach of NotPrincipal with Allow.

        A caller listed by any name is not allowed; for others, their own account must allow.
        """
        if caller.kind is PrincipalKind.ANONYMOUS:
            return PolicyBypass.BYPASS_ALL if self._open and not self._names.everyone else PolicyBypass.NO_MATCH
        if caller.kind not in _SIGNED or self._names.everyone:
            return PolicyBypass.NO_MATCH
        return PolicyBypass.NO_MATCH if self._bypass_by_name(caller) else PolicyBypass.DELEGATED

    def _is_excepted(self, caller: Principal) -> bool:
        """Return whether NotPrincipal with Deny exempts the caller.

        It does so only if all of its names are listed.
        """
        names = self._names
        if caller.kind is PrincipalKind.SERVICE:
            return caller.service in names.services
        if caller.kind in _FEDERATED:
            return caller.federated in names.federated
        if names.everyone:
            return True
        return caller.kind in _SIGNED and caller.account in names.accounts and _all_listed(caller, names.exact)


def _all_listed(caller: Principal, exact: frozenset[str]) -> bool:
    """Return whether every name below the account is listed.

    They are the user's, or the role's and the session's.
    """
    if caller.kind is PrincipalKind.ROOT:
        return True
    issuer = caller.issuer_arn in exact or bool(caller.unique_id and caller.unique_id in exact)
    itself = caller.arn in exact or bool(caller.session_id and caller.session_id in exact)
    if caller.kind is PrincipalKind.USER:
        return itself or issuer
    return itself and issuer


def _names_principal_arn(conditions: Sequence[ConditionTest]) -> bool:
    """Return whether a condition limits the principals.

    Negated and IfExists operators do not limit them.
    """
    return any(test.key.lower() == "aws:principalarn" and test.operator in _NAMING_OPERATORS for test in conditions)
