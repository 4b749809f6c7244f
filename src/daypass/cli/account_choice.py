"""Which account an operator's command is about: the one that is named, or the only one there is."""

import click

from daypass.cli.exit_codes import Exit, Stop
from daypass.directory import records
from daypass.directory.entities import Account
from daypass.directory.store import Reader

account_option = click.option("--account", metavar="12DIGITS", help="The account. Required if the store has several.")


def choose_account(reader: Reader, account: str | None) -> str:
    """Return the account's id, or stop with exit code 6 where it is not there or not clear."""
    if account is not None:
        if records.find(reader, Account, "", account) is None:
            raise Stop(f"There is no account {account}.", Exit.CONFIGURATION)
        return account
    found = reader.page(records.kind_name(Account), "", limit=2)
    if len(found) != 1:
        raise Stop("Say which account with --account: `daypass account list` shows them.", Exit.CONFIGURATION)
    return records.to_entity(Account, found[0]).id
