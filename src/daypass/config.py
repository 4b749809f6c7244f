"""The settings of the server, and their types.

Flags override the environment, which overrides the TOML file, which overrides the defaults. This module reads no files
or variables: the command line passes them. Secrets are not part of Config; they are read only at the first start (see
bootstrap.py).
"""

import ipaddress
import re
import socket
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_data_path

from daypass.audit.delivery.sink_settings import (
    AuditSinkSetting,
    parse_sink_tables,
    parse_sink_urls,
    require_different_names,
)
from daypass.federation.oidc.provider import is_issuer_url
from daypass.operations.settings import LOGO_FORM, LoginOptionSetting, Quotas, is_logo
from daypass.regions import REGION_FORM, is_region_name

GATEWAY_URL = "http://127.0.0.1:7880"
"""The default address of `daypass gateway`."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST_LINE = 100
_LONGEST_LABEL = 64
_LAST_ORDER = 9_999
_SUPPORT = re.compile(r"(?:https?://|mailto:)[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]{1,500}")


class ConfigurationError(Exception):
    """An invalid setting.

    The message names the setting and its valid values. The command exits with 6.
    """


@dataclass(frozen=True, slots=True)
class ClientSetting:
    """The client registration at an OpenID Connect provider for sign-in.

    It is a public client without a secret file.
    """

    issuer: str
    client_id: str
    secret_file: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """All settings. Networks are CIDRs, sizes bytes, times seconds."""

    host: str = "127.0.0.1"
    port: int = 7878
    store: str = ""
    read_store: str = ""
    store_connections: int = 10
    workers: int = 1
    drain_seconds: int = 5
    reuse_port: bool = False
    public_url: str = ""
    s3_endpoint_url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    regions: frozenset[str] = frozenset()
    rotate_keys_days: int = 90
    audit_log: str = ""
    audit_log_required: bool = False
    audit_sinks: tuple[AuditSinkSetting, ...] = ()
    audit_sink: tuple[AuditSinkSetting, ...] = ()
    audit_spool: str = ""
    log_level: str = "info"
    log_format: str = ""
    access_log: str = ""
    metrics_port: int = 0
    traces: bool = False
    cache_entries: int = 50_000
    stale_seconds: int = 300
    gateway_stale_seconds: int = 60
    unsigned_calls_per_minute: int = 6_000
    connections_per_peer: int = 512
    saml_recipients: tuple[str, ...] = ()
    saml_audiences: tuple[str, ...] = ()
    saml_allow_sha1: bool = False
    saml_one_use: bool = False
    oidc_ca_bundle: str = ""
    oidc_allowed_networks: tuple[Network, ...] = ()
    oidc_enforce_thumbprints: bool = False
    oidc_clients: tuple[ClientSetting, ...] = ()
    webhook_allowed_networks: tuple[Network, ...] = ()
    sign_in_session_minutes: int = 480
    sign_in_api: bool = True
    organization_name: str = ""
    organization_logo: str = ""
    support_url: str = ""
    login_option: tuple[LoginOptionSetting, ...] = ()
    quotas: Quotas = field(default_factory=Quotas)

    @property
    def url(self) -> str:
        """The public URL: the configured one, else the server's own address."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    @property
    def sinks(self) -> tuple[AuditSinkSetting, ...]:
        """The sinks of the audit log, in both forms of the setting."""
        return (*self.audit_sinks, *self.audit_sink)

    @property
    def s3_url(self) -> str:
        """The URL of the S3 gateway for new profiles.

        It is the configured one, else the default address beside this server. It is empty if clients reach this server
        from other machines and the setting is missing.
        """
        if self.s3_endpoint_url:
            return self.s3_endpoint_url.rstrip("/")
        return GATEWAY_URL if is_loopback(urlsplit(self.url).hostname or "") else ""

    @property
    def store_url(self) -> str:
        """The configured store, else the SQLite file in the user's data directory."""
        return self.store or f"sqlite:///{user_data_path('daypass') / 'daypass.db'}"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("it must be a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError("it must be true or false")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _regions(text: str) -> frozenset[str]:
    names = _words(text)
    for name in names:
        if not is_region_name(name):
            raise ValueError(f"{name!r} is not a valid region name, which has {REGION_FORM}")
    return frozenset(names)


def _url(text: str) -> str:
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]/_~-]+", text):
        raise ValueError("it must be a URL such as https://s3.example.com")
    return text


