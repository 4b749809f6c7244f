"""`daypass export`: write the store as a file for `daypass apply`.

Owns the options. Secrets are never written.
"""

from pathlib import Path

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import opened, operator_options, print_json


@click.command()
@click.option(
    "--account",
    "accounts",
    metavar="ID",
    multiple=True,
    help="The account to export. Repeatable. Default: all accounts.",
)
@click.option(
    "--access-keys",
    is_flag=True,
    help="Also export access keys and private keys of SAML providers, as references to secrets.",
)
@operator_options
def command(
    *, accounts: tuple[str, ...], access_keys: bool, store: str | None, config_file: Path | None, output: str
) -> None:
    """Print the store's entities as a configuration file: YAML or JSON.

    The entities are accounts, users, groups, roles and policies.
    """
    from daypass.apply.plan.export import as_yaml, export_document
    from daypass.apply.store.store_state import all_accounts, read_present, read_standings

    with opened(store, config_file) as there, there.store.read() as reader:
        known = all_accounts(reader)
        unknown = sorted(set(accounts) - set(known))
        if unknown:
            raise CommandError(f"Account {unknown[0]} does not exist in this store.", Exit.CONFIGURATION)
        # The organization does not belong to one account: it is written if all accounts are.
        present = read_present(reader, accounts or ("", *known), there.vault)
        standings = read_standings(reader)
    document = export_document(present, standings, with_keys=access_keys)
    if output == "json":
        print_json(document)
    else:
        click.echo(as_yaml(document), nl=False)
