"""The settings of the sinks: `[[audit_sink]]` and `audit_sinks`.

Owns their keys, types and limits. Reads no file: the files with secrets are read when a sink is opened. Every mistake
is a ValueError that names the key and its valid values.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import SplitResult, urlsplit

SYSLOG, WEBHOOK, S3, STDOUT = "syslog", "webhook", "s3", "stdout"
TYPES = (SYSLOG, WEBHOOK, S3, STDOUT)
CLOUDTRAIL, OCSF = "cloudtrail", "ocsf"
BODIES = ("ndjson", "json", "splunk")
TLS_SCHEME, TCP_SCHEME = "syslog+tls", "syslog+tcp"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.*'()-]+/)*[A-Za-z0-9!_.*'()-]+")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:]{2,45}")
FACILITIES: Mapping[str, int] = MappingProxyType(
    {"user": 1, "daemon": 3, "auth": 4, "authpriv": 10, "audit": 13, **{f"local{n}": 16 + n for n in range(8)}}
)
"""Facilities of RFC 5424 section 6.2.1 that fit an audit log."""


@dataclass(frozen=True, slots=True)
class AuditSinkSetting:
    """One sink. Times are seconds; a batch ends at the first of its limits.

    `ca_bundle`, `client_certificate`, `client_key`, `token_file`, `hmac_key_file` and `key_file` are paths.
    """

    name: str
    type: str
    url: str = ""
    format: str = CLOUDTRAIL
    ca_bundle: str = ""
    client_certificate: str = ""
    client_key: str = ""
    batch_events: int = 500
    interval_seconds: int = 1
    timeout_seconds: int = 30
    spool_megabytes: int = 512
    facility: str = "authpriv"
    message_bytes: int = 8_192
    body: str = "ndjson"
    token_file: str = ""
    authorization: str = "Bearer"
    hmac_key_file: str = ""
    bucket: str = ""
    prefix: str = ""
    region: str = "us-east-1"
    key_file: str = ""
    profile: str = ""


SMALLEST_SPOOL = 8  # megabytes: a spool drops its oldest segment of 4 MB, and writes the newest
_FOR_ALL = ("name", "type", "format", "batch_events", "interval_seconds", "timeout_seconds", "spool_megabytes")
_TLS = ("ca_bundle", "client_certificate", "client_key")
_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SYSLOG: ("url", *_TLS, "facility", "message_bytes"),
        WEBHOOK: ("url", *_TLS, "body", "token_file", "authorization", "hmac_key_file"),
        S3: ("url", "ca_bundle", "bucket", "prefix", "region", "key_file", "profile"),
        STDOUT: (),
    }
)
_REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {SYSLOG: ("url",), WEBHOOK: ("url",), S3: ("bucket",), STDOUT: ()}
)
# CloudTrail writes an object about every five minutes. One minute keeps objects few, and the delay short.
_DEFAULTS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {S3: MappingProxyType({"batch_events": 10_000, "interval_seconds": 60})}
)
_BOUNDS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "batch_events": (1, 100_000),
        "interval_seconds": (1, 3_600),
        "timeout_seconds": (1, 300),
        "spool_megabytes": (SMALLEST_SPOOL, 1_048_576),
        "message_bytes": (2_048, 65_536),  # RFC 5425 section 4.3.1: a receiver accepts at least 2,048
    }
)
_CHOICES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "type": TYPES,
        "format": (CLOUDTRAIL, OCSF),
        "facility": tuple(FACILITIES),
        "body": BODIES,
        "authorization": ("Bearer", "Splunk"),
    }
)


def parse_sink_tables(tables: Any) -> tuple[AuditSinkSetting, ...]:
    """Return the sinks of the tables `[[audit_sink]]`. Raises ValueError."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("audit_sink in the configuration file must be tables: [[audit_sink]]")
    return tuple(_parse_table(table) for table in tables)


def parse_sink_urls(text: str) -> tuple[AuditSinkSetting, ...]:
    """Return the sinks of a list of URLs, with the defaults for all else.

    A sink has the name of its type, with a number from the second on. Raises ValueError.
    """
    found = [_of_url(word.strip()) for word in text.split(",") if word.strip()]
    counts = Counter[str]()
    named = []
    for sink in found:
        counts[sink.type] += 1
        number = counts[sink.type]
        named.append(replace(sink, name=sink.type if number == 1 else f"{sink.type}-{number}"))
    return tuple(named)


def require_different_names(sinks: Sequence[AuditSinkSetting]) -> None:
    """Raise ValueError if two sinks have one name."""
    twice = [name for name, count in Counter(sink.name for sink in sinks).items() if count > 1]
    if twice:
        raise ValueError(f"two audit sinks have the name {twice[0]}: give each [[audit_sink]] a name of its own")


def _of_url(url: str) -> AuditSinkSetting:
    if url == STDOUT:
        return AuditSinkSetting(STDOUT, STDOUT)
    scheme = url.partition("://")[0]
    kind = {TLS_SCHEME: SYSLOG, TCP_SCHEME: SYSLOG, "https": WEBHOOK, "http": WEBHOOK}.get(scheme)
    if kind is None:
        raise ValueError(
            f"each entry must be {TLS_SCHEME}://HOST:PORT, https://HOST/PATH or stdout. For other sinks and options, "
            "use tables [[audit_sink]] in the configuration file"
        )
    return _check(AuditSinkSetting(kind, kind, url))


