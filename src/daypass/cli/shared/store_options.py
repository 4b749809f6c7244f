"""Shared code of the operators' commands.

Owns the options, the search for store and master key, the exit codes of store errors, and printing. Only this file and
serve.py read the environment. The server's modules are imported when the store is opened, so that `--help` responds at
once.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daypass.cli.shared.exit_codes import CommandError, Exit

if TYPE_CHECKING:
    from daypass.config import Config
    from daypass.storage.master_key import MasterKeySource
    from daypass.storage.views import OpenedStore

F = TypeVar("F", bound=Callable[..., Any])

store_option = click.option(
    "--store", metavar="URL", help="The store: sqlite:///PATH or postgresql://USER:PASS@HOST/DB."
)
config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file with settings, such as daypass.toml.",
)
output_option = click.option("--output", type=click.Choice(["text", "json"]), default="text", help="The output format.")


def operator_options(function: F) -> F:
    """Add --store, --config and --output."""
    return store_option(config_option(output_option(function)))


def read_config(flags: Mapping[str, Any], config_file: Path | None) -> "Config":
    """Return the effective settings.

    Stops with exit code 6 if they are not valid.
    """
    from daypass.config import ConfigurationError, load_config

    try:
        toml = None if config_file is None else config_file.read_text(encoding="utf-8")
        return load_config(flags, os.environ, toml)
    except (ConfigurationError, OSError, UnicodeDecodeError) as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error


def read_keys(environment: Mapping[str, str]) -> "MasterKeySource":
    """Return the sources of the master key."""
    from daypass.storage.master_key import MasterKeySource

    return MasterKeySource(
        text=environment.get("DAYPASS_MASTER_KEY", ""),
        file=environment.get("DAYPASS_MASTER_KEY_FILE", ""),
        vault_token=environment.get("VAULT_TOKEN", ""),
        pin=environment.get("DAYPASS_PKCS11_PIN", ""),
    )


@contextmanager
def opened(store: str | None, config_file: Path | None = None, *, makes: bool = False) -> "Iterator[OpenedStore]":
    """Open the store for one command.

    Stops with exit code 6 if it cannot be opened. `makes` creates a missing store.
    """
    from daypass.cli.shared.logs import log_to_standard_error
    from daypass.wiring_store import open_everything

    log_to_standard_error()
    config = read_config({"store": store}, config_file)
    with stopping():
        if not makes:
            require_store(config.store_url)
        opened_store = open_everything(config, read_keys(os.environ))
        try:
            yield opened_store
        finally:
            opened_store.store.close()


def require_store(url: str) -> None:
    """Stop if the SQLite file is missing.

    A wrong path must not look like an empty store.
    """
    from daypass.storage.address import SqliteAddress, parse_address

    address = parse_address(url)
    if isinstance(address, SqliteAddress) and not address.path.exists():
        raise CommandError(
            f"The store {address.path} does not exist. Start `daypass serve` first, which creates it, or set "
            "its location with --store or DAYPASS_STORE.",
            Exit.CONFIGURATION,
        )


@contextmanager
def stopping() -> Iterator[None]:
    """Translate store errors into a message and exit code 6."""
    from daypass.directory.store import StoreUnavailableError
    from daypass.storage.refusals import StoreOpenError

    try:
        yield
    except StoreOpenError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    except StoreUnavailableError as error:
        raise CommandError(f"The store is not available: {error.detail}", Exit.CONFIGURATION) from error


@contextmanager
def starting() -> Iterator[None]:
    """Translate errors of a store or a setting into WorkerStartError."""
    from daypass.config import ConfigurationError
    from daypass.directory.store import StoreUnavailableError
    from daypass.http.workers import WorkerStartError
    from daypass.storage.refusals import StoreOpenError

    try:
        yield
    except StoreUnavailableError as error:
        raise WorkerStartError(f"The store is not available: {error.detail}") from error
    except (StoreOpenError, ConfigurationError) as error:
        raise WorkerStartError(str(error)) from error


def print_list(name: str, rows: Sequence[Any], output: str, *, line: Callable[[Any], str], none: str) -> None:
    """Print rows as one JSON document under `name`, or one per line.

    `none` is the message to print to standard error if the list is empty: without a message, the empty output could
    look like a failure.
    """
    if output == "json":
        print_json({name: rows})
        return
    for row in rows:
        click.echo(line(row))
    if not rows:
        click.echo(f"daypass: {none}", err=True)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
