"""Further entities of an account.

These are its alias, credential report and deletion tasks. Owns their fields. They are stored like every entity; see
records.py.
"""

from datetime import datetime

from daypass.directory.entities.iam_entities import Entity


class AccountAlias(Entity, frozen=True, kw_only=True):
    """The owner of an alias.

    Aliases are unique among all accounts, thus they are separate records.
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
