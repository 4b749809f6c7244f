"""The settings of sign-ins, and the public URL that they need."""

from datetime import timedelta

import pytest
from tests.sign_in.conftest import ACCOUNT, Node, People

from daypass.config import Config, ConfigurationError, is_wildcard, load_config

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"
PROXIES = {"DAYPASS_TRUSTED_PROXIES": "10.0.0.0/8"}


@pytest.mark.parametrize("minutes", ["15", "129600"])
def test_a_sign_in_lasts_as_configured(minutes: str) -> None:
    """From fifteen minutes to ninety days."""
    config = load_config({}, {"DAYPASS_SIGN_IN_SESSION_MINUTES": minutes})
    assert config.sign_in_session_minutes == int(minutes)


@pytest.mark.parametrize("minutes", ["14", "129601", "0", "-1", "eight", ""])
def test_other_durations_are_refused(minutes: str) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigurationError, match=r"sign_in_session_minutes|SIGN_IN_SESSION_MINUTES"):
        load_config({}, {"DAYPASS_SIGN_IN_SESSION_MINUTES": minutes})


def test_a_change_counts_for_new_sign_ins(people: People) -> None:
    """A sign-in keeps the end that it began with."""
    first, _ = people.node.sign_in_by_saml(people.response(ROLE))
    other = Node.start(people.server.there, people.keys, sign_in_session_minutes=15)
    second, _ = other.sign_in_by_saml(people.response(ROLE))
    assert (first.ends - first.proven_at, second.ends - second.proven_at) == (
        timedelta(minutes=480),
        timedelta(minutes=15),
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0", "0x0", "::ffff:0.0.0.0", "0:0:0:0:0:0:0:0", ""])  # noqa: S104
def test_a_wildcard_host_needs_a_public_url(host: str) -> None:
    """Every spelling of it: cookies, redirects and device addresses would contain it."""
    assert is_wildcard(host)
    with pytest.raises(ConfigurationError, match="--public-url"):
        load_config({"host": host}, PROXIES)
    given = load_config({"host": host, "public_url": "https://sts.example.com"}, PROXIES)
    assert given.url == "https://sts.example.com"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "192.0.2.1", "sts.example.com", "2001:db8::1"])
def test_another_host_needs_none(host: str) -> None:
    """It is the public URL itself."""
    assert not is_wildcard(host)
    assert load_config({"host": host}, PROXIES).url == Config(host=host).url
