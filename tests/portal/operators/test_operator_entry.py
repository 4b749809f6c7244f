"""The operator console sends a browser without a session to sign in, and names each refusal."""

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from tests.documents import allow, document
from tests.portal.operators.console import Console, assumed, entered, operators_role
from tests.sign_in.conftest import ACCOUNT, People, set_up

from daypass.audit.event import to_event
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.portal.continue_at import find_path
from daypass.portal.sign_in_cookie import COOKIE
from daypass.sign_in.sessions import cookie_of
from daypass.testing.saml_forge import make_key_pair
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


# With a sign-in


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """Run a server whose identity provider offers roles that may look, and one that may not."""
    with running_server() as running:
        made = set_up(running, make_key_pair())
        for name, action in (("looking", "iam:GetAccountAuthorizationDetails"), ("idle", "s3:*")):
            made.role(name)
            policy = document(allow(action))
            made.client("iam").put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy)
        yield made


def role_arn(name: str) -> str:
    """Return the ARN of a role."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def signed_in(people: People) -> tuple[Console, SignInSession]:
    """Return a browser of a person who is signed in, and the sign-in."""
    session, secret = people.node.sign_in_by_saml(people.response(role_arn("looking"), role_arn("idle")))
    return Console(people.server, {COOKIE: cookie_of(session, secret)}), session


def entry_form(console: Console, role: str = "looking", path: str = "/operator/enter") -> dict[str, str]:
    """Return the fields of the form that enters with a role."""
    form = console.get(path).tree.xpath(f"//form[.//input[@value='{role_arn(role)}']]")[0]
    return {each.get("name"): each.get("value") for each in form.iter("input")}


@pytest.mark.parametrize(
    ("path", "entrance", "to"),
    [
        ("/operator", "/operator/enter", "/operator"),
        ("/operator/audit?person=a%26b", "/operator/enter?to=%2Foperator%2Faudit%3Fperson%3Da%2526b", None),
        ("/operator/people", "/operator/enter?to=%2Foperator%2Fpeople", None),
    ],
)
def test_a_person_enters_with_a_role_and_returns_to_the_page(
    people: People, path: str, entrance: str, to: str | None
) -> None:
    """The console opens where the person wanted to go, without a second sign-in."""
    console, _ = signed_in(people)
    led = console.get(path)
    assert (led.status, led.location) == (303, entrance)
    page = console.get(led.location)
    assert page.heading == "Open the operator console"
    entered_now = console.post("/operator/enter", entry_form(console, path=led.location))
    assert (entered_now.status, entered_now.location) == (303, to or path)
    assert console.get(path).status == 200
    assert "looking/" in console.get(path).words


def test_a_browser_that_is_not_signed_in_comes_back_to_the_page(people: People) -> None:
    """The sign-in page gets a sealed handle of the entrance."""
    answer = Console(people.server).get("/operator/keys")
    handle = parse_qs(urlsplit(answer.location).query)["next"][0]
    with people.node.ctx() as ctx:
        assert find_path(handle, ctx) == "/operator/enter?to=%2Foperator%2Fkeys"


@pytest.mark.parametrize("query", ["q=" + "%C3%A9" * 150, "q=" + "x" * 5_000, "q=%00", "q=%FF"])
def test_a_long_search_leads_to_the_sign_in_page_too(people: People, query: str) -> None:
    """The address to return to is bounded, and what does not fit is left out."""
    answer = Console(people.server).get(f"/operator/audit?{query}")
    assert (answer.status, answer.location.partition("=")[0]) == (303, "/login?next")
    assert signed_in(people)[0].get(f"/operator/audit?{query}").status == 303


def test_a_role_that_may_not_look_does_not_enter(people: People) -> None:
    """The refusal names the permission, and starts no operator session."""
    console, _ = signed_in(people)
    answer = console.post("/operator/enter", entry_form(console, "idle"))
    assert (answer.status, answer.heading) == (403, "You do not have this permission")
    assert [name for name in console.cookies if "operator" in name] == []


def test_an_operator_session_ends_with_its_sign_in(people: People) -> None:
    """After sign-out or revocation the console is closed, although the role's credentials last longer."""
    for end in (people.node.end, people.node.revoke):
        console, session = signed_in(people)
        console.post("/operator/enter", entry_form(console))
        assert console.get("/operator/keys").status == 200
        end(session)
        deadline = time.monotonic() + 5
        while console.get("/operator/keys").status == 200 and time.monotonic() < deadline:
            pass
        assert console.get("/operator/keys").location.startswith("/login?next=")


def test_sign_out_closes_a_console_that_was_opened_with_keys(people: People) -> None:
    """The page with the credentials opens the console too: it ends with the sign-in of the same browser."""
    console, session = signed_in(people)
    taken = people.node.take(session, role_arn("looking"))["Credentials"]
    assert console.enter(taken).status == 303
    assert console.get("/operator/keys").status == 200
    people.node.end(session)
    deadline = time.monotonic() + 5
    while console.get("/operator/keys").status == 200 and time.monotonic() < deadline:
        pass
    assert console.get("/operator/keys").location.startswith("/login?next=")


def test_taking_a_role_for_the_console_is_in_the_audit_log(people: People) -> None:
    """The event is that of the role, with the sign-in and its purpose."""
    console, session = signed_in(people)
    console.post("/operator/enter", entry_form(console))
    events = [msgspec.to_builtins(to_event(one)) for one in people.server.audit.audit_records]
    taken = [one for one in events if one["eventName"] == "AssumeRoleWithSAML"][-1]
    assert taken["additionalEventData"]["SignInId"] == session.id
    assert taken["additionalEventData"]["SignInEvent"] == "EnterOperatorConsole"


@pytest.mark.parametrize(
    "changes",
    [
        {"Form": ""},
        {"Form": "0" * 32},
        {"RoleArn": ""},
        {"RoleArn": "x"},
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/none"},
        {"PrincipalArn": "nonsense"},
        {"PrincipalArn": "arn:aws:iam::500000000000:saml-provider/other"},
    ],
)
def test_a_changed_form_does_not_enter(people: People, changes: dict[str, str]) -> None:
    """A form of another session, and a role that is not open, are refused."""
    console, _ = signed_in(people)
    answer = console.post("/operator/enter", {**entry_form(console), **changes})
    assert 400 <= answer.status < 500
    assert [name for name in console.cookies if "operator" in name] == []


def test_a_form_of_another_person_does_not_enter(people: People) -> None:
    """The token belongs to one sign-in, and a browser without a sign-in has none."""
    form = entry_form(signed_in(people)[0])
    assert signed_in(people)[0].post("/operator/enter", form).status == 403
    assert Console(people.server).post("/operator/enter", form).status == 403
    assert signed_in(people)[0].post("/operator/enter", form, Origin="https://evil.example").status == 403


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/operatorx",
        "/operator/../x",
        "/operator\\@evil",
        "/operator/enter",
        "",
    ],
)
def test_only_pages_of_the_console_are_continued(people: People, to: str) -> None:
    """Any other address leads to the first page."""
    console, _ = signed_in(people)
    form = entry_form(console, path=f"/operator/enter?{urlencode({'to': to})}")
    assert form["To"] == "/operator"
    assert console.post("/operator/enter", {**form, "To": to}).location == "/operator"
