"""Create an account: its id, its name and the access key of its root user.

Owns the choice of ids. The command line shows the secret once.
Source: IAM User Guide, "AWS account root user".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from daypass.arn import is_account_id
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey, Account
from daypass.directory.organization.organization_changes import found_organization
from daypass.directory.organization.organization_tree import find_organization
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Writer
from daypass.mint.access_keys import new_access_key_id, new_secret
from daypass.ports import Entropy


class AccountCreationError(Exception):
    """An account that cannot be created. The message says why."""


@dataclass(frozen=True, slots=True)
class RootKey:
    """The root access key of a new account.

    It has the secret in clear text; the store keeps it encrypted.
    """

    account: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"<root key of {self.account}>"


@dataclass(frozen=True, slots=True)
class NewAccountRequest:
    """The values requested for a new account. Empty strings are generated."""

    account: str = ""
    name: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    standing: Literal["management", "member", "standalone"] | None = None

    def __repr__(self) -> str:
        return f"<wanted account {self.account or '(any)'}>"


def is_empty(reader: Reader) -> bool:
    """Return whether the store has no accounts."""
    return not reader.page("account", "", limit=1)


def create_account(
    writer: Writer, wanted: NewAccountRequest, *, now: datetime, entropy: Entropy, vault: SecretBox
) -> RootKey:
    """Create an account and its root access key.

    By default it joins the store's organization, if any. Raises AccountCreationError.
    """
    account_id = wanted.account or new_account_id(writer, entropy)
    if not is_account_id(account_id):
        raise AccountCreationError(f"An account id must be twelve digits; {account_id!r} is not.")
    account = Account(
        id=account_id,
        name=wanted.name or f"account-{account_id}",
        created=now,
        standing=_standing(writer, wanted),
    )
    records.insert_new(writer, account, AccountCreationError(f"The account {account_id} already exists."))
    if account.standing == "management":
        found_organization(writer, account_id, entropy=entropy)
    key_id = wanted.access_key_id or new_access_key_id("AKIA", account_id, entropy)
    secret = wanted.secret_access_key or new_secret(entropy).text
    key = AccessKey(
        id=key_id,
        account=account_id,
        owner=account_id,
        sealed_secret=vault.encrypt(secret.encode(), bound_to=key_id),
        created=now,
    )
    records.insert_new(writer, key, AccountCreationError(f"The access key id {key_id} is already in use."))
    return RootKey(account_id, key_id, secret)


def management_account(reader: Reader) -> Account | None:
    """Return the management account, or None without an organization."""
    organization = find_organization(reader)
    return None if organization is None else records.find(reader, Account, "", organization.manager)


def _standing(reader: Reader, wanted: NewAccountRequest) -> Literal["management", "member", "standalone"]:
    manager = management_account(reader)
    if wanted.standing == "management" and manager is not None:
        raise AccountCreationError(f"The store's organization is already managed by {manager.id}.")
    if wanted.standing is not None:
        return wanted.standing
    return "standalone" if manager is None else "member"


def new_account_id(reader: Reader, entropy: Entropy) -> str:
    """Return the id of an account that does not exist."""
    while True:
        # Twelve random digits without a leading zero, hardly a real AWS account of the user.
        account_id = str(10**11 + int.from_bytes(entropy(8)) % (9 * 10**11))
        if records.find(reader, Account, "", account_id) is None:
            return account_id
