"""`daypass shell`: start a shell with the selected credentials."""

import os
import sys

import click

from daypass.cli.people.exec_ import run_with
from daypass.cli.shared.credentials_output import describe
from daypass.cli.shared.selection import Selection
from daypass.cli.shared.session_options import ASSUMING, ROLE, selecting
from daypass.client.programs.shells import shell_command


@click.command()
@selecting("role", ROLE, ASSUMING)
@click.option("--server", is_flag=True, help="Serve refreshed credentials on a local endpoint while the shell runs.")
def command(selection: Selection, *, server: bool) -> int:
    """Start your shell with the credentials of a profile or a role.

    `exit` ends it.
    """
    entry = selection.get_credentials()
    if sys.stderr.isatty():
        click.echo(f"daypass: {describe(entry)}. Type `exit` to leave this shell.", err=True)
    return run_with(selection, (shell_command(os.environ, windows=sys.platform == "win32"),), server=server)
