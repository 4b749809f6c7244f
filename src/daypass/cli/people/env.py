"""`daypass env`: print credentials as shell commands."""

import os

import click

from daypass.cli.shared.credentials_output import emit, shell_option
from daypass.cli.shared.session_options import ASSUMING, ROLE, Selection, selecting
from daypass.client.programs.child_environment import CLEARED, cleared
from daypass.client.programs.shells import find_shell, script


@click.command()
@selecting("role", ROLE, ASSUMING)
@shell_option
@click.option("--unset", is_flag=True, help="Print shell commands that unset all AWS credentials.")
def command(selection: Selection, *, shell: str, unset: bool) -> None:
    """Print shell commands that set the credentials of a profile or a role.

    Run eval "$(daypass env --profile P)" to set them in your shell.
    """
    if unset:
        kind = find_shell(os.environ, windows=os.name == "nt") if shell == "auto" else shell
        click.echo(script(kind, {}, dict.fromkeys((*CLEARED, *cleared(os.environ, {})))))
        return
    emit(selection.get_credentials(), selection, "env", shell)
