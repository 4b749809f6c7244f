"""The position of an account in the organization, and its SCPs and RCPs.

An account without an organization has neither, nor has the management account, which AWS exempts. Rules: AWS
Organizations User Guide, "SCP evaluation" and "RCP evaluation".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.entities.organization_entities import (
    ORGANIZATION,
    ControlPolicies,
    Organization,
    Unit,
    untouched,
)
from daypass.directory.identity import compiled
from daypass.directory.store import Reader
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_set
from daypass.policy.language.document import DocumentKind

# AWS allows five levels of units below the root; a deeper chain is a cycle.
DEEPEST = 5

Keys = Mapping[str, str | tuple[str, ...]]


class BrokenOrganizationError(Exception):
    """The tree of units is broken: a parent is missing, or it has a cycle.

    A decision must not rest on such a tree.
    """


@dataclass(frozen=True, slots=True)
class InheritedControls:
    """The control policies of an account: one set for each level, root first."""

    service_control: tuple[PolicySet, ...] = ()
    resource_control: tuple[PolicySet, ...] = ()


@dataclass(frozen=True, slots=True)
class OrganizationMembership:
    """The position of an account: its organization's id and its path there.

    Both are empty without an organization. `as_principal` and `as_resource` are the resulting condition keys.
    """

    organization: str = ""
    path: str = ""
    as_principal: Keys = field(default_factory=dict)
    as_resource: Keys = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountPosition:
    """All that the organization adds to a decision: keys and control policies."""

    membership: OrganizationMembership
    controls: InheritedControls


_NO_CONTROLS = InheritedControls()


def find_organization(reader: Reader) -> Organization | None:
    """Return the store's organization, or None."""
    return records.find(reader, Organization, "", ORGANIZATION)


def find_policies(reader: Reader, target: str) -> ControlPolicies:
    """Return the control policies attached to the root, a unit or an account."""
    return records.find(reader, ControlPolicies, "", target) or untouched(target)


def load_place(reader: Reader, account: str) -> OrganizationMembership:
    """Return the position of an account."""
    organization, row = find_organization(reader), records.find(reader, Account, "", account)
    if organization is None or row is None or row.standing == "standalone":
        return OrganizationMembership(as_resource={"aws:resourceaccount": account})
    path = "/".join((organization.id, *levels_above(reader, organization, row))) + "/"
    return OrganizationMembership(
        organization=organization.id,
        path=path,
        as_principal={"aws:principalorgid": organization.id, "aws:principalorgpaths": (path,)},
        as_resource={
            "aws:resourceaccount": account,
            "aws:resourceorgid": organization.id,
            "aws:resourceorgpaths": (path,),
        },
    )


def load_position(reader: Reader, account: str) -> AccountPosition:
    """Return the position of an account with the policies that apply to it."""
    return AccountPosition(load_place(reader, account), load_inherited_controls(reader, account))


def load_inherited_controls(reader: Reader, account: str) -> InheritedControls:
    """Return the control policies that apply to `account`."""
    organization, row = find_organization(reader), records.find(reader, Account, "", account)
    if organization is None or row is None or row.standing != "member":
        return _NO_CONTROLS
    levels = [find_policies(reader, target) for target in (*levels_above(reader, organization, row), account)]
    return InheritedControls(
        service_control=tuple(
            _compile(level.service, DocumentKind.SERVICE_CONTROL, PolicyType.SERVICE_CONTROL, level.target)
            for level in levels
        ),
        resource_control=tuple(
            _compile(level.resource, DocumentKind.RESOURCE_CONTROL, PolicyType.RESOURCE_CONTROL, level.target)
            for level in levels
        ),
    )


def levels_above(reader: Reader, organization: Organization, account: Account) -> tuple[str, ...]:
    """Return the ids of the root and the units above an account, root first."""
    return chain_of(reader, organization, account.unit or organization.root)


def chain_of(reader: Reader, organization: Organization, unit: str) -> tuple[str, ...]:
    """Return the ids from the root down to a unit, both included.

    Raises BrokenOrganizationError.
    """
    chain: list[str] = []
    while unit != organization.root:
        found = records.find(reader, Unit, "", unit)
        if found is None or len(chain) >= DEEPEST:
            raise BrokenOrganizationError(unit)
        chain.append(unit)
        unit = found.parent
    return (organization.root, *reversed(chain))


def _compile(documents: Mapping[str, str], kind: DocumentKind, by: PolicyType, target: str) -> PolicySet:
    return compile_set(compiled(text, kind, PolicySource(by, name, target)) for name, text in sorted(documents.items()))
