"""The entities of a directory, as frozen values.

Owns their fields and their ARNs. Leaves storage to records.py and permissions to policy/. Names, paths and identifiers
follow the IAM User Guide, "IAM identifiers".
"""

from datetime import datetime
from typing import Literal

import msgspec

from daypass.arn import iam_arn, root_arn


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of every stored entity: a value that does not change."""


class PasswordPolicy(Entity, frozen=True, kw_only=True):
    """An account's password policy.

    It is stored for tools that read and write it: Daypass has no passwords.
    """

    minimum_length: int = 6
    require_symbols: bool = False
    require_numbers: bool = False
    require_uppercase: bool = False
    require_lowercase: bool = False
    allow_change: bool = False
    max_age_days: int | None = None
    reuse_prevention: int | None = None
    hard_expiry: bool | None = None


class Account(Entity, frozen=True, kw_only=True):
    """An account. `standing` is its role in the organization."""

    id: str
    name: str
    created: datetime
    standing: Literal["management", "member", "standalone"] = "standalone"
    unit: str = ""
    alias: str = ""
    password_policy: PasswordPolicy | None = None
    outbound_issuer: str = ""
    outbound_enabled: bool = False
    owner: str = ""
    token_version: Literal[1, 2] = 1

    @property
    def arn(self) -> str:
        """Return the ARN of the account and its root user."""
        return root_arn(self.id)


class Named(Entity, frozen=True, kw_only=True):
    """An entity with a name and a path inside an account."""

    id: str
    account: str
    name: str
    path: str = "/"
    created: datetime
    tags: dict[str, str] = {}


class Holder(Named, frozen=True, kw_only=True):
    """An entity with policies.

    `inline` contains its inline policies by name, unchanged from the request.
    """

    inline: dict[str, str] = {}


class User(Holder, frozen=True, kw_only=True):
    """An IAM user."""

    boundary: str = ""

    @property
    def arn(self) -> str:
        """Return the ARN of the user, path included."""
        return iam_arn(self.account, "user", self.path, self.name)


class Group(Holder, frozen=True, kw_only=True):
    """An IAM group."""

    @property
    def arn(self) -> str:
        """Return the ARN of the group, path included."""
        return iam_arn(self.account, "group", self.path, self.name)


class Role(Holder, frozen=True, kw_only=True):
    """An IAM role.

    In `trust`, users and roles are written as their unique ids (see principals.py).

    `max_signin_seconds` limits the age of a sign-in with which `aws login` may use the role.

    `foreign` maps ids in `trust` to the strings with which a caller named principals of other accounts.
    """

    trust: str
    boundary: str = ""
    description: str = ""
    max_session_seconds: int = 3600
    max_signin_seconds: int | None = None
    service_linked: bool = False
    foreign: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Return the ARN of the role, path included."""
        return iam_arn(self.account, "role", self.path, self.name)


class PolicyVersion(Entity, frozen=True, kw_only=True):
    """One version of a managed policy, `v1` and up."""

    id: str
    document: str
    created: datetime


class ManagedPolicy(Named, frozen=True, kw_only=True):
    """A managed policy with its versions, oldest first."""

    versions: tuple[PolicyVersion, ...]
    default: str
    last_version: int = 1
    description: str = ""
    updated: datetime

    @property
    def arn(self) -> str:
        """Return the ARN of the policy, path included."""
        return iam_arn(self.account, "policy", self.path, self.name)

    @property
    def document(self) -> str:
        """Return the document of the default version."""
        return next(version.document for version in self.versions if version.id == self.default)


class InstanceProfile(Named, frozen=True, kw_only=True):
    """A named container for one role of a machine.

    `role` is the unique id of the role, or empty.
    """

    role: str = ""

    @property
    def arn(self) -> str:
        """Return the ARN of the instance profile, path included."""
        return iam_arn(self.account, "instance-profile", self.path, self.name)


class AccessKey(Entity, frozen=True, kw_only=True):
    """A long-term key.

    `owner` is a user's unique id, or the account's id for the keys of the root user. `sealed_secret` is the secret key,
    encrypted at rest under the master key.
    """

    id: str
    account: str
    owner: str
    sealed_secret: bytes
    active: bool = True
    created: datetime

    @property
    def is_root(self) -> bool:
        """Return whether this is a key of the account's root user."""
        return self.owner == self.account


class LastUse(Entity, frozen=True, kw_only=True):
    """The time, region and service of a key's or role's last use.

    `id` is the id of the long-term key or of the role.
    """

    id: str
    account: str
    at: datetime
    region: str
    service: str


class StoredKey(Entity, frozen=True, kw_only=True):
    """A sealing key, encrypted at rest under the master key.

    Times are whole seconds since 1970.
    """

    id: str
    sealed_secret: bytes
    created: int
    activates: int
