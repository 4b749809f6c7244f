"""Start the S3 gateway.

Owns the checks before the start and the messages at the start. wiring_gateway.py builds the gateway, and
gateway/server.py runs it. Messages go to standard error, and name no secret.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.logs import set_up_logs
from daypass.cli.shared.store_options import (
    read_config,
    read_keys,
    require_store,
    starting,
    stopping,
)
from daypass.config import Config, ConfigurationError
from daypass.gateway.buckets.buckets import BucketMap
from daypass.gateway.server import GatewayListeners, GatewayWorker, TlsFiles, serve_gateway, server_context
from daypass.gateway.settings import GatewaySettings, Listen, check, check_files, load_settings
from daypass.gateway.stores.check import WRONG_PROFILE
from daypass.gateway.stores.profiles import UNKNOWN
from daypass.http.listening import inherited_listeners, open_listener
from daypass.http.workers import ListenError, WorkerStartError
from daypass.storage.address import parse_address
from daypass.storage.master_key import MasterKeySource
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.wiring_gateway import (
    Backends,
    ask_directory,
    build_gateway,
    check_stores,
    connect_server,
    gateway_audit_target,
    map_buckets,
    map_buckets_elsewhere,
    open_backends,
    open_directory,
    server_warning,
)
from daypass.wiring_store import open_everything
from daypass.wiring_traces import check_configured_traces


def start(flags: dict[str, Any], store: str | None, config_file: Path | None) -> int:
    """Run a gateway until a signal stops it, and return the exit code.

    Stops with exit code 6 if it cannot start.
    """
    config = read_config({"store": store}, config_file)
    try:
        settings = read_settings(flags, config, config_file)
        set_up_logs(config.log_level, config.log_format)
        return _run(settings, config)
    except (ListenError, ConfigurationError, WorkerStartError) as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error


def read_settings(flags: dict[str, Any], config: Config, config_file: Path | None) -> GatewaySettings:
    """Return the settings of the gateway. Raises ConfigurationError."""
    given = {name: None if value is None else str(value) for name, value in flags.items() if name != "domains"}
    given["domains"] = ",".join(flags.get("domains") or ()) or None
    toml = None if config_file is None else config_file.read_text(encoding="utf-8")
    settings = load_settings(given, os.environ, toml)
    check(settings, config)
    return settings


def _run(settings: GatewaySettings, config: Config) -> int:
    inherited = inherited_listeners(("s3", "admin", "verify"), os.environ)
    settings = _listening_at(settings, inherited)
    check(settings, config)
    check_files(settings)
    check_configured_traces(config)
    backends = open_backends(settings)
    keys = read_keys(os.environ)
    if not settings.server:
        require_store(config.store_url)
    # Listen first: a gateway that cannot start must not say that it did.
    listeners = _open_listeners(settings, config, inherited)
    bucket_map = _map_buckets(settings, config, keys, backends)
    tls = TlsFiles(settings.tls_cert, settings.tls_key) if settings.tls_cert else None
    if tls is not None:
        server_context(tls)
    warning = server_warning(settings, connect_server(settings)) if settings.server else ""
    if settings.self_check:
        _check_stores(backends)
    s3, admin = _address(listeners.s3), _address(listeners.admin)
    for line in start_messages(settings, config, backends, bucket_map, s3, admin):
        click.echo(f"daypass: {line}", err=True)
    if listeners.verify is not None:
        click.echo(f"daypass: proxies ask http://{_address(listeners.verify)}/verify", err=True)
    if warning:
        click.echo(f"daypass: {warning}", err=True)

    def build() -> GatewayWorker:
        with starting():
            if settings.server:
                directory = ask_directory(connect_server(settings), config, bucket_map)
            else:
                directory = open_directory(config, open_everything(config, keys), bucket_map)
            return build_gateway(settings, config, directory, backends=backends)

    return serve_gateway(
        build,
        listeners,
        tls=tls,
        workers=settings.workers,
        drain_seconds=config.drain_seconds,
    )


def _check_stores(backends: Backends) -> None:
    """Raise ConfigurationError if a store does not behave as its profile says.

    A store that cannot be checked now is named, and does not prevent the start.
    """
    for report in check_stores(backends, is_quick=True):
        failure = report.failure
        if failure is None:
            continue
        about = f"backend {report.backend}, profile {report.profile}: {failure.message}"
        if failure.code == WRONG_PROFILE:
            raise ConfigurationError(f"{about} Run `daypass gateway check`, and choose another profile")
        remedy = "The profile was not checked: start the store, or correct its URL and its key file"
        click.echo(f"daypass: {about.rstrip('.')}. {remedy}", err=True)


def _listen(option: str, address: Listen, config: Config) -> socket.socket:
    remedy = f"Choose another address with {option}"
    return open_listener(address.host, address.port, remedy=remedy, reuse_port=config.reuse_port)


def _open_listeners(
    settings: GatewaySettings, config: Config, inherited: Mapping[str, socket.socket]
) -> GatewayListeners:
    verify = inherited.get("verify")
    if verify is None and settings.verify_listen is not None:
        verify = _listen("--verify-listen", settings.verify_listen, config)
    return GatewayListeners(
        inherited.get("s3") or _listen("--listen", settings.listen, config),
        inherited.get("admin") or _listen("--admin-listen", settings.admin_listen, config),
        verify,
    )


def _listening_at(settings: GatewaySettings, inherited: Mapping[str, socket.socket]) -> GatewaySettings:
    """Return the settings with the addresses of a service manager's sockets."""
    given = {name: Listen(*each.getsockname()[:2]) for name, each in inherited.items()}
    return replace(
        settings,
        listen=given.get("s3", settings.listen),
        admin_listen=given.get("admin", settings.admin_listen),
        verify_listen=given.get("verify", settings.verify_listen),
    )


