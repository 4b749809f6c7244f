"""`daypass env`: print credentials as shell commands."""

import os
import sys
from typing import Any

import click

from daypass.cli.shared.credentials_output import emit, shell_option
from daypass.cli.shared.selection import Selection
from daypass.cli.shared.session_options import ASSUMING, ROLE, selecting
from daypass.client.programs.child_environment import CLEARED, cleared
from daypass.client.programs.shells import find_shell, script


class _Env(click.Command):
    """A command that needs no valid profile for --unset."""

    def invoke(self, ctx: click.Context) -> Any:
        """Print the commands of --unset, or run the command."""
        if not ctx.params.pop("unset"):
            return super().invoke(ctx)
        shell = ctx.params["shell"]
        kind = find_shell(os.environ, windows=sys.platform == "win32") if shell == "auto" else shell
        click.echo(script(kind, {}, dict.fromkeys((*CLEARED, *cleared(os.environ, {})))))
        return None


@click.command(cls=_Env)
@selecting("role", ROLE, ASSUMING)
@shell_option
@click.option("--unset", is_flag=True, help="Print shell commands that unset all AWS credentials.")
def command(selection: Selection, *, shell: str) -> None:
    """Print shell commands that set the credentials of a profile or a role.

    Run eval "$(daypass env --profile P)" to set them in your shell.
    """
    emit(selection.get_credentials(), selection, "env", shell)
