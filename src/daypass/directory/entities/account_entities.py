"""Further entities of an account.

Owns the fields of its alias, credential report and deletion tasks.
"""

from datetime import datetime

from daypass.directory.entities.iam_entities import Entity


class AccountAlias(Entity, frozen=True, kw_only=True):
    """The owner of an alias.

    They are separate records, because aliases are unique among all accounts.
    """

    name: str
    account: str


class CredentialReport(Entity, frozen=True, kw_only=True):
    """The latest credential report of an account: CSV and creation time."""

    account: str
    generated: datetime
    content: str


class DeletionTask(Entity, frozen=True, kw_only=True):
    """The deletion of a service-linked role, whose status can be queried."""

    id: str
    account: str
    role: str
