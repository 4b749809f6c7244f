"""`daypass completion SHELL`: the script that completes commands."""

import click
from click.shell_completion import get_completion_class

from daypass.client.problems import BadUsageError


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL: bash, zsh or fish.

    For bash, add eval "$(daypass completion bash)" to ~/.bashrc.
    """
    from daypass.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:
        raise BadUsageError(f"Completion for {shell} is not supported.")
    click.echo(kind(cli, {}, "daypass", "_DAYPASS_COMPLETE").source())
