"""The organization of a store as frozen values.

Owns the fields of the organization, its units, and the control policies of a level. An Account contains its own
membership and unit. Leaves to organization_tree.py the policies of an account, and to organization_changes.py every
change. Source: AWS Organizations User Guide, "Terminology and concepts".
"""

from collections.abc import Mapping
from enum import Enum

from daypass.directory.entities.iam_entities import Entity

ORGANIZATION = "organization"
"""The key of the only record."""

FULL_ACCESS_SERVICE = "FullAWSAccess"
FULL_ACCESS_RESOURCE = "RCPFullAWSAccess"

_FULL_ACCESS = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
_FULL_RESOURCE_ACCESS = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
)


class RootFeature(Enum):
    """A feature of centralized root access, by AWS's name."""

    CREDENTIALS = "RootCredentialsManagement"
    SESSIONS = "RootSessions"


class Organization(Entity, frozen=True, kw_only=True):
    """The store's organization.

    `root` is the id of the top unit, `manager` the management account. `delegate` is the member that administers IAM,
    or empty. `features` are values of RootFeature.
    """

    id: str
    root: str
    manager: str
    delegate: str = ""
    features: tuple[str, ...] = ()


class Unit(Entity, frozen=True, kw_only=True):
    """An organizational unit. `parent` is another unit, or the root."""

    id: str
    name: str
    parent: str


class ControlPolicies(Entity, frozen=True, kw_only=True):
    """The control policies attached to one level.

    The level is the root, a unit or an account. Documents are by policy name.
    """

    target: str
    service: Mapping[str, str]
    resource: Mapping[str, str]


def untouched(target: str) -> ControlPolicies:
    """Return AWS's default for a new level: policies that allow everything."""
    return ControlPolicies(
        target=target,
        service={FULL_ACCESS_SERVICE: _FULL_ACCESS},
        resource={FULL_ACCESS_RESOURCE: _FULL_RESOURCE_ACCESS},
    )