def _parse_table(table: Mapping[str, Any]) -> AuditSinkSetting:
    kind = table.get("type")
    if kind not in TYPES:
        raise ValueError(f"[[audit_sink]] needs type: {_listed(TYPES)}")
    where = f"[[audit_sink]] of type {kind}"
    known = (*_FOR_ALL, *_KEYS[kind])
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ValueError(f"{where} has an unknown key: {unknown[0]}. It accepts {', '.join(known)}")
    for name in _REQUIRED[kind]:
        if not table.get(name):
            raise ValueError(f"{where} needs {name}")
    values = {**_DEFAULTS.get(kind, {}), "name": kind, **{name: _value(where, name, table[name]) for name in table}}
    return _check(AuditSinkSetting(**values))


_IS_NUMBER = {each.name: each.type is int for each in fields(AuditSinkSetting)}


def _value(where: str, name: str, value: Any) -> Any:
    if _IS_NUMBER[name]:
        least, most = _BOUNDS[name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"{where}: {name} must be a whole number from {least} to {most}")
        return value
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{where}: {name} must be a string")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{where}: {name} must be {_listed(_CHOICES[name])}, not {value!r}")
    return value


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _check(sink: AuditSinkSetting) -> AuditSinkSetting:
    where = f"the audit sink {sink.name}"
    if not _NAME.fullmatch(sink.name):
        raise ValueError(f"{where}: a name has at most 32 small letters, digits and hyphens")
    if bool(sink.client_certificate) != bool(sink.client_key):
        raise ValueError(f"{where}: client_certificate and client_key must be set together")
    if sink.type in _CHECKS:
        _CHECKS[sink.type](where, sink)
    return sink


def _check_syslog(where: str, sink: AuditSinkSetting) -> None:
    url = split_url(sink.url)
    form = f"url must be {TLS_SCHEME}://HOST:PORT, or {TCP_SCHEME}://127.0.0.1:PORT on this machine"
    if url is None or url.scheme not in {TLS_SCHEME, TCP_SCHEME} or url.path.strip("/") or url.query:
        raise ValueError(f"{where}: {form}")
    if url.scheme == TCP_SCHEME:
        if url.port is None:
            raise ValueError(f"{where}: {form}")
        _require_loopback(where, url, TLS_SCHEME)
        _refuse_tls_options(where, sink)


def _check_webhook(where: str, sink: AuditSinkSetting) -> None:
    url = split_url(sink.url)
    if url is None or url.scheme not in {"https", "http"}:
        raise ValueError(f"{where}: url must be https://HOST/PATH, without a user, a password and a fragment")
    if url.scheme == "http":
        _require_loopback(where, url, "https")
        _refuse_tls_options(where, sink)
    if sink.authorization != "Bearer" and not sink.token_file:
        raise ValueError(f"{where}: authorization needs token_file")


def _check_s3(where: str, sink: AuditSinkSetting) -> None:
    if sink.url:
        url = split_url(sink.url)
        if url is None or url.scheme not in {"https", "http"} or url.path.strip("/") or url.query:
            raise ValueError(f"{where}: url must be the endpoint of the store: https://HOST:PORT")
        if url.scheme == "http":
            _require_loopback(where, url, "https")
    if not _BUCKET.fullmatch(sink.bucket):
        raise ValueError(f"{where}: bucket must be the name of a bucket")
    if sink.prefix and not _PREFIX.fullmatch(sink.prefix):
        raise ValueError(f"{where}: prefix must be the beginning of keys, such as logs/daypass, without a final slash")
    if bool(sink.key_file) == bool(sink.profile):
        raise ValueError(f"{where} needs key_file or profile, and not both: the access key for the store")


_CHECKS: Mapping[str, Callable[[str, AuditSinkSetting], None]] = MappingProxyType(
    {SYSLOG: _check_syslog, WEBHOOK: _check_webhook, S3: _check_s3}
)


def split_url(text: str) -> SplitResult | None:
    """Return the parts of a sink's URL, or None if it is not a plain URL."""
    try:
        url = urlsplit(text)
        is_plain = url.username is None and url.password is None and not url.fragment and url.port != 0
    except ValueError:
        return None
    return url if is_plain and url.hostname and _HOST.fullmatch(url.hostname) and " " not in text else None


def _require_loopback(where: str, url: SplitResult, scheme: str) -> None:
    # Audit events name people and their addresses, and a network could change them.
    if not _is_loopback(url.hostname or ""):
        raise ValueError(f"{where}: {url.scheme}:// is for a loopback address only. Use {scheme}://")


def _refuse_tls_options(where: str, sink: AuditSinkSetting) -> None:
    if any(getattr(sink, name) for name in _TLS):
        raise ValueError(f"{where}: {', '.join(_TLS)} need a URL with TLS")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
