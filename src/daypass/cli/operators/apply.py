"""`daypass apply FILE`: change the store to match a configuration file.

Owns the options and the output. apply/file/schema.py owns the file format, and apply/apply.py makes the changes.

A file may name other files in its directory or below, except one from standard input.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.shared.apply_context import audited, explaining, read_file, tools_for
from daypass.cli.shared.batch_report import print_root_keys, telling_of_batches
from daypass.cli.shared.progress import shown_progress
from daypass.cli.shared.secret_source import SecretSource
from daypass.cli.shared.store_options import opened, operator_options, print_json, read_config

if TYPE_CHECKING:
    from daypass.apply.apply import ApplyResult
    from daypass.config import Config


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the changes without making them.")
@click.option(
    "--prune",
    is_flag=True,
    help="Also delete entities that the file does not list, in the accounts and sections that the file contains.",
)
@click.option(
    "--secrets-dir",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A directory with one file per secret; the file's name is the secret's name.",
)
@operator_options
def command(  # noqa: PLR0913 - one parameter an option
    *,
    file: Path,
    dry_run: bool,
    prune: bool,
    secrets_dir: Path | None,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Apply the configuration in FILE (YAML or JSON) to the store.

    A file with at most 1,000 changes is applied in one transaction, a larger one in batches. `-` reads standard input.
    """
    from daypass.apply.apply import Manner, apply_file
    from daypass.apply.file.desired import read_desired
    from daypass.apply.file.file_parser import MAX_BYTES, read_text

    config = read_config({"store": store}, config_file)
    content = read_file(file, MAX_BYTES)
    secrets = SecretSource(os.environ, secrets_dir)
    with explaining(file):
        desired = read_desired(read_text(content), secrets, FilesBeside(file))
        with opened(store, config_file, makes=True) as there, audited(config) as sink:
            tools = tools_for(there, config, sink, command="apply", secrets=secrets)
            with shown_progress("Applying", "steps") as progress, telling_of_batches(config) as committed:
                tools = replace(tools, progress=progress, committed=committed)
                outcome = apply_file(desired, tools, Manner(prune=prune, is_trial=dry_run))
    _print(outcome, output, config, is_done=not dry_run)


def _print(outcome: "ApplyResult", output: str, config: "Config", *, is_done: bool) -> None:
    from daypass.apply.plan.plan_output import plain_plan, show_plan

    if output == "json":
        shown: dict[str, Any] = {"Applied": is_done, **plain_plan(outcome.plan)}
        shown["RootAccessKeys"] = [
            {"AccountId": key.account, "AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key}
            for key in outcome.root_keys
        ]
        print_json(shown)
        return
    click.echo(show_plan(outcome.plan, is_done=is_done))
    print_root_keys(outcome.root_keys, config)


class FilesBeside:
    """Reads files by their paths relative to another file."""

    def __init__(self, file: Path) -> None:
        self._directory = None if str(file) == "-" else file.parent

    def read(self, name: str, most: int) -> bytes:
        """Return at most `most` + 1 bytes of a file. Raises OSError."""
        if self._directory is None:
            raise OSError(0, "a configuration from standard input cannot refer to files; write the keys into it")
        path = self._directory / name
        # Reading a pipe or a device could block forever.
        if path.exists() and not path.is_file():
            raise OSError(0, "it is not a regular file")
        with path.open("rb") as file:
            return file.read(most + 1)
