"""Show the first root key once: on a terminal as a profile, otherwise in a file that only its owner can read.

The key is never written to a log, nor to standard error if that is not a terminal.
"""

import os
import sys
from pathlib import Path

import click

from daypass.bootstrap import RootKey
from daypass.cli.exit_codes import CommandError, Exit
from daypass.cli.profile_block import FIRST, profile_block
from daypass.config import Config
from daypass.storage.address import SqliteAddress, parse_address


def show_first_key(key: RootKey, config: Config) -> None:
    """Print the key, or write it to a new file of mode 0600 and print the file's name."""
    block = profile_block(key, config.url, name=FIRST)
    if sys.stderr.isatty():
        click.echo(
            f"First start: account {key.account} was created. Its root access key is shown only once:\n", err=True
        )
        click.echo(block + "\n", err=True)
        return
    path = _folder(config) / f"daypass-root-{key.account}.ini"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CommandError(f"Cannot write the root key to {path}: {error.strerror}.", Exit.LOCKED) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(block + "\n")
    click.echo(f"daypass: first start; account {key.account}; its root access key is in {path}", err=True)


def _folder(config: Config) -> Path:
    address = parse_address(config.store_url)
    return address.path.absolute().parent if isinstance(address, SqliteAddress) else Path.cwd()
