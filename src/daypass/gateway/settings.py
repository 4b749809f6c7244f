"""The settings of a gateway, and their types.

Owns the table `[gateway]` with `[[gateway.backend]]` and `[[gateway.bucket]]`, the environment variables
`DAYPASS_GATEWAY_<NAME>`, and the checks of both. Flags beat the environment, which beats the file, which beats the
defaults. Settings that a gateway shares with the server, such as the store and the trusted proxies, are in config.py.
Leaves `[[verify.route]]` to verify/services/routes.py, and reading files and variables to the command line.
"""

import json
import re
import ssl
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from daypass.arn import is_account_id
from daypass.config import Config, ConfigurationError, is_loopback, refuse_misspelled
from daypass.gateway.buckets.buckets import BucketMapping
from daypass.gateway.stores.profiles import PROFILES, StoreProfile, find_profile
from daypass.key_files import KeyFileError, read_key_file
from daypass.verify.s3.resign import BackendKey
from daypass.verify.services.routes import Route, RouteTable

DEFAULT_BACKEND = "default"
"""The name of the backend that `--backend` gives."""

_LONGEST_KEY_FILE = 8_192
_LONGEST_TLS_KEY = 65_536
_LAST_PORT = 65_535
_KEY_FILE = '{"AccessKeyId": "…", "SecretAccessKey": "…"}'
_PORTS = {"http": 80, "https": 443}
NOT_ROUTED = frozenset({"s3", "sts", "iam", "daypass"})
"""Services that a route cannot have: the gateway judges S3 itself, and the others are Daypass's own."""
_SERVICE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class BackendSetting:
    """One store: `[[gateway.backend]]`, or `--backend` with its options."""

    name: str
    url: str
    key_file: str
    profile: str = ""
    region: str = "us-east-1"
    ca_bundle: str = ""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """All settings of a gateway.

    `audit_reads` is the share of successful reads that get an audit event, from 0 to 1. `account` adopts the buckets
    that nothing maps. `routes` are those of `[[verify.route]]`, each with its service. `resource_server` is the name
    under which the gateway is registered at `server`, and `server_ca_bundle` has the CAs of its certificate.
    """

    listen: Listen = Listen("127.0.0.1", 7880)
    admin_listen: Listen = Listen("127.0.0.1", 7881)
    verify_listen: Listen | None = None
    backends: tuple[BackendSetting, ...] = ()
    buckets: tuple[BucketMapping, ...] = ()
    domains: tuple[str, ...] = ()
    account: str = ""
    workers: int = 1
    tls_cert: str = ""
    tls_key: str = ""
    server: str = ""
    server_ca_bundle: str = ""
    resource_server: str = "gateway"
    identity_profile: str = ""
    audit_log: str = ""
    audit_reads: float = 1.0
    self_check: bool = True
    routes: tuple[tuple[str, Route], ...] = ()


# Values from flags, the environment and the file ---------------------------------------------------------------


def _listen(text: str) -> Listen:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > _LAST_PORT:
        raise ValueError("it must be HOST:PORT, such as 127.0.0.1:7880")
    return Listen(host.removeprefix("[").removesuffix("]"), int(port))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("it must be a whole number")
    return int(text)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError("it must be between 0 and 1")
    return share


def _truth(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("it must be true or false")
    return text.lower() == "true"


def _account(text: str) -> str:
    if not is_account_id(text):
        raise ValueError("an account id has 12 digits")
    return text


def _domains(text: str) -> tuple[str, ...]:
    names = tuple(word.strip().lower().strip(".") for word in text.split(",") if word.strip(" ."))
    if any(":" in name or "/" in name for name in names):
        raise ValueError("a domain has no scheme and no port, such as s3.example.com")
    if not all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*", name) for name in names):
        raise ValueError("it must be a host name such as s3.example.com")
    return names


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "listen": _listen,
    "admin_listen": _listen,
    "verify_listen": _listen,
    "domains": _domains,
    "account": _account,
    "workers": _whole,
    "tls_cert": str,
    "tls_key": str,
    "server": str,
    "server_ca_bundle": str,
    "resource_server": str,
    "identity_profile": str,
    "audit_log": str,
    "audit_reads": _share,
    "self_check": _truth,
}
# One backend without a file: --backend, --backend-key-file and --profile.
_ONE_BACKEND = {"backend": "url", "backend_key_file": "key_file", "profile": "profile"}
_VARIABLES = {"domains": "DAYPASS_GATEWAY_DOMAIN"}


