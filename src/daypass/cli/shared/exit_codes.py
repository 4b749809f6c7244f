"""The exit codes of `daypass`, and the exception that carries one.

Scripts depend on the numbers, so they do not change.
"""

from enum import IntEnum
from typing import IO, Any

import click


class Exit(IntEnum):
    """The exit code of a command."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    SIGN_IN_NEEDED = 3
    REFUSED = 4
    EXPIRED = 5
    CONFIGURATION = 6
    NETWORK = 7
    BROWSER = 8
    LOCKED = 9
    INTERRUPTED = 130


class CommandError(click.ClickException):
    """Ends a command with one sentence for the user and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc] # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence to standard error."""
        click.echo(f"daypass: {self.format_message()}", file=file, err=file is None)


def show_usage_error(error: click.UsageError) -> None:
    """Print a usage error; without arguments, the help instead."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    words = error.format_message()
    ended = words if words.endswith((".", "?", "!")) else f"{words}."
    path = error.ctx.command_path if error.ctx is not None else "daypass"
    click.echo(f"daypass: {ended} Run `{path} --help` for help.", err=True)
