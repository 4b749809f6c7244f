"""`daypass dev`: try the server with a demonstration identity provider.

Owns the options, the temporary store, and the warning. daypass.dev owns the people and their identity provider.

- Both listen on loopback only, because every visitor can sign in as every person.
- Settings in the environment are not read: a demonstration must not use the store or the providers of a real server.
- A store that exists already is refused, because the demonstration would add accounts with weak sign-in to it.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import read_keys, stopping

if TYPE_CHECKING:
    from daypass.bootstrap import RootKey
    from daypass.config import Config
    from daypass.dev.identity_provider import DemoIdentityProvider
    from daypass.storage.master_key import MasterKeySource
    from daypass.storage.views import OpenedStore

_MARK = "Demonstration, not for production"


@click.command()
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="The loopback address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=7878, help="The port of the server.")
@click.option("--provider-port", type=click.IntRange(0, 65535), default=7879, help="The port of the identity provider.")
@click.option("--store", metavar="URL", help="A new store to keep. Default: a temporary one, deleted at the end.")
def command(host: str, port: int, provider_port: int, store: str | None) -> None:
    """Run a demonstration: a server with people who can sign in.

    Not for production: every visitor can sign in as every person.
    """
    from daypass.cli.shared.logs import set_up_logs
    from daypass.config import Config, is_loopback
    from daypass.http.server import listen, serve
    from daypass.http.workers import ListenError
    from daypass.wiring import build_app
    from daypass.wiring_store import open_everything

    if not is_loopback(host):
        raise CommandError(
            f"--host {host} is not a loopback address. Every visitor of the demonstration can sign in as every person, "
            "so only this machine may reach it. Use `daypass serve` for a real server.",
            Exit.CONFIGURATION,
        )
    set_up_logs("warning")
    with ExitStack() as stack:
        url, keys = _place(stack, store)
        try:
            listener = listen(Config(host=host, port=port))
            config = Config(
                host=host, port=listener.getsockname()[1], store=url, organization_name=_MARK, log_level="warning"
            )
            provider = stack.enter_context(_provider(host, provider_port, config))
            with stopping():
                _fill(config, keys, provider)
            code = serve(config, lambda: build_app(config, open_everything(config, keys)), listener)
        except ListenError as error:
            raise CommandError(str(error), Exit.CONFIGURATION) from error
    sys.exit(code)


def _place(stack: ExitStack, store: str | None) -> "tuple[str, MasterKeySource]":
    """Return the store and its master key: temporary, or the given new one."""
    from daypass.storage.address import SqliteAddress, parse_address
    from daypass.storage.master_key import MasterKeySource

    if store is None:
        folder = Path(tempfile.mkdtemp(prefix="daypass-dev-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return f"sqlite:///{folder / 'daypass.db'}", MasterKeySource()
    with stopping():
        address = parse_address(store)
    if isinstance(address, SqliteAddress) and address.path.exists():
        raise _exists(store)
    return store, read_keys(os.environ)


@contextmanager
def _provider(host: str, port: int, config: "Config") -> "Iterator[DemoIdentityProvider]":
    from daypass.dev.identity_provider import running_identity_provider
    from daypass.http.workers import ListenError

    try:
        running = running_identity_provider(host, port, f"{config.url}/saml")
        provider = running.__enter__()
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}. Set --provider-port.") from error
    try:
        yield provider
    finally:
        running.__exit__(None, None, None)


def _fill(config: "Config", keys: "MasterKeySource", provider: "DemoIdentityProvider") -> None:
    """Create the accounts, roles and the provider in an empty store."""
    from daypass.bootstrap import NewAccountRequest, create_account, is_empty
    from daypass.dev.demo_people import ACCOUNTS, FIRST_ACCOUNT
    from daypass.wiring_store import open_everything

    there = open_everything(config, keys)
    try:
        with there.store.write() as writer:
            if not is_empty(writer):
                raise _exists(config.store)
            tools = {"now": there.clock.now(), "entropy": there.entropy, "vault": there.vault}
            roots = {
                account: create_account(writer, NewAccountRequest(account=account, name=name), **tools)  # type: ignore[arg-type] # as named
                for account, name in ACCOUNTS.items()
            }
        _apply(config, there, provider)
    finally:
        there.store.close()
    _say(config, provider, roots[FIRST_ACCOUNT])


def _apply(config: "Config", there: "OpenedStore", provider: "DemoIdentityProvider") -> None:
    from daypass.apply.apply import Manner, apply_file
    from daypass.apply.file.desired import read_desired
    from daypass.apply.file.file_parser import read_text
    from daypass.cli.shared.apply_context import audited, tools_for
    from daypass.cli.shared.secret_source import SecretSource
    from daypass.dev.demo_people import apply_document

    secrets = SecretSource({})
    document = json.dumps(apply_document(provider.metadata, provider.consumer)).encode()
    with audited(config) as sink:
        tools = tools_for(there, config, sink, command="dev", secrets=secrets)
        apply_file(read_desired(read_text(document), secrets, _NoFiles()), tools, Manner(prune=False, is_trial=False))


class _NoFiles:
    """The document of the demonstration does not refer to files."""

    def read(self, name: str, most: int) -> bytes:
        raise FileNotFoundError(name, most)


def _exists(store: str) -> CommandError:
    from daypass.storage.address import SqliteAddress, parse_address

    address = parse_address(store)
    place = address.path if isinstance(address, SqliteAddress) else "of --store"
    return CommandError(
        f"The store {place} exists already. The demonstration needs a new store: omit --store for a temporary one.",
        Exit.CONFIGURATION,
    )


def _say(config: "Config", provider: "DemoIdentityProvider", root: "RootKey") -> None:
    from daypass.cli.shared.root_key_profile import profile_block
    from daypass.dev.identity_provider import WARNING

    click.secho(f"{_MARK.upper()}. {WARNING.partition(': ')[2].capitalize()}", bold=True)
    click.echo(f"\nSign in at {config.url}/login. The identity provider is {provider.url}.\n")
    click.echo("With AWS CLI 2.32 or later, in another terminal:\n")
    click.echo(f"export AWS_ENDPOINT_URL={config.url} AWS_REGION=us-east-1\naws login\n")
    click.echo("The root key of the first account, for ~/.aws/credentials:\n")
    click.echo(profile_block(root, config.url, name="daypass-dev") + "\n")
    click.echo(f"The store is {config.store}. Press Ctrl+C to stop.")
    sys.stdout.flush()