def load_settings(flags: Mapping[str, Any], environment: Mapping[str, str], toml: str | None) -> GatewaySettings:
    """Return the effective settings of a gateway, before `check`.

    `flags` contains the command line's values as strings by the name of the setting; None means not given. Raises
    ConfigurationError.
    """
    names = (*_PARSERS, *_ONE_BACKEND)
    own = {name: value for name, value in environment.items() if name.startswith("DAYPASS_GATEWAY_")}
    known = {_VARIABLES.get(name, f"DAYPASS_GATEWAY_{name.upper()}") for name in names}
    refuse_misspelled(own, known | {"DAYPASS_GATEWAY_STALE_SECONDS"})
    file = {} if toml is None else tomllib.loads(toml)  # config.py has parsed it before
    table = file.get("gateway", {})
    values = _from_table(table)
    one = {}
    for name in names:
        variable = _VARIABLES.get(name, f"DAYPASS_GATEWAY_{name.upper()}")
        for where, text in ((variable, environment.get(variable)), (_flag(name), flags.get(name))):
            if text is None:
                continue
            if name in _ONE_BACKEND:
                one[_ONE_BACKEND[name]] = text
            else:
                values[name] = _parsed(where, _PARSERS[name], text)
    if one:
        values["backends"] = (_one_backend(one), *values.get("backends", ()))
    values["routes"] = tuple(_route(one) for one in _tables(file.get("verify", {}), "verify", "route"))
    return GatewaySettings(**values)


def _flag(name: str) -> str:
    return "--domain" if name == "domains" else f"--{name.replace('_', '-')}"


def _from_table(table: Any) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigurationError("gateway in the configuration file must be a table: [gateway]")
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name == "backend":
            values["backends"] = tuple(_record(BackendSetting, one) for one in _tables(table, "gateway", "backend"))
        elif name == "bucket":
            values["buckets"] = tuple(_mapping(one) for one in _tables(table, "gateway", "bucket"))
        elif name in _PARSERS:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            values[name] = _parsed(f"gateway.{name} in the configuration file", _PARSERS[name], text)
        else:
            raise ConfigurationError(f"The configuration file contains an unknown setting: gateway.{name}")
    return values


def _tables(table: Any, outer: str, name: str) -> tuple[Mapping[str, Any], ...]:
    found = table.get(name, []) if isinstance(table, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ConfigurationError(f"{outer}.{name} in the configuration file must be tables: [[{outer}.{name}]]")
    return tuple(found)


def _record(kind: type[BackendSetting], table: Mapping[str, Any]) -> BackendSetting:
    names = [each.name for each in fields(kind)]
    _require_strings("gateway.backend", table, names, required=("name", "url", "key_file"))
    return kind(**table)


def _mapping(table: Mapping[str, Any]) -> BucketMapping:
    _require_strings("gateway.bucket", table, ("match", "account", "backend"), required=("match", "account"))
    _parsed("gateway.bucket.account in the configuration file", _account, table["account"])
    return BucketMapping(table["match"], table["account"], table.get("backend", ""))


_ROUTE = ("host", "path", "method", "service", "action", "resource")


def _route(table: Mapping[str, Any]) -> tuple[str, Route]:
    _require_strings("verify.route", table, _ROUTE, required=("path", "method", "service", "action", "resource"))
    service = table["service"]
    if service in NOT_ROUTED or not _SERVICE.fullmatch(service):
        raise ConfigurationError(f"[[verify.route]]: {service!r} cannot be the service of a route")
    if not table["action"].startswith(f"{service}:"):
        raise ConfigurationError(f"[[verify.route]]: the action {table['action']} is not one of the service {service}")
    return service, Route(table["method"], table["path"], table["action"], table["resource"], table.get("host", ""))


def routes_by_service(routes: Sequence[tuple[str, Route]]) -> Mapping[str, Sequence[Route]]:
    """Return the routes of each service."""
    found: dict[str, list[Route]] = {}
    for service, route in routes:
        found.setdefault(service, []).append(route)
    return found


def _require_strings(where: str, table: Mapping[str, Any], names: Sequence[str], *, required: Sequence[str]) -> None:
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise ConfigurationError(f"[[{where}]] has an unknown key: {unknown[0]}. It accepts {', '.join(names)}")
    for name in required:
        if not table.get(name):
            raise ConfigurationError(f"[[{where}]] needs {name}")
    for name, value in table.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"[[{where}]]: {name} must be a string")


def _one_backend(given: Mapping[str, str]) -> BackendSetting:
    if "url" not in given:
        raise ConfigurationError("--backend-key-file and --profile need --backend")
    if "key_file" not in given:
        raise ConfigurationError(
            "--backend needs --backend-key-file: a JSON file with the store's AccessKeyId and SecretAccessKey"
        )
    return BackendSetting(DEFAULT_BACKEND, given["url"], given["key_file"], given.get("profile", ""))