def _line(text: str) -> str:
    if len(text) > _LONGEST_LINE or not text.isprintable():
        raise ValueError(f"it must be at most {_LONGEST_LINE} printable characters")
    return text.strip()


def _log_format(text: str) -> str:
    if text not in {"", "json", "text"}:
        raise ValueError("it must be json or text")
    return text


def _access_log(text: str) -> str:
    return "" if text == "off" else text


def _logo(text: str) -> str:
    if text and not is_logo(text):
        raise ValueError(f"it must be {LOGO_FORM}")
    return text


def _support_url(text: str) -> str:
    if text and not _SUPPORT.fullmatch(text):
        raise ValueError("it must be a URL such as https://help.example.com or mailto:help@example.com")
    return text


def _client(line: str) -> ClientSetting:
    parts = line.split()
    if len(parts) not in {2, 3} or not is_issuer_url(parts[0]):
        raise ValueError("each entry must be ISSUER CLIENT_ID [SECRET_FILE], and the issuer must begin with https://")
    return ClientSetting(*parts)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in _words(text))


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "host": str,
    "port": _whole,
    "store": str,
    "read_store": str,
    "store_connections": _whole,
    "workers": _whole,
    "drain_seconds": _whole,
    "reuse_port": _flag,
    "public_url": str,
    "s3_endpoint_url": _url,
    "tls_cert": str,
    "tls_key": str,
    "trusted_proxies": _networks,
    "regions": _regions,
    "rotate_keys_days": _whole,
    "audit_log": str,
    "audit_log_required": _flag,
    "audit_sinks": parse_sink_urls,
    "audit_spool": str,
    "log_level": str,
    "log_format": _log_format,
    "access_log": _access_log,
    "metrics_port": _whole,
    "traces": _flag,
    "cache_entries": _whole,
    "stale_seconds": _whole,
    "gateway_stale_seconds": _whole,
    "unsigned_calls_per_minute": _whole,
    "connections_per_peer": _whole,
    "saml_recipients": _words,
    "saml_audiences": _words,
    "saml_allow_sha1": _flag,
    "saml_one_use": _flag,
    "oidc_ca_bundle": str,
    "oidc_allowed_networks": _networks,
    "oidc_enforce_thumbprints": _flag,
    "oidc_clients": lambda text: tuple(_client(line) for line in _words(text)),
    "webhook_allowed_networks": _networks,
    "sign_in_session_minutes": _whole,
    "sign_in_api": _flag,
    "organization_name": _line,
    "organization_logo": _logo,
    "support_url": _support_url,
}


# Read by gateway/settings.py: the server and a gateway may share a file.
_TABLES_OF_THE_GATEWAY = frozenset({"gateway", "verify"})


def load_config(flags: Mapping[str, Any], environment: Mapping[str, str], toml: str | None = None) -> Config:
    """Return the effective settings.

    `flags` are the command line's values by setting; None means not given. `environment` is read for `DAYPASS_<NAME>`.
    `toml` is the text of the configuration file. Raises ConfigurationError.
    """
    refuse_misspelled(environment, {f"DAYPASS_{name.upper()}" for name in _PARSERS})
    values: dict[str, Any] = {}
    values.update(_from_file(toml))
    for name, parse in _PARSERS.items():
        variable = "DAYPASS_" + name.upper()
        if variable in environment:
            values[name] = _parsed(variable, parse, environment[variable])
    values.update({name: value for name, value in flags.items() if value is not None})
    return check_config(Config(**values))


