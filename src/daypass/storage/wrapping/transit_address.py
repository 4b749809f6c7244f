"""The address of a key in the Transit engine of Vault or OpenBao.

Owns the form `vault:https://HOST[:PORT]/MOUNT/KEY[?OPTION=VALUE&…]` and its options:

- `namespace`: the namespace of the mount and of the sign-in.
- `ca`: a PEM file with the authorities to trust, instead of the system's.
- `token_file`: a file with a token, instead of the variable VAULT_TOKEN.
- `auth=kubernetes` with `role`, and optionally `jwt_file`; `auth=approle` with `role_id` and `secret_id_file`.
- `auth_mount`: the path of the auth method, if it is not its name.

An address contains no secret: the store and messages show it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlsplit

from daypass.storage.refusals import StoreOpenError

SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - the name of a file
_PATH = re.compile(r"/(?P<mount>[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)/(?P<key>[A-Za-z0-9_.-]+)", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9.:-]+", re.ASCII)
_VALUE = re.compile(r"[\x21-\x7e]{1,512}")
# The options of each auth method: those that it needs, and those that it may have.
_METHODS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "token": (frozenset(), frozenset({"token_file"})),
    "kubernetes": (frozenset({"role"}), frozenset({"jwt_file", "auth_mount"})),
    "approle": (frozenset({"role_id", "secret_id_file"}), frozenset({"auth_mount"})),
}
_GENERAL = frozenset({"namespace", "ca", "auth"})
_PORTS = {"https": 443, "http": 80}
_FORM = (
    "vault:https://HOST:8200/MOUNT/KEY, for example vault:https://vault.example.com:8200/transit/daypass (a passphrase "
    "that begins with vault: must be in a file, which DAYPASS_MASTER_KEY_FILE names)"
)


@dataclass(frozen=True, slots=True)
class TransitAddress:
    """A key in a Transit engine, and the way to sign in."""

    scheme: str
    host: str
    port: int
    mount: str
    key: str
    auth: str = "token"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the address without options that do not identify the key."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        namespace = self.options.get("namespace", "")
        return (
            f"vault:{self.scheme}://{host}:{self.port}/{self.mount}/{self.key}"
            f"{f'?namespace={namespace}' if namespace else ''}"
        )

    @property
    def auth_mount(self) -> str:
        """Return the path of the auth method."""
        return self.options.get("auth_mount", self.auth).strip("/")


def parse_transit_address(text: str) -> TransitAddress:
    """Return the address, or raise StoreOpenError."""
    try:
        parts = urlsplit(text.removeprefix("vault:"))
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _refused(f"the address is not valid: {error}") from error
    path = _PATH.fullmatch(parts.path)
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or path is None or parts.fragment:
        raise _refused(f"the address must have the form {_FORM}")
    if parts.username is not None or parts.password is not None:
        raise _refused("the address must not contain a user or a password")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _refused("the address must begin with vault:https://, because the token would be sent in plain text")
    options = _parse_options(parts)
    return TransitAddress(
        parts.scheme,
        host,
        port or _PORTS[parts.scheme],
        path["mount"],
        path["key"],
        options.get("auth", "token"),
        options,
    )


def _parse_options(parts: SplitResult) -> Mapping[str, str]:
    pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=16)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise _refused("an option is given twice")
    auth = options.get("auth", "token")
    if auth not in _METHODS:
        raise _refused(f"auth={auth[:40]!r} is not supported: use {', '.join(_METHODS)}")
    needed, possible = _METHODS[auth]
    for name, value in options.items():
        if name not in _GENERAL | needed | possible:
            raise _refused(
                f"the option {name[:40]!r} is not supported with auth={auth}: "
                f"use {', '.join(sorted(_GENERAL | needed | possible))}"
            )
        if not _VALUE.fullmatch(value):
            raise _refused(f"the option {name} needs a value without white space")
    missing = sorted(needed - options.keys())
    if missing:
        raise _refused(f"auth={auth} needs the option {missing[0]}")
    return options


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refused(reason: str) -> StoreOpenError:
    return StoreOpenError(f"DAYPASS_MASTER_KEY: {reason}")
