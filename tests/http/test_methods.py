"""The methods of the API, and the paths and methods that it does not have."""

import http.client
from xml.etree import ElementTree as ET

import pytest
from tests.http.raw import FORM, Answer, send, signed

from daypass.testing.server import RunningServer

ALLOWED = "GET, HEAD, POST, OPTIONS"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "User-Agent": "Mozilla/5.0"}


def error_of(answer: Answer) -> tuple[str, str]:
    """Return the code and the message of an error in XML."""
    root = ET.fromstring(answer.body)  # noqa: S314 - our own answer
    values = {each.tag.rpartition("}")[2]: each.text or "" for each in root.iter()}
    return values["Code"], values["Message"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "REPORT"])
@pytest.mark.parametrize("headers", [{}, BROWSER, {"Accept": "application/json"}, {"Content-Type": FORM}])
@pytest.mark.parametrize("target", ["/", "/?Action=GetCallerIdentity&Version=2011-06-15"])
def test_other_methods_are_refused(
    shared_server: RunningServer, method: str, headers: dict[str, str], target: str
) -> None:
    """405 names the methods, for a browser too."""
    answer = send(shared_server, b"", headers, method=method, target=target)
    assert (answer.status, answer.headers["allow"]) == (405, ALLOWED)
    assert "MethodNotAllowed" in answer.text
    assert f"The API does not have the method {method}. Use POST or GET." in answer.text
    assert "location" not in answer.headers


def test_a_body_of_another_method_is_not_read(shared_server: RunningServer) -> None:
    """The refusal does not wait for it."""
    connection = http.client.HTTPConnection(shared_server.url.removeprefix("http://"), timeout=30)
    connection.putrequest("PUT", "/")
    connection.putheader("Content-Length", "100000000")
    connection.endheaders(b"a" * 1_000)
    assert connection.getresponse().status == 405
    connection.close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_is_led_to_the_sign_in(shared_server: RunningServer, method: str) -> None:
    """Its Accept names HTML."""
    answer = send(shared_server, b"", BROWSER, method=method)
    assert (answer.status, answer.headers["location"]) == (302, "/login")


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, {"Accept": "application/xml"}, {"User-Agent": "curl/8"}])
@pytest.mark.parametrize("target", ["/", "/?x=1"])
def test_an_api_client_without_an_action_gets_an_error(
    shared_server: RunningServer, headers: dict[str, str], target: str
) -> None:
    """These are AWS's words for a form without an action."""
    answer = send(shared_server, b"", headers, method="GET", target=target)
    message = "Could not find operation NO_ACTION_SPECIFIED for version NO_VERSION_SPECIFIED"
    assert (answer.status, *error_of(answer)) == (400, "InvalidAction", message)


def test_a_signed_request_without_an_action_gets_an_error(shared_server: RunningServer) -> None:
    """It is not redirected to a page."""
    answer = send(shared_server, *signed(shared_server, b""))
    assert (answer.status, error_of(answer)[0]) == (400, "InvalidAction")


@pytest.mark.parametrize("service", ["sts", "iam"])
@pytest.mark.parametrize("target", ["/prefix", "/prefix/", "/sts", "//"])
def test_a_path_that_the_api_does_not_have_is_an_error(shared_server: RunningServer, service: str, target: str) -> None:
    """The endpoint URL of the client has a path that it should not have."""
    answer = send(shared_server, *signed(shared_server, service=service), target=target)
    code, message = error_of(answer)
    assert (answer.status, code) == (404, "InvalidRequest")
    assert "STS and IAM are at /: remove the path from the endpoint URL" in message
