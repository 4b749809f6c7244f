"""What an account has besides users, groups, roles and policies: an alias, a credential report, deletion tasks.

Owns their fields. They are stored like every entity; see records.py.
"""

from datetime import datetime

from daypass.directory.entities import Entity


class AccountAlias(Entity, frozen=True, kw_only=True):
    """Who has an alias. Aliases are unique among all accounts, so they are kept beside the accounts."""

    name: str
    account: str


class CredentialReport(Entity, frozen=True, kw_only=True):
    """An account's last credential report: the CSV text and when it was made."""

    account: str
    generated: datetime
    content: str


class DeletionTask(Entity, frozen=True, kw_only=True):
    """The deletion of a service-linked role, so that one can ask how it went."""

    id: str
    account: str
    role: str
