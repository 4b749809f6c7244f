"""Walk the command line's own tree of commands, without running them.

Owns the walk, and the choice of the strings that a person reads in a command's help. Leaves every check to its callers.
"""

import inspect
from collections.abc import Iterator

import click

from daypass.cli.main import COMMANDS, cli


def commands() -> dict[str, click.Command]:
    """Return every command and sub-command by full name, such as `daypass saml inspect`."""
    context = click.Context(cli, info_name="daypass")
    return {"daypass": cli, **dict(_below(cli, context))}


def _below(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path.removesuffix(" "), command
        if isinstance(command, click.Group):
            yield from _below(command, inner)


def help_texts(name: str, command: click.Command) -> Iterator[str]:
    """Yield each part of a command's help: its summary, description, options and epilogue."""
    words = name.split()
    if len(words) == 2:  # `daypass COMMAND`
        yield COMMANDS[words[1]][1]
    for text in (command.short_help, command.help, command.epilog, command.deprecated):
        if isinstance(text, str):
            yield inspect.cleandoc(text).partition("\f")[0].replace("\b\n", "")
    context = click.Context(command, info_name=name)
    for parameter in command.get_params(context):
        if (record := parameter.get_help_record(context)) is not None:
            yield record[1]
