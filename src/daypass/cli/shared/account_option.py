"""The account of an operator's command.

It is the --account option, or the store's only account.
"""

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account
from daypass.directory.store import Reader

account_option = click.option("--account", metavar="12DIGITS", help="The account. Required if the store has several.")


def choose_account(reader: Reader, account: str | None) -> str:
    """Return the account's ID.

    Stops with exit code 6 if it does not exist, or if the store has several and none is named.
    """
    if account is not None:
        if records.find(reader, Account, "", account) is None:
            raise CommandError(
                f"Account {account} does not exist. Run `daypass account list` to see all accounts.", Exit.CONFIGURATION
            )
        return account
    found = records.page(reader, Account, "", limit=2)
    if len(found) != 1:
        raise CommandError(
            "Name the account with --account. Run `daypass account list` to see all accounts.", Exit.CONFIGURATION
        )
    return found[0].id