def _parsed(where: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{where} cannot be {text!r}: {error}") from error


# Checks ---------------------------------------------------------------------------------------------------------


def check(settings: GatewaySettings, config: Config) -> None:
    """Raise ConfigurationError if the settings contradict each other."""
    if not settings.backends and settings.verify_listen is None:
        raise ConfigurationError(
            "a gateway needs --backend, [[gateway.backend]] or --verify-listen: give the store, such as "
            "--backend http://127.0.0.1:8333 --backend-key-file store.key"
        )
    if settings.server and not settings.identity_profile:
        raise ConfigurationError("--server needs --identity-profile, the AWS profile that the gateway signs with")
    if settings.identity_profile and not settings.server:
        raise ConfigurationError("--identity-profile needs --server, the URL of the Daypass server")
    if settings.server and config.store:
        raise ConfigurationError("--server and --store exclude each other: give one of them")
    if settings.workers < 1:
        raise ConfigurationError("workers cannot be less than 1")
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise ConfigurationError("--tls-cert and --tls-key must be set together")
    _check_listeners(settings, config)
    _check_backends(settings)
    _check_routes(settings)


def _check_listeners(settings: GatewaySettings, config: Config) -> None:
    if not is_loopback(settings.listen.host) and not settings.tls_cert and not config.trusted_proxies:
        raise ConfigurationError(
            f"{settings.listen.host} is not a loopback address, so TLS is needed: give --tls-cert and --tls-key, "
            "or set DAYPASS_TRUSTED_PROXIES to the networks of the proxies that terminate TLS"
        )
    for name, listen in (("--admin-listen", settings.admin_listen), ("--verify-listen", settings.verify_listen)):
        if listen is not None and not is_loopback(listen.host) and not config.trusted_proxies:
            raise ConfigurationError(
                f"{name} {listen} is not a loopback address: set DAYPASS_TRUSTED_PROXIES to the networks that may "
                "connect to it, or listen on 127.0.0.1"
            )


def _check_routes(settings: GatewaySettings) -> None:
    if settings.routes and settings.verify_listen is None:
        raise ConfigurationError("[[verify.route]] needs --verify-listen")
    for service, routes in routes_by_service(settings.routes).items():
        try:
            RouteTable(routes)
        except ValueError as error:
            raise ConfigurationError(f"[[verify.route]] of {service}: {error}") from error


def _check_backends(settings: GatewaySettings) -> None:
    names = [backend.name for backend in settings.backends]
    for backend in settings.backends:
        if names.count(backend.name) > 1:
            raise ConfigurationError(f"the backend {backend.name} is defined twice")
        if find_profile(backend.profile) is None:
            raise ConfigurationError(
                f"the backend {backend.name} has an unknown profile: {backend.profile}. "
                f"The profiles are {', '.join(sorted(PROFILES))}"
            )
        parse_backend_url(backend)
    for mapping in settings.buckets:
        if mapping.backend and mapping.backend not in names:
            raise ConfigurationError(f"[[gateway.bucket]] {mapping.match}: there is no backend {mapping.backend}")
        if not mapping.backend and len(names) != 1:
            raise ConfigurationError(f"[[gateway.bucket]] {mapping.match} needs backend: there are several backends")


# Backends -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BackendUrl:
    """The parts of a backend's URL."""

    secure: bool
    host: str
    port: int
    authority: str
    path_prefix: str


def parse_backend_url(backend: BackendSetting) -> BackendUrl:
    """Return the parts of a backend's URL. Raises ConfigurationError."""
    try:
        parts = urlsplit(backend.url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"the backend {backend.name} has an invalid URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ConfigurationError(f"the URL of the backend {backend.name} must begin with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"the URL of the backend {backend.name} contains a user: put the key in a key file")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"the URL of the backend {backend.name} must not have a query or a fragment")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    number = _PORTS[parts.scheme] if port is None else port
    authority = host if number == _PORTS[parts.scheme] else f"{host}:{number}"
    return BackendUrl(parts.scheme == "https", parts.hostname, number, authority, parts.path.rstrip("/"))


def check_files(settings: GatewaySettings) -> None:
    """Raise ConfigurationError if the key or the CAs of TLS cannot be used."""
    if settings.tls_key:
        try:
            read_key_file(Path(settings.tls_key), most_bytes=_LONGEST_TLS_KEY)
        except KeyFileError as error:
            raise ConfigurationError(f"--tls-key: {error}") from error
    for backend in settings.backends:
        try:
            ssl.create_default_context(cafile=backend.ca_bundle or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"the ca_bundle of the backend {backend.name} cannot be read: {error.strerror or error}"
            ) from error


def profile_of(backend: BackendSetting) -> StoreProfile:
    """Return the profile of a backend. Raises ConfigurationError."""
    profile = find_profile(backend.profile)
    if profile is None:
        raise ConfigurationError(f"the backend {backend.name} has an unknown profile: {backend.profile}")
    return profile


def read_backend_key(backend: BackendSetting) -> BackendKey:
    """Return the store's key from its file. Raises ConfigurationError.

    The message never contains a part of the file.
    """
    where = f"the key file of the backend {backend.name}"
    path = Path(backend.key_file)
    if not path.exists():
        raise ConfigurationError(f"{where}: {path} does not exist. It contains {_KEY_FILE}, and only you may read it")
    try:
        content = read_key_file(path, most_bytes=_LONGEST_KEY_FILE)
    except KeyFileError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    names = ("AccessKeyId", "SecretAccessKey")
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) and value[name] for name in names):
        raise ConfigurationError(f"{where} must be JSON: {_KEY_FILE}") from None
    return BackendKey(value["AccessKeyId"], value["SecretAccessKey"], backend.region)