def _map_buckets(settings: GatewaySettings, config: Config, keys: MasterKeySource, backends: Backends) -> BucketMap:
    if settings.server:
        return map_buckets_elsewhere(settings, backends)
    with stopping():
        there = open_everything(config, keys)
        try:
            with there.store.read() as reader:
                return map_buckets(settings, backends, reader)
        finally:
            there.store.close()


def start_messages(
    settings: GatewaySettings, config: Config, backends: Backends, bucket_map: BucketMap, listen: str, admin: str
) -> Iterable[str]:
    """Yield what an operator has to know about a gateway that starts."""
    url = f"{'https' if settings.tls_cert else 'http'}://{listen}"
    yield f"the S3 endpoint is {url}; /healthz, /readyz and /metrics are at http://{admin}"
    if settings.server:
        yield f"accounts and policies are at {settings.server}, asked as resource server {settings.resource_server}"
    else:
        yield f"accounts and policies are in {_shown_store(config)}"
    yield f"the audit log is {gateway_audit_target(settings, config)}"
    for setting in settings.backends:
        profile = backends.by_name[setting.name].profile
        yield f"backend {setting.name}: {setting.url}, profile {profile.name}"
        if profile is UNKNOWN:
            yield (
                "without --profile, keys that a store may fold are refused, and only operations that every store has "
                "are forwarded"
            )
    yield from _ownership(settings, bucket_map)
    yield f"try it: aws --endpoint-url {url} s3 ls"


def _ownership(settings: GatewaySettings, bucket_map: BucketMap) -> Iterable[str]:
    for mapping in bucket_map.mappings:
        yield f"buckets {mapping.match} belong to account {mapping.account}, at backend {mapping.backend}"
    adopting = bucket_map.adopting_account
    if settings.account:
        yield f"every bucket that nothing maps belongs to account {adopting}"
    elif adopting:
        yield f"every bucket that nothing maps belongs to account {adopting}, the only account of the store"
    else:
        reason = "the accounts are at the server" if settings.server else "the store has several accounts"
        yield (
            f"a bucket that nothing maps is refused, because {reason}: use --account, [[gateway.bucket]] or "
            "`daypass bucket set`"
        )


def _shown_store(config: Config) -> str:
    address = parse_address(config.store_url)
    # The URL of a database may contain a password.
    return f"PostgreSQL {address.identity}" if isinstance(address, PostgresqlAddress) else config.store_url


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
