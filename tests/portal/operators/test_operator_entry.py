"""The operator console sends a browser without a session to sign in, and names each refusal."""

from collections.abc import Iterator

import pytest
from tests.documents import allow
from tests.portal.operators.console import Console, assumed, entered, operators_role

from daypass.testing.server import RunningServer, running_server

PAGES = ("/operator", "/operator/audit", "/operator/graph", "/operator/keys")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server."""
    with running_server() as running:
        yield running


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_without_a_session_is_sent_to_sign_in(server: RunningServer, path: str) -> None:
    """A page is not an error for a person who has not signed in yet."""
    answer = Console(server).get(path)
    assert (answer.status, answer.location.partition("?")[0]) == (303, "/login")


def test_a_client_that_requests_json_gets_the_error(server: RunningServer) -> None:
    """A script cannot sign in on a page."""
    answer = Console(server).get("/operator", Accept="application/json")
    assert (answer.status, answer.content_type) == (400, "application/json")
    assert "ExpiredTokenException" in answer.text


def test_a_role_without_the_permission_reads_which_one_is_missing(server: RunningServer) -> None:
    """The refusal has its own heading and title."""
    role = operators_role(server, "idle", allow("s3:*"))
    answer = Console(server).enter(assumed(server, role))
    assert (answer.status, answer.heading) == (403, "You do not have this permission")
    assert answer.title.startswith("You do not have this permission")
    assert "iam:GetAccountAuthorizationDetails" in answer.words


def test_a_form_of_another_session_is_refused(server: RunningServer) -> None:
    """The form token belongs to one session."""
    console = entered(server, "leaving")
    assert console.post("/operator/leave", {"Form": "0" * 32}).status == 403
    assert console.get("/operator/keys").status == 200
    fields = console.get("/operator/keys").form("/operator/leave")
    assert console.post("/operator/leave", fields, Origin="https://evil.example").status == 403
    assert console.post("/operator/leave", fields).location == "/login"
    assert console.get("/operator/keys").status == 303
