"""`daypass account create|list`: the accounts of a store.

The commands open the store itself; a live server may use it at the same time.
"""

from pathlib import Path
from typing import Any

import click

from daypass.bootstrap import AccountCreationError, NewAccountRequest, RootKey, create_account
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.root_key_profile import endpoints_block, profile_block
from daypass.cli.shared.store_options import opened, operator_options, print_json, print_list, read_config
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account


@click.group()
def command() -> None:
    """Create and list accounts."""


@command.command()
@click.option("--id", "account_id", metavar="12DIGITS", help="The account ID. Default: random.")
@click.option("--name", default="", help="A display name.")
@click.option("--management", is_flag=True, help="Create the management account of the store's organization.")
@click.option("--standalone", is_flag=True, help="Do not add the account to the store's organization.")
@operator_options
def create(  # noqa: PLR0913 - one parameter an option
    *,
    account_id: str | None,
    name: str,
    management: bool,
    standalone: bool,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Create an account and print its root access key, once."""
    if management and standalone:
        raise click.UsageError("--management and --standalone cannot be used together.")
    wanted = NewAccountRequest(
        account=account_id or "",
        name=name,
        standing="management" if management else "standalone" if standalone else None,
    )
    try:
        with operator_change("account create", "CreateAccount", store, config_file, makes=True) as change:
            there = change.there
            key = create_account(change.writer, wanted, now=there.clock.now(), entropy=there.entropy, vault=there.vault)
            change.tell(
                AccountId=key.account, AccountName=name, Standing=wanted.standing, AccessKeyId=key.access_key_id
            )
    except AccountCreationError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    _print_created(key, output, read_config({"store": store}, config_file))


def _print_created(key: RootKey, output: str, config: Config) -> None:
    if output == "json":
        print_json(
            {
                "AccountId": key.account,
                "RootAccessKey": {"AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key},
            }
        )
        return
    click.echo(
        f"Account {key.account} was created. Its root access key is shown only once. Add it to ~/.aws/credentials:\n",
        err=True,
    )
    click.echo(profile_block(key))
    click.echo("\nAdd the endpoints of the services to ~/.aws/config:\n", err=True)
    click.echo(endpoints_block(key, config.url, config.s3_url))
    if not config.public_url:
        click.echo("\nIf clients reach your server at another URL, set DAYPASS_PUBLIC_URL.", err=True)


@command.command(name="list")
@operator_options
def list_accounts(store: str | None, config_file: Path | None, output: str) -> None:
    """List the accounts of the store."""
    with opened(store, config_file) as there, there.store.read() as reader:
        accounts = [_shown(account) for account in records.each(reader, Account, "")]
    none = "No accounts. Run `daypass account create` to create one."
    print_list("Accounts", accounts, output, line=_line, none=none)


def _line(shown: dict[str, Any]) -> str:
    created = shown["CreateDate"].partition("T")[0]
    return f"{shown['AccountId']}  {shown['Standing']:<10}  {created}  {shown['Name']}"


def _shown(account: Account) -> dict[str, Any]:
    return {
        "AccountId": account.id,
        "Name": account.name,
        "Standing": account.standing,
        "Alias": account.alias or None,
        "CreateDate": account.created.isoformat(),
    }
