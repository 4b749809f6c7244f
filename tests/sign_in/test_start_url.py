"""The start URL: the identifier of a deployment, and the address that leads to it."""

import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server."""
    with running_server() as running:
        yield running


def fetch(server: RunningServer, method: str, path: str = "/start") -> tuple[int, str]:
    """Return the status and the Location of a response, without following it."""
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("Location", "")
    finally:
        connection.close()


def test_head_redirects_to_an_identifier_on_a_host_of_awss(server: RunningServer) -> None:
    """AWS CLI 2.35.13 and later follow one redirect of HEAD, and need a host of AWS's there."""
    status, location = fetch(server, "HEAD")
    prefix, _, identifier = location.rpartition("ssoins-")
    assert (status, prefix) == (302, "https://identitycenter.amazonaws.com/")
    assert len(identifier) == 16
    assert set(identifier) <= set("0123456789abcdef")


def test_the_identifier_is_never_that_of_a_real_instance(server: RunningServer) -> None:
    """AWS's instances begin with four decimal digits."""
    assert fetch(server, "HEAD")[1].partition("ssoins-")[2].startswith("da")


def test_a_slash_at_the_end_changes_nothing(server: RunningServer) -> None:
    """The AWS CLI would show the 404 to a person who copied it that way."""
    assert fetch(server, "HEAD", "/start/") == fetch(server, "HEAD")


def test_the_identifier_stays(server: RunningServer) -> None:
    """Clients keep it in their configuration."""
    assert fetch(server, "HEAD") == fetch(server, "HEAD")


def test_two_deployments_have_different_identifiers(server: RunningServer) -> None:
    """It is random."""
    with running_server() as other:
        assert fetch(server, "HEAD") != fetch(other, "HEAD")


def test_get_shows_the_portal(server: RunningServer) -> None:
    """A person who opens the start URL finds their roles, or the sign-in page first."""
    status, location = fetch(server, "GET")
    assert (status, location) == (303, "/roles")
    status, location = fetch(server, "GET", location)
    assert (status, location.partition("?")[0]) == (303, "/login")


def test_other_methods_are_refused(server: RunningServer) -> None:
    """The page has no form."""
    assert fetch(server, "POST")[0] == 405
