"""`daypass export`: write the store as a file for `daypass apply`.

Owns the options. Secrets are never written.
"""

from pathlib import Path

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.long_output import long_output
from daypass.cli.shared.progress import shown_progress
from daypass.cli.shared.store_options import opened, operator_options


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
    from daypass.apply.plan.export_text import json_pieces, yaml_pieces
    from daypass.apply.store.exported_store import ExportedStore, UnknownAccountError

    with (
        long_output() as file,
        opened(store, config_file) as there,
        there.store.read() as reader,
        shown_progress("Exporting", "accounts") as advance,
    ):
        try:
            exported = ExportedStore(reader, there.vault, accounts, with_keys=access_keys)
        except UnknownAccountError as unknown:
            raise CommandError(f"Account {unknown} does not exist in this store.", Exit.CONFIGURATION) from unknown
        pieces = json_pieces if output == "json" else yaml_pieces
        file.writelines(pieces(exported.head(), exported.accounts(advance)))
