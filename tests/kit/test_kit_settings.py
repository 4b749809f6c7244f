"""The settings of a server for tests: texts are parsed, and wrong names and values are refused by name."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import pytest

from daypass.config import Config, ConfigurationError
from daypass.operations.settings import Quotas
from daypass.testing.certificates import shared_authority
from daypass.testing.settings import make_config, settings_for_tests

_LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"oidc_allowed_networks": "127.0.0.0/8"}, "oidc_allowed_networks", _LOOPBACK),
        ({"oidc_allowed_networks": ["127.0.0.0/8"]}, "oidc_allowed_networks", _LOOPBACK),
        ({"oidc_allowed_networks": _LOOPBACK}, "oidc_allowed_networks", _LOOPBACK),
        ({"stale_seconds": "60"}, "stale_seconds", 60),
        ({"stale_seconds": 60}, "stale_seconds", 60),
        ({"saml_one_use": "yes"}, "saml_one_use", True),
        ({"saml_one_use": True}, "saml_one_use", True),
        ({"regions": "a,b"}, "regions", frozenset({"a", "b"})),
        ({"regions": {"a"}}, "regions", frozenset({"a"})),
        ({"saml_audiences": ["urn:a", "urn:b"]}, "saml_audiences", ("urn:a", "urn:b")),
        ({"organization_name": "Acme"}, "organization_name", "Acme"),
        ({"quotas": Quotas(buckets=3)}, "quotas", Quotas(buckets=3)),
    ],
)
def test_texts_and_values_are_accepted(settings: Mapping[str, Any], name: str, value: object) -> None:
    """A setting is a text, as in the environment, or a value of Config's type."""
    assert getattr(make_config(settings), name) == value


def test_a_config_with_texts_is_parsed_too() -> None:
    """A Config is not checked when it is made; without this, its texts would be a 500 of the server."""
    assert make_config(Config(oidc_allowed_networks=("127.0.0.0/8",))).oidc_allowed_networks == _LOOPBACK  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"oidc_allowed_networks": "loopback"}, "oidc_allowed_networks|OIDC_ALLOWED_NETWORKS"),
        ({"oidc_allowed_networks": [127]}, "oidc_allowed_networks"),
        ({"oidc_allowed_network": "127.0.0.0/8"}, "oidc_allowed_network is not a setting"),
        ({"stale_seconds": "soon"}, "STALE_SECONDS"),
        ({"stale_seconds": 1}, "stale_seconds"),
        ({"stale_seconds": 60.5}, "stale_seconds"),
        ({"saml_one_use": 1}, "saml_one_use"),
        ({"saml_one_use": "maybe"}, "SAML_ONE_USE"),
        ({"regions": 3}, "regions"),
        ({"organization_name": None}, "organization_name"),
        ({"quotas": {"buckets": 3}}, "quotas"),
        ({"workers": True}, "workers"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: Mapping[str, Any], said: str) -> None:
    """The mistake is found before the server starts."""
    with pytest.raises(ConfigurationError, match=said):
        make_config(settings)


def test_settings_of_the_user_win_over_the_trusted_authority() -> None:
    """A mapping is merged with the settings for issuers; a Config is complete."""
    with settings_for_tests({"oidc_ca_bundle": "/tmp/mine.pem"}) as config:  # noqa: S108 - a name, never opened
        assert config.oidc_ca_bundle == "/tmp/mine.pem"  # noqa: S108 - the same
    with settings_for_tests(Config()) as config:
        assert config.oidc_ca_bundle == ""
    with settings_for_tests(None) as config, open(config.oidc_ca_bundle, "rb") as file:  # noqa: PTH123 - shorter
        assert file.read() == shared_authority().pem