def refuse_misspelled(environment: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse a variable that is almost a setting, such as DAYPASS_LOGLEVEL.

    Other variables of the prefix may belong to another program, such as those of a Kubernetes service.
    """
    known = {*known, *_OTHER_VARIABLES}
    plain = {name.replace("_", ""): name for name in known}
    for variable in environment:
        if not variable.startswith("DAYPASS_") or variable in known:
            continue
        near = get_close_matches(variable.replace("_", "")[7:], [each[7:] for each in plain], n=1, cutoff=_NEAR)
        if near:
            raise ConfigurationError(
                f"{variable} is not a setting. Did you mean {plain[f'DAYPASS{near[0]}']}? Otherwise unset it."
            )


# Variables that are not settings of Config.
_OTHER_VARIABLES = frozenset(
    {
        "DAYPASS_BACKUP_PASSPHRASE",
        "DAYPASS_BACKUP_PASSPHRASE_FILE",
        "DAYPASS_CACHE_DIR",
        "DAYPASS_DEBUG",
        "DAYPASS_KEYRING",
        "DAYPASS_MASTER_KEY",
        "DAYPASS_MASTER_KEY_FILE",
        "DAYPASS_NEW_MASTER_KEY",
        "DAYPASS_NEW_MASTER_KEY_FILE",
        "DAYPASS_PKCS11_PIN",
        "DAYPASS_ROOT_ACCESS_KEY_ID",
        "DAYPASS_ROOT_ACCOUNT_ID",
        "DAYPASS_ROOT_SECRET_ACCESS_KEY",
        "DAYPASS_ROOT_SECRET_ACCESS_KEY_FILE",
        "DAYPASS_SESSION",
        "DAYPASS_SIGN_IN_URL",
    }
)
_NEAR = 0.85


def _from_file(toml: str | None) -> dict[str, Any]:
    if toml is None:
        return {}
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration file is not valid TOML: {error}") from error
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name in _TABLES_OF_THE_GATEWAY:
            continue
        if name == "quotas":
            values["quotas"] = _quotas(value)
        elif name == "login_option":
            values["login_option"] = _login_options(value)
        elif name == "audit_sink":
            values["audit_sink"] = _audit_sinks(value)
        elif name in _PARSERS:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            values[name] = _parsed(f"{name} in the configuration file", _PARSERS[name], text)
        else:
            raise ConfigurationError(f"The configuration file contains an unknown setting: {name}")
    return values


def _quotas(table: Any) -> Quotas:
    known = {field.name for field in fields(Quotas)}
    if not isinstance(table, dict) or not all(
        name in known and isinstance(value, int) and not isinstance(value, bool) and value >= 0
        for name, value in table.items()
    ):
        raise ConfigurationError(f"[quotas] accepts whole numbers for these names: {', '.join(sorted(known))}")
    return Quotas(**table)


def _audit_sinks(tables: Any) -> tuple[AuditSinkSetting, ...]:
    try:
        return parse_sink_tables(tables)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _login_options(tables: Any) -> tuple[LoginOptionSetting, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigurationError("login_option in the configuration file must be tables: [[login_option]]")
    options = tuple(_login_option(table) for table in tables)
    twice = sorted(issuer for issuer, count in Counter(option.issuer for option in options).items() if count > 1)
    if twice:
        raise ConfigurationError(f"[[login_option]] has the issuer {twice[0]} twice")
    return options


def _login_option(table: Mapping[str, Any]) -> LoginOptionSetting:
    known = [each.name for each in fields(LoginOptionSetting)]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(f"[[login_option]] has an unknown key: {unknown[0]}. It accepts {', '.join(known)}")
    values = {name: _parsed(f"login_option.{name}", _LOGIN_OPTION[name], value) for name, value in table.items()}
    if "issuer" not in values:
        raise ConfigurationError("[[login_option]] needs issuer: a SAML entity ID or an OpenID Connect issuer")
    return LoginOptionSetting(**values)


def _issuer(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("it must be a SAML entity ID or an OpenID Connect issuer")
    return value


def _label(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_LABEL or not value.isprintable():
        raise ValueError(f"it must be at most {_LONGEST_LABEL} printable characters")
    return value.strip()


def _order(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LAST_ORDER:
        raise ValueError(f"it must be a whole number from -{_LAST_ORDER} to {_LAST_ORDER}")
    return value


_LOGIN_OPTION: Mapping[str, Callable[[Any], Any]] = {
    "issuer": _issuer,
    "label": _label,
    "logo": lambda value: _logo(str(value)),
    "order": _order,
}


def _parsed(where: str, parse: Callable[[Any], Any], text: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{where} cannot be {text!r}: {error}") from error


_LAST_PORT = 65535
STALE_BOUND = (5, 900)
"""The least and the greatest number of seconds that cached permissions count without word from the store."""


LONGEST_DRAIN = 600
"""The greatest number of seconds between a signal to stop and the end of the listening socket."""


CONNECTIONS_BOUND = (3, 1_000)
"""The least and the greatest number of connections of a process to PostgreSQL."""

SIGN_IN_BOUND = (15, 129_600)
"""The least and the greatest number of minutes that a person's sign-in lasts."""


def check_config(config: Config) -> Config:
    """Return the settings.

    Raises ConfigurationError if they contradict each other.
    """
    if not 0 <= config.port <= _LAST_PORT:
        raise ConfigurationError(f"port cannot be {config.port}: it must be between 0 and {_LAST_PORT}")
    bounds = {
        "stale_seconds": STALE_BOUND,
        "gateway_stale_seconds": STALE_BOUND,
        "drain_seconds": (0, LONGEST_DRAIN),
        "store_connections": CONNECTIONS_BOUND,
    }
    for name, (least, most) in bounds.items():
        if not least <= getattr(config, name) <= most:
            raise ConfigurationError(f"{name} cannot be {getattr(config, name)}: it must be between {least} and {most}")
    least, most = SIGN_IN_BOUND
    if not least <= config.sign_in_session_minutes <= most:
        raise ConfigurationError(
            f"sign_in_session_minutes cannot be {config.sign_in_session_minutes}: "
            f"it must be between {least} and {most} (90 days)"
        )
    if config.workers < 1:
        raise ConfigurationError("workers cannot be less than 1")
    _check_audit(config)
    if bool(config.tls_cert) != bool(config.tls_key):
        raise ConfigurationError("tls-cert and tls-key must be set together")
    if not config.tls_cert and not config.trusted_proxies and not is_loopback(config.host):
        raise ConfigurationError(
            f"{config.host} is not a loopback address, so TLS is needed: give --tls-cert and --tls-key, "
            "or set DAYPASS_TRUSTED_PROXIES to the networks of the proxies that terminate TLS"
        )
    if not config.public_url and is_wildcard(config.host):
        raise ConfigurationError(
            f"{config.host or 'An empty host'} means every address of this machine, which clients cannot connect to: "
            "give --public-url (DAYPASS_PUBLIC_URL), the URL at which clients and browsers reach this server"
        )
    return config


def _check_audit(config: Config) -> None:
    if config.audit_log_required and config.audit_log == "none" and not config.sinks:
        raise ConfigurationError(
            "audit_log_required cannot be true while audit_log is none: name a file, or - for standard output"
        )
    try:
        require_different_names(config.sinks)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def is_wildcard(host: str) -> bool:
    """Return whether a listening address means every address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return not host or _is_short_wildcard(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_unspecified


def _is_short_wildcard(host: str) -> bool:
    """Return whether a host is another spelling of 0.0.0.0, such as 0 or 0x0."""
    try:
        return not any(socket.inet_aton(host))
    except (OSError, ValueError):
        return False


def is_loopback(host: str) -> bool:
    """Return whether a listening address is reachable only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
