"""Settings of a server for tests, as texts or as values.

Owns the conversion, the check of types, and the settings that make the issuers of `daypass.testing` trusted. Leaves the
rules for values to config.py.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from daypass.config import Config, ConfigurationError, load_config
from daypass.testing.certificates import shared_authority

_FIELDS = {each.name: each for each in fields(Config)}
_DEFAULTS = Config()
_NETWORKS = frozenset({"trusted_proxies", "oidc_allowed_networks", "webhook_allowed_networks"})
_LOOPBACK = "127.0.0.0/8,::1/128"


def make_config(settings: Config | Mapping[str, Any]) -> Config:
    """Return checked settings.

    A value is a text, as in the environment, or has the type of Config. Raises ConfigurationError with the name of the
    setting.

    >>> make_config({"oidc_allowed_networks": "127.0.0.0/8", "stale_seconds": "60"}).stale_seconds
    60
    """
    given = {name: getattr(settings, name) for name in _FIELDS} if isinstance(settings, Config) else dict(settings)
    values: dict[str, Any] = {}
    texts: dict[str, str] = {}
    for name, value in given.items():
        if name not in _FIELDS:
            raise ConfigurationError(f"{name} is not a setting. Settings are: {', '.join(sorted(_FIELDS))}")
        text = _text(name, value)
        if text is None:
            _check_type(name, value)
            values[name] = value
        else:
            texts[f"DAYPASS_{name.upper()}"] = text
    return load_config(values, texts)


def _text(name: str, value: Any) -> str | None:
    """Return the text of a value that must be parsed, or None."""
    if name in {"quotas", "login_option"} or isinstance(getattr(_DEFAULTS, name), str):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | set | frozenset) and value and all(isinstance(each, str) for each in value):
        return ",".join(value)
    return None


def _check_type(name: str, value: Any) -> None:
    wanted = type(getattr(_DEFAULTS, name))
    fits = type(value) is wanted
    if fits and name in _NETWORKS:
        fits = all(isinstance(each, IPv4Network | IPv6Network) for each in value)
    if not fits:
        raise ConfigurationError(
            f"{name} cannot be {value!r}: give a text, as in DAYPASS_{name.upper()}, or a value of {wanted.__name__}"
        )


@contextmanager
def settings_for_tests(settings: Config | Mapping[str, Any] | None) -> Iterator[Config]:
    """Yield checked settings that trust the issuers of `daypass.testing`.

    A Config is complete, so it is only checked. A mapping overrides the settings that make issuers trusted.

    >>> with settings_for_tests({"workers": "2"}) as config:
    ...     config.workers, len(config.oidc_allowed_networks)
    (2, 2)
    """
    if isinstance(settings, Config):
        yield make_config(settings)
        return
    with TemporaryDirectory(prefix="daypass-ca-") as folder:
        bundle = Path(folder, "ca.pem")
        bundle.write_bytes(shared_authority().pem)
        trusted = {"oidc_ca_bundle": str(bundle), "oidc_allowed_networks": _LOOPBACK}
        yield make_config({**trusted, **(settings or {})})
