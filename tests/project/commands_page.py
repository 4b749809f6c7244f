"""Write docs/commands.md: every command with its usage, its options and its help, and the exit codes.

Owns the page's form and the words of the exit codes. Everything else comes from the commands themselves.
`.venv/bin/python -m tests.project.commands_page` writes the page.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from tests.project.command_tree import commands

from daypass.cli.main import FOR_OPERATORS, FOR_PEOPLE
from daypass.cli.shared.exit_codes import Exit

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"

_HEAD = """\
# Commands

This page has the help of every command, as `daypass COMMAND --help` prints it. It is generated from the commands:
`.venv/bin/python -m tests.project.generated_pages`. [Credentials at the terminal](command-line.md) explains the commands for people
with examples. Each command also has `-h` and `--help`.
"""

# What each exit code means, for people and in scripts.
EXIT_CODES: Mapping[Exit, str] = {
    Exit.OK: "success",
    Exit.UNEXPECTED: "unexpected error; `DAYPASS_DEBUG=1` shows its traceback",
    Exit.USAGE: "invalid command line",
    Exit.SIGN_IN_NEEDED: "sign-in needed",
    Exit.REFUSED: "refused by STS or by a rule",
    Exit.EXPIRED: "expired or invalid token, assertion, code, session or message",
    Exit.CONFIGURATION: "an unusable setting, profile, master key or store; the message contains the remedy",
    Exit.NETWORK: "network error",
    Exit.BROWSER: "the browser sign-in timed out or was declined",
    Exit.LOCKED: "a file is locked, or access to it is denied",
    Exit.INTERRUPTED: "interrupted",
}


def page() -> str:
    """Return the content of docs/commands.md."""
    return "\n".join((_HEAD, *_exit_codes(), "", *_commands("Commands for people", FOR_PEOPLE), *_operators()))


def _operators() -> Iterator[str]:
    yield from _commands("Commands for operators of a server", FOR_OPERATORS)


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes\n\n| exit code | meaning |\n| --- | --- |"
    yield from (f"| {code.value} | {meaning} |" for code, meaning in EXIT_CODES.items())
    yield "\n`daypass exec` and `daypass scope` end with the exit code of the command that they run, or with 125 if daypass failed,"
    yield "126 if the command cannot be run, or 127 if it does not exist."


def _commands(title: str, table: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    every = commands()
    yield f"## {title}\n\n| command | summary |\n| --- | --- |"
    yield from (f"| [`daypass {name}`](#daypass-{name}) | {table[name][1]} |" for name in sorted(table))
    yield ""
    for name in sorted(every):
        if name != "daypass" and name.split()[1] in table:
            yield from _command(name, every[name])


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    yield f"### {name}\n"
    yield from _help(command)
    yield f"```text\n{' '.join((name, *command.collect_usage_pieces(context)))}\n```\n"
    records = [each.get_help_record(context) for each in command.params]
    rows = [record for record in records if record is not None and record[1]]
    if rows:
        yield "| option | effect |\n| --- | --- |"
        yield from (f"| `{_cell(names)}` | {_prose(_cell(effect))} |" for names, effect in rows)
        yield ""


def _help(command: click.Command) -> Iterator[str]:
    for text in (command.help, command.epilog):
        for paragraph in inspect.cleandoc(text or "").partition("\f")[0].split("\n\n"):
            if paragraph.startswith("\b\n"):
                yield f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```\n"
            elif paragraph:
                yield f"{_prose(paragraph)}\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return help as Markdown: characters that Markdown reads as its own are escaped outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(each if each.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", each) for each in parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
