"""Run daypass in the process of the tests, which costs less than another one."""

import os

import click
from click.testing import CliRunner
from tests.client.machine import Done, Machine

from daypass.cli.main import main


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def _run(*, words: tuple[str, ...]) -> None:
    main(words)


def here(machine: Machine, *words: str, **environment: str) -> Done:
    """Run daypass, and return its result."""
    ours = {name: None for name in os.environ if name.startswith(("AWS_", "DAYPASS_", "XDG_"))}
    done = CliRunner().invoke(_run, words, env={**ours, **machine.environment, **environment})
    return Done(done.exit_code, done.stdout, done.stderr)
