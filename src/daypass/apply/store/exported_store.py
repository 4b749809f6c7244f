"""The contents of one snapshot, for an exported file.

Owns what is read, one account after another. Leaves the choice of fields to plan/export.py.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from daypass.apply.plan.export import ExportedAccount, export_account, export_head
from daypass.apply.store.store_state import read_present, read_standings
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader


class UnknownAccountError(LookupError):
    """An account does not exist in the store."""


class ExportedStore:
    """The accounts of a snapshot, all of them or those that are given.

    The organization does not belong to one account: it is exported if all accounts are.
    """

    def __init__(self, reader: Reader, vault: SecretBox, accounts: Sequence[str] = (), *, with_keys: bool) -> None:
        """Read the list of accounts. Raises UnknownAccountError."""
        self._reader, self._vault, self._with_keys = reader, vault, with_keys
        self._standings = read_standings(reader)
        unknown = sorted(set(accounts) - set(self._standings))
        if unknown:
            raise UnknownAccountError(unknown[0])
        self._accounts = sorted(set(accounts)) or list(self._standings)
        self._units = {} if accounts else read_present(reader, [""], vault)

    def head(self) -> dict[str, Any]:
        """Return the part of the file before its accounts."""
        return export_head(self._units)

    def accounts(self, advance: Callable[[int, int], None] = lambda _done, _total: None) -> Iterator[ExportedAccount]:
        """Yield the accounts by id.

        `advance` is called after each one with its number and the total.
        """
        for done, account in enumerate(self._accounts, 1):
            present = read_present(self._reader, [account], self._vault)
            standing = self._standings[account] if self._units else ""
            yield export_account(present, standing, with_keys=self._with_keys)
            advance(done, len(self._accounts))
