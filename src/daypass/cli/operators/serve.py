"""`daypass serve`: run the server.

Owns the options and the first start. wiring.py builds the server, and http/server.py runs it.

The first start shows the first root key once: on a terminal as a profile, otherwise in a file that only its owner can
read. The key is never logged.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from daypass.bootstrap import AccountCreationError, NewAccountRequest, RootKey, create_account, is_empty
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.logs import is_json, log_event, set_up_logs
from daypass.cli.shared.root_key_profile import FIRST, endpoints_block, profile_block
from daypass.cli.shared.store_options import config_option, read_config, read_keys, starting, stopping, store_option
from daypass.config import LONGEST_DRAIN, Config, ConfigurationError
from daypass.http.app import App
from daypass.http.server import listen, serve
from daypass.http.workers import ListenError, WorkerStartError
from daypass.key_files import KeyFileError, read_key_file
from daypass.storage.address import SqliteAddress, parse_address
from daypass.storage.master_key import GENERATED_NAME, MasterKeySource, is_elsewhere
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.views import OpenedStore
from daypass.wiring import build_app
from daypass.wiring_audit import audit_target
from daypass.wiring_store import open_everything
from daypass.wiring_traces import check_configured_traces

_LONGEST_SETTING = 4_096  # bytes
_ROOT_SETTINGS = {
    "account": "DAYPASS_ROOT_ACCOUNT_ID",
    "access_key_id": "DAYPASS_ROOT_ACCESS_KEY_ID",
    "secret_access_key": "DAYPASS_ROOT_SECRET_ACCESS_KEY",
}


@click.command()
@click.option("--host", metavar="ADDRESS", help="The address to listen on. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port to listen on. Default: 7878.")
@store_option
@click.option("--workers", type=click.IntRange(1), help="The number of worker processes. Default: 1.")
@click.option(
    "--drain-seconds",
    type=click.IntRange(0, LONGEST_DRAIN),
    help="Seconds from SIGTERM, after which /readyz says 503, until the listener closes. Default: 5.",
)
@click.option(
    "--reuse-port",
    is_flag=True,
    default=None,
    help="Share the port with the next server process of the same user.",
)
@click.option("--tls-cert", metavar="FILE", help="The certificate chain (PEM). SIGHUP reloads it.")
@click.option("--tls-key", metavar="FILE", help="The certificate's private key (PEM).")
@click.option("--public-url", metavar="URL", help="The URL at which clients reach the server.")
@click.option("--audit-log", metavar="FILE", help="The audit log file; - writes to standard output.")
@config_option
def command(config_file: Path | None, **flags: Any) -> None:
    """Run the server, which serves STS and IAM at one URL."""
    config = read_config(flags, config_file)
    set_up_logs(config.log_level, config.log_format)
    keys = read_keys(os.environ)
    try:
        check_configured_traces(config)
        # Listen first: if the server cannot start, its root key must not be used up.
        config, listener = listen(config, os.environ)
        prepare(config, keys)
        code = serve(config, lambda: _build(config, keys), listener)
    except (ListenError, ConfigurationError, WorkerStartError) as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    sys.exit(code)


def _build(config: Config, keys: MasterKeySource) -> App:
    """Return the application of one worker. Raises WorkerStartError."""
    with starting():
        return build_app(config, open_everything(config, keys))


def prepare(config: Config, keys: MasterKeySource) -> None:
    """Open the store once, and create the first account if the store is empty."""
    with stopping():
        there = open_everything(config, keys)
        try:
            if there.is_empty:
                _make_first_account(there, config, keys)
        except AccountCreationError as error:
            raise CommandError(str(error), Exit.CONFIGURATION) from error
        finally:
            there.store.close()
    # Remove them, so that they cannot be read from the environment any more.
    for variable in _ROOT_SETTINGS.values():
        os.environ.pop(variable, None)
        os.environ.pop(variable + "_FILE", None)


def _make_first_account(there: OpenedStore, config: Config, keys: MasterKeySource) -> None:
    with there.store.write() as writer:
        if not is_empty(writer):
            return  # Another server on the same store was faster.
        wanted = _wanted()
        key = create_account(writer, wanted, now=there.clock.now(), entropy=there.entropy, vault=there.vault)
        # Inside the transaction: an account must not exist without a shown key.
        file = None if wanted.secret_access_key else show_first_key(key, config)
        if is_json(config.log_format):
            shown = {"root_access_key": "given"} if wanted.secret_access_key else {"root_access_key_file": file}
            log_event("first_start", account=key.account, **shown, **_places(config, keys))
            return
        if wanted.secret_access_key:
            click.echo(f"daypass: first start; account {key.account} was created with the given root key", err=True)
        elif file is not None:
            click.echo(f"daypass: first start; account {key.account}; its root access key is in {file}", err=True)
        for name, place in _places(config, keys).items():
            click.echo(f"daypass: {name.replace('_', ' ')}: {place}", err=True)


def _places(config: Config, keys: MasterKeySource) -> Mapping[str, str]:
    """Return where the parts of a new server are, by name."""
    address = parse_address(config.store_url)
    beside = ""
    match address:
        case SqliteAddress(path):
            store = str(path.absolute())
            beside = str(path.absolute().with_name(GENERATED_NAME))
        case PostgresqlAddress():
            store = f"the database {address.identity}"  # the URL may contain a password
        case _:
            store = "in memory"
    elsewhere = keys.text.strip() if is_elsewhere(keys.text.strip()) else ""
    given = elsewhere or ("DAYPASS_MASTER_KEY" if keys.text else keys.file)
    without_log = "in the audit sinks only" if config.sinks else "disabled"
    log = {"-": "standard output", "none": without_log}.get(audit_target(config), audit_target(config))
    return {
        "store": store,
        "master_key": given or beside or "in memory",
        "audit_log": log,
        "portal": f"{config.url}/login",
    }


def _wanted() -> NewAccountRequest:
    wanted = NewAccountRequest(**{name: _read_setting(variable) for name, variable in _ROOT_SETTINGS.items()})  # type: ignore[arg-type] # all are strings
    if bool(wanted.access_key_id) != bool(wanted.secret_access_key):
        raise AccountCreationError(
            "DAYPASS_ROOT_ACCESS_KEY_ID and DAYPASS_ROOT_SECRET_ACCESS_KEY must be set together."
        )
    return wanted


def _read_setting(variable: str) -> str:
    """Return a first-start setting from the environment or its file."""
    if os.environ.get(variable):
        return os.environ[variable]
    path = os.environ.get(variable + "_FILE")
    if not path:
        return ""
    try:
        return read_key_file(Path(path), most_bytes=_LONGEST_SETTING).decode().strip()
    except KeyFileError as error:
        raise AccountCreationError(f"{variable}_FILE: {error}") from error
    except UnicodeDecodeError as error:
        raise AccountCreationError(f"{variable}_FILE: {path} is not UTF-8 text") from error


def show_first_key(key: RootKey, config: Config) -> str | None:
    """Print the key on a terminal, or write it to a new file.

    It has mode 0600. Return its name, or None if the key was printed.
    """
    block = profile_block(key, name=FIRST)
    endpoints = endpoints_block(key, config.url, config.s3_url, name=FIRST)
    if sys.stderr.isatty():
        click.echo(
            f"First start: account {key.account} was created. Its root access key is shown only once. "
            "Add it to ~/.aws/credentials:\n",
            err=True,
        )
        click.echo(block + "\n", err=True)
        click.echo("Add the endpoints of the services to ~/.aws/config:\n", err=True)
        click.echo(endpoints + "\n", err=True)
        return None
    path = _folder(config) / f"daypass-root-{key.account}.ini"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise CommandError(f"Cannot write the root key to {path}: {error.strerror}.", Exit.LOCKED) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"# For ~/.aws/credentials\n{block}\n\n# For ~/.aws/config\n{endpoints}\n")
    return str(path)


def _folder(config: Config) -> Path:
    address = parse_address(config.store_url)
    return address.path.absolute().parent if isinstance(address, SqliteAddress) else Path.cwd()
