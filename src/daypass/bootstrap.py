"""The first start on an empty store: an account, its root user's key, and the key ring.

Owns what is made then and the choice of ids. Showing the secret once is the command line's work.
Source: IAM User Guide, "AWS account root user".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from daypass.arn import is_account_id
from daypass.directory import records
from daypass.directory.entities import AccessKey, Account
from daypass.directory.organization import find_organization
from daypass.directory.organization_changes import found_organization
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Exists, Reader, Writer
from daypass.mint.access_keys import new_access_key_id, new_secret
from daypass.ports import Entropy


class CannotCreate(Exception):  # noqa: N818 - read as a sentence
    """An account that cannot be. The message says why."""


@dataclass(frozen=True, slots=True)
class RootKey:
    """A new account's root access key, in clear: the only moment that it is."""

    account: str
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"<root key of {self.account}>"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a new account. Empty texts are made up here."""

    account: str = ""
    name: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    standing: Literal["management", "member", "standalone"] | None = None

    def __repr__(self) -> str:
        return f"<wanted account {self.account or '(any)'}>"


def is_empty(reader: Reader) -> bool:
    """Tell whether no account was ever made in this store."""
    return not reader.page("account", "", limit=1)


def create_account(writer: Writer, wanted: Wanted, *, now: datetime, entropy: Entropy, vault: SecretBox) -> RootKey:
    """Make an account and its root access key. Raises CannotCreate.

    With no standing asked for it becomes a member of the store's organization if there is one.
    """
    account_id = wanted.account or _new_account_id(writer, entropy)
    if not is_account_id(account_id):
        raise CannotCreate(f"An account id is twelve digits; {account_id!r} is not.")
    account = Account(
        id=account_id,
        name=wanted.name or f"account-{account_id}",
        created=now,
        standing=_standing(writer, wanted),
    )
    try:
        records.insert(writer, account)
    except Exists as taken:
        raise CannotCreate(f"The account {account_id} exists already.") from taken
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
    try:
        records.insert(writer, key)
    except Exists as taken:
        raise CannotCreate(f"The access key id {key_id} is taken.") from taken
    return RootKey(account_id, key_id, secret)


def management_account(reader: Reader) -> Account | None:
    """Return the account that manages the store's organization, or None where there is no organization."""
    organization = find_organization(reader)
    return None if organization is None else records.find(reader, Account, "", organization.manager)


def _standing(reader: Reader, wanted: Wanted) -> Literal["management", "member", "standalone"]:
    manager = management_account(reader)
    if wanted.standing == "management" and manager is not None:
        raise CannotCreate(f"The store's organization is managed by {manager.id} already.")
    if wanted.standing is not None:
        return wanted.standing
    return "standalone" if manager is None else "member"


def _new_account_id(reader: Reader, entropy: Entropy) -> str:
    while True:
        # Twelve random digits without a leading zero: never the id of a real account that the user also uses.
        account_id = str(10**11 + int.from_bytes(entropy(8)) % (9 * 10**11))
        if records.find(reader, Account, "", account_id) is None:
            return account_id
