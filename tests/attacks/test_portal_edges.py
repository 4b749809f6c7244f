"""Untrusted parts of a portal request: host, path spelling, invalid dates."""

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.saml.conftest import PROVIDER, Stage, granting, registered

from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

FORM = "application/x-www-form-urlencoded"
LOOKING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:Get*","Resource":"*"}}'


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Run a server with a registered provider."""
    with running_server() as server:
        yield registered(server, make_key_pair())


def ask(
    server: RunningServer, method: str, path: str, fields: dict[str, str] | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send one request without following redirects."""
    connection = http.client.HTTPConnection("127.0.0.1", server.config.port, timeout=30)
    body = urlencode(fields or {})
    given = {"Content-Type": FORM} if method == "POST" else {}
    connection.request(
        method, path, body, {**given, **{name.replace("_", "-"): text for name, text in headers.items()}}
    )
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


@pytest.mark.parametrize("path", ["/login", "/saml", "/device", "/operator", "/handover", "/login/role"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_sent_to_the_host_that_a_request_names(stage: Stage, method: str, path: str) -> None:
    """A path with an additional slash does not exist, but people type /login/, which is the same page.

    A redirect never sends a posted form to another host.
    """
    status, headers, text = ask(stage.server, method, f"{path}/", {"SAMLResponse": "x"}, Host="elsewhere.example")
    assert status == {("GET", "/login"): 200, ("POST", "/login"): 405}.get((method, path), 404)
    assert "location" not in headers
    assert "elsewhere.example" not in text
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/login", "/device", "/saml/metadata.xml", "/handover/done", "/operator"])
def test_no_page_repeats_the_host_that_a_request_names(stage: Stage, path: str) -> None:
    """Every URL on the pages has the configured host, and they are not cached."""
    for name in ("Host", "X_Forwarded_Host", "Forwarded"):
        _, headers, text = ask(stage.server, "GET", path, None, **{name: "elsewhere.example"})
        assert "elsewhere.example" not in text + repr(headers)
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("ends", ["9999-99-99T99:99:99Z", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z"])
def test_an_instant_that_never_was_is_refused(stage: Stage, ends: str) -> None:
    """The operator pages refuse invalid dates without an internal error."""
    role = f"arn:aws:iam::{PROVIDER.split(':')[4]}:role/looking"
    names = [each["RoleName"] for each in stage.iam.list_roles()["Roles"]]
    if "looking" not in names:
        stage.role("looking", policy=LOOKING)
    given = stage.redeem(stage.response(granting(role)), role)["Credentials"]
    fields = {name: given[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    status, headers, _ = ask(
        stage.server, "POST", "/operator", {**fields, "Name": "n", "Expiration": "2999-01-01T00:00:00Z"}
    )
    assert (status, headers["location"]) == (303, "/operator")
    status, _, text = ask(
        stage.server, "POST", "/operator", {**fields, "Name": "n", "Expiration": ends}, Accept="application/json"
    )
    assert (status, json.loads(text)["Error"]["Code"]) == (400, "InvalidParameterValue")
