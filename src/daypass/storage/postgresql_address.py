"""The URLs of PostgreSQL databases. Pure.

Owns their forms, which are those of PostgreSQL's own client library (libpq, "Connection URIs"): several hosts, IPv6
addresses, directories of sockets, percent-escapes, service files and its parameters by name. Two older forms of ours
are still read: a password with an unescaped slash or question mark, and `?host=a:5432&host=b:5432`. A URL that libpq
would misread, or whose parameters would break a promise of the store, is refused. No message contains a password.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from daypass.storage.refusals import StoreOpenError

FORM = "postgresql://USER:PASSWORD@HOST/DATABASE"
_SCHEMES = ("postgresql", "postgres")
_USER = re.compile(r"(?P<user>[^:/?@]*)(?::(?P<password>[^@]*))?@")
_ALONE = r"(?:\[[^\]/?@]*\]|[^:/?@,\[\]]*)(?::\d*)?"
_HOSTS_ALONE = re.compile(rf"{_ALONE}(?:,{_ALONE})*[/?]")  # a "password" after this is part of the path or the query
_HOST = re.compile(r"(?:\[(?P<literal>[0-9A-Fa-f:.]+(?:%[^\]]*)?)\]|(?P<name>[^:\[\]]*))(?::(?P<port>\d*))?")
_HOST_IN_QUERY = re.compile(r"(?P<name>[^:/]+):(?P<port>\d+)")
_LARGEST_PORT = 65_535
_LONGEST_CONNECT = 60
_HANDED_ON = frozenset(
    """
    application_name channel_binding connect_timeout dbname fallback_application_name gssdelegation gssencmode gsslib
    host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts
    max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope options
    passfile password port require_auth requirepeer scram_client_key scram_server_key service ssl_max_protocol_version
    ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode
    sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user
    """.split()  # noqa: SIM905 - easier to compare with the documentation
)
_REFUSED = {
    "prepare_threshold": "Daypass never prepares statements on the server. Remove it",
    "replication": "the store needs an ordinary connection. Remove it",
}
_SESSIONS = ("any", "read-write", "primary")  # a store writes
_SESSIONS_OF_REPLICA = (*_SESSIONS, "read-only", "standby", "prefer-standby")


@dataclass(frozen=True, slots=True)
class PostgresqlAddress:
    """A PostgreSQL database, on one of several servers.

    `parameters` are those of libpq.
    """

    parameters: dict[str, str] = field(repr=False)  # with the password

    @property
    def identity(self) -> str:
        """Return a name of the database for all processes of this machine.

        It does not depend on the database's user.
        """
        found = self.parameters
        if "service" in found and "host" not in found:
            return f"service {found['service']}/{found.get('dbname', '')}"
        return f"{found.get('host', '')}:{found.get('port', '5432')}/{found.get('dbname', '')}"


def is_postgresql(text: str) -> bool:
    """Return whether a URL is of PostgreSQL."""
    return text.partition(":")[0] in _SCHEMES


def parse_postgresql(text: str, *, is_replica: bool = False) -> PostgresqlAddress:
    """Parse a URL. Raises StoreOpenError. A replica need not accept writes."""
    slashes, _, rest = text.partition(":")[2].partition("//")
    if slashes or not text.partition(":")[2].startswith("//"):
        raise _refused("it does not begin with postgresql://")
    found = _user(rest)
    rest = rest[len(found.pop("", "")) :]
    rest, _, query = rest.partition("?")
    hosts, _, database = rest.partition("/")
    if "@" in hosts:
        raise _refused("it has several @ signs: write @ in a user name or password as %40")
    if hosts:
        found |= _hosts(hosts.split(","))
    if database:
        found["dbname"] = _unescaped(database)
    found |= _query(query)
    return PostgresqlAddress(_checked(found, is_replica=is_replica))


def _user(rest: str) -> dict[str, str]:
    """Return the user and the password, and under "" their part of the URL."""
    named = _USER.match(rest)
    if named is None or (_is_early(rest, "@") and _HOSTS_ALONE.match(rest)):
        return {}
    parts = {"": named.group(0), "user": _unescaped(named["user"]), "password": _unescaped(named["password"] or "")}
    return {name: value for name, value in parts.items() if value}


def _is_early(rest: str, sign: str) -> bool:
    """Return whether a slash or question mark comes before the sign."""
    return any(mark in rest[: rest.index(sign)] for mark in "/?")


def _hosts(hosts: list[str]) -> dict[str, str]:
    names, ports = [], []
    for host in hosts:
        parts = _HOST.fullmatch(host)
        if parts is None:
            raise _refused(
                "a host is not HOST, HOST:PORT or [ADDRESS]:PORT, or a password has a character that must be escaped: "
                "write / as %2F, ? as %3F, # as %23 and @ as %40"
            )
        names.append(_unescaped(parts["literal"] or parts["name"] or ""))
        ports.append(parts["port"] or "")
    found = {"host": ",".join(names)} if any(names) or len(names) > 1 else {}
    return found | ({"port": ",".join(ports)} if any(ports) else {})


def _query(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    hosts: list[str] = []
    for item in filter(None, query.split("&")):
        name, is_given, value = item.partition("=")
        name, value = _unescaped(name), _unescaped(value)
        if not is_given:
            raise _refused(f"the parameter {_shown(name)} has no value: write NAME=VALUE")
        if (name, value) == ("ssl", "true"):  # as JDBC writes it
            name, value = "sslmode", "require"
        if name == "host":
            hosts += value.split(",")
        elif name == "options":
            value = value.replace("+", " ")
        found[name] = value
    if hosts:
        found |= _hosts_of_query(hosts, found.get("port"))
    return found


def _hosts_of_query(hosts: list[str], port: str | None) -> dict[str, str]:
    split = [_HOST_IN_QUERY.fullmatch(host) for host in hosts]
    if port is None and any(split):
        pairs = [(each["name"], each["port"]) if each else (host, "") for host, each in zip(hosts, split, strict=True)]
        return {"host": ",".join(name for name, _ in pairs), "port": ",".join(port for _, port in pairs)}
    return {"host": ",".join(hosts)}


def _checked(found: dict[str, str], *, is_replica: bool) -> dict[str, str]:
    for name, value in found.items():
        if name in _REFUSED:
            raise _refused(f"it has the parameter {name}: {_REFUSED[name]}")
        if name == "client_encoding" and value.lower().replace("-", "") in {"utf8", "auto"}:
            continue
        if name not in _HANDED_ON:
            raise _refused(f"it has the parameter {_shown(name)}, which is not one of PostgreSQL's client library")
    if not found.get("dbname") and "service" not in found:
        raise _refused("it does not name a database")
    if "@" in found.get("host", ""):
        raise _refused("it has several @ signs: write @ in a user name or password as %40")
    _check_lists(found)
    _check_seconds(found.get("connect_timeout"))
    allowed = _SESSIONS_OF_REPLICA if is_replica else _SESSIONS
    if found.get("target_session_attrs", "any") not in allowed:
        raise _refused(f"target_session_attrs must be one of {', '.join(allowed)}")
    found.pop("client_encoding", None)  # the driver uses UTF-8
    return found


def _check_lists(found: dict[str, str]) -> None:
    ports = found["port"].split(",") if found.get("port") else []
    if not all(port == "" or _is_between(port, 1, _LARGEST_PORT) for port in ports):
        raise _refused("it has a port that is not a number from 1 to 65535")
    counts = {len(found[name].split(",")) for name in ("host", "hostaddr") if found.get(name)}
    if len(counts) > 1:
        raise _refused("it has different numbers of host and hostaddr")
    if len(ports) > 1 and len(ports) != max(counts, default=1):
        raise _refused("it has different numbers of hosts and ports: write one port, or one for each")


def _check_seconds(text: str | None) -> None:
    if text is not None and not _is_between(text, 1, _LONGEST_CONNECT):
        raise _refused(f"connect_timeout must be 1 to {_LONGEST_CONNECT} seconds")


def _is_between(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most


def _unescaped(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise _refused("it has a % without two hexadecimal digits: write % itself as %25")
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise _refused("it is not UTF-8") from error
    if "\0" in decoded:
        raise _refused("it has a NUL character")
    return decoded


def _refused(reason: str) -> StoreOpenError:
    return StoreOpenError(f"the store's URL cannot be used: {reason}. Its form is {FORM}")


def _shown(name: str) -> str:
    """Return the name of a parameter for a message.

    It may be a part of a password that was not escaped.
    """
    return name if re.fullmatch(r"[a-z_]{1,40}", name) else "with an unknown name"
