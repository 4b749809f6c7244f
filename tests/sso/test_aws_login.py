"""`aws login` in a browser: the page on which a person chooses a role, its refusals, and attacks on it."""

import base64
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from tests.saml.browser import Answer
from tests.sso.login_scene import (
    ACCOUNT,
    AUDITOR,
    CALLBACK,
    CROSS,
    DEVELOPER,
    PROVIDER,
    LoginCalls,
    LoginScene,
    Person,
    Program,
    handle_of,
)

from daypass.audit.event import to_event
from daypass.config import Config
from daypass.testing.server import running_server


@pytest.fixture
def scene(login_scene: LoginScene) -> LoginScene:
    """Return the scene of this module."""
    return login_scene


@pytest.fixture
def person(scene: LoginScene) -> Person:
    """Give the person of the scene a new browser."""
    scene.person = Person()
    return scene.person


def _query_of(answer: Answer) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def test_the_whole_way_on_one_device(scene: LoginScene, person: Person) -> None:
    """Sign in, choose a role, click; the program gets its code, its state and then credentials of that role."""
    program = Program()
    page = scene.authorize(program)
    assert page.status == 200, page.text
    assert "aws login" in page.text
    assert "on this device" in page.text
    answer = scene.approve(page, AUDITOR)
    assert answer.status == 303
    assert answer.headers["location"].startswith(CALLBACK + "?")
    query = _query_of(answer)
    assert query.keys() == {"code", "state"}
    assert query["state"] == program.state
    tokens = scene.redeem(program, query["code"])
    assert scene.caller(tokens) == f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/alice"


def test_a_signed_in_browser_is_never_redirected_silently(scene: LoginScene, person: Person) -> None:
    """A program of another person could wait at the address. The page cannot be framed, and it names its buttons."""
    scene.code(Program())
    page = scene.authorize(Program())
    assert page.status == 200
    assert "Approve sign-in" in page.text
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:40001;" in policy
    assert page.headers["x-frame-options"] == "DENY"


def test_the_page_remembers_the_last_choice(scene: LoginScene, person: Person) -> None:
    """The role of the last time is the first button."""
    assert "Your last choice" not in scene.authorize(Program()).text
    scene.code(Program(), AUDITOR)
    text = scene.authorize(Program()).text
    assert "Your last choice" in text
    assert re.search(r'name="Role" value="([^ "]+)', text)[1] == AUDITOR  # type: ignore[index]


def test_a_person_may_decline(scene: LoginScene, person: Person) -> None:
    """The program hears of it, with its state."""
    program = Program()
    page = scene.authorize(program)
    answer = person.send(
        f"{scene.server.url}/v1/authorize", {"Handle": handle_of(page), "Decline": "yes"}, Sec_Fetch_Site="same-origin"
    )
    query = _query_of(answer)
    assert (query["error"], query["state"]) == ("access_denied", program.state)
    assert "code" not in query


def test_a_program_on_another_device_gets_its_code_by_hand(scene: LoginScene, person: Person) -> None:
    """The page shows base64 of state and code, as AWS CLI 2.36 parses it."""
    program = Program(CROSS, f"{scene.server.url}/v1/sessions/confirmation")
    page = scene.authorize(program)
    assert "another device" in page.text
    shown = scene.approve(page)
    assert shown.status == 200, shown.text
    code = re.search(r'<pre id="login-code"[^>]*>([^<]+)</pre>', shown.text)
    assert code is not None
    members = parse_qs(base64.b64decode(code[1]).decode())
    assert members["state"] == [program.state]
    assert scene.redeem(program, members["code"][0])["status"] == 200


BAD_REQUESTS: dict[str, dict[str, Any]] = {
    "no state": {"state": ...},
    "an empty state": {"state": ""},
    "a long state": {"state": "x" * 257},
    "20 kB of state": {"state": "x" * 20_000},
    "a line break in the state": {"state": "x\r\ny"},
    "NUL in the state": {"state": "\0"},
    "the implicit flow": {"response_type": "token"},
    "the usual name of the method": {"code_challenge_method": "S256"},
    "no method": {"code_challenge_method": ...},
    "a plain challenge": {"code_challenge_method": "plain"},
    "no challenge": {"code_challenge": ...},
    "a padded challenge": {"code_challenge": "x" * 43 + "="},
    "another scope": {"scope": "openid email"},
    "an unknown client": {"client_id": "arn:aws:signin:::devtools/other"},
    "a client of SSO": {"client_id": "abc"},
    "an unknown member": {"prompt": "none"},
    "a foreign host": {"redirect_uri": "http://evil.example.org:40001/oauth/callback"},
    "a name that looks like loopback": {"redirect_uri": "http://127.0.0.1.evil.example.org:40001/oauth/callback"},
    "a user before the host": {"redirect_uri": "http://127.0.0.1:40001@evil.example.org/"},
    "localhost, which a resolver decides": {"redirect_uri": "http://localhost:40001/oauth/callback"},
    "https on loopback": {"redirect_uri": "https://127.0.0.1:40001/oauth/callback"},
    "no port": {"redirect_uri": "http://127.0.0.1/oauth/callback"},
    "a port that is too large": {"redirect_uri": "http://127.0.0.1:65536/oauth/callback"},
    "a query": {"redirect_uri": "http://127.0.0.1:40001/oauth/callback?x=1"},
    "a fragment": {"redirect_uri": "http://127.0.0.1:40001/oauth/callback#x"},
    "a script": {"redirect_uri": "javascript:alert(1)"},
    "the other client's address": {"client_id": CROSS},
    "a page below ours": {"client_id": CROSS, "redirect_uri": "OURS/x/v1/sessions/confirmation"},
    "a query before the page": {"client_id": CROSS, "redirect_uri": "OURS?/v1/sessions/confirmation"},
    "a query behind the page": {"client_id": CROSS, "redirect_uri": "OURS/v1/sessions/confirmation?x"},
    "another path of ours": {"client_id": CROSS, "redirect_uri": "OURS/roles"},
    "a foreign confirmation page": {
        "client_id": CROSS,
        "redirect_uri": "https://evil.example.org/v1/sessions/confirmation",
    },
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_malformed_request_leads_nowhere(scene: LoginScene, case: str) -> None:
    """The refusal is a page, for every visitor: nothing is sent to an address that was not checked."""
    changes = {
        name: value.replace("OURS", scene.server.url) if isinstance(value, str) else value
        for name, value in BAD_REQUESTS[case].items()
    }
    page = Person().send(f"{scene.server.url}/v1/authorize?{Program().query(**changes)}")
    assert page.status == 400, page.text
    assert "location" not in page.headers


def test_a_doubled_member_leads_nowhere(scene: LoginScene) -> None:
    """Two readers could take different ones."""
    query = Program().query()
    page = Person().send(f"{scene.server.url}/v1/authorize?{query}&state=other")
    assert page.status == 400


def test_a_page_approves_once(scene: LoginScene, person: Person) -> None:
    """Back and a second click give no second code."""
    page = scene.authorize(Program())
    assert scene.approve(page).status == 303
    assert scene.approve(page).status == 400


def test_the_form_of_another_browser_is_refused(scene: LoginScene, person: Person) -> None:
    """An attacker's form would approve the attacker's program with the victim's sign-in."""
    attacker = Person()
    page = scene.authorize(Program(), person=attacker)
    scene.authorize(Program())
    answer = scene.approve(page, person=person)
    assert answer.status == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize("headers", [{"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example.org"}], ids=str)
def test_another_site_cannot_click(scene: LoginScene, person: Person, headers: dict[str, str]) -> None:
    """Also with a form that it got somehow."""
    page = scene.authorize(Program())
    fields = {"Handle": handle_of(page), "Role": f"{DEVELOPER} {PROVIDER} 3600"}
    assert person.send(f"{scene.server.url}/v1/authorize", fields, **headers).status == 403


def test_a_form_after_sign_out_is_refused(scene: LoginScene, person: Person) -> None:
    """The click needs the session."""
    page = scene.authorize(Program())
    person.cookies.clear()
    answer = scene.approve(page)
    assert answer.status in {400, 401, 403}
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "role", ["", "x", f"arn:aws:iam::{ACCOUNT}:role/other {PROVIDER} 3600", f"{DEVELOPER} {PROVIDER}2 3600"]
)
def test_only_a_role_that_is_open_can_be_chosen(scene: LoginScene, person: Person, role: str) -> None:
    """The form only proposes it: the trust policy is evaluated at the click."""
    page = scene.authorize(Program())
    answer = person.send(
        f"{scene.server.url}/v1/authorize", {"Handle": handle_of(page), "Role": role}, Sec_Fetch_Site="same-origin"
    )
    assert answer.status in {400, 403}
    assert "location" not in answer.headers


def test_a_role_that_was_closed_meanwhile_cannot_be_chosen(scene: LoginScene, person: Person) -> None:
    """The page may be old."""
    page = scene.authorize(Program())
    scene.trust(DEVELOPER, is_open=False)
    try:
        assert scene.approve(page).status == 403
    finally:
        scene.trust(DEVELOPER)


@pytest.mark.parametrize(
    "query", ["", "code=x&state=y", "code=<script>&state=y", f"code={'x' * 43}", f"code={'x' * 43}&state=y&state=z"]
)
def test_the_confirmation_page_shows_codes_only(scene: LoginScene, person: Person, query: str) -> None:
    """It is no place for the text of another site."""
    scene.authorize(Program())
    assert person.send(f"{scene.server.url}/v1/sessions/confirmation?{query}").status == 400
    stranger = Person().send(f"{scene.server.url}/v1/sessions/confirmation?code={'x' * 43}&state=y")
    assert stranger.status >= 400


def test_every_step_is_in_the_audit_log(scene: LoginScene, person: Person) -> None:
    """The approval, with the role, and the exchange have the same sign-in. Neither has the code."""
    scene.server.audit.audit_records.clear()
    program = Program()
    code = scene.code(program)
    scene.redeem(program, code)
    events = [msgspec.to_builtins(to_event(record)) for record in scene.server.audit.audit_records]
    found = {event["eventName"]: event for event in events}
    approved, exchanged = found["AuthorizeOAuth2Access"], found["CreateOAuth2Token"]
    assert approved["requestParameters"] == {"clientId": program.client_id, "roleArn": DEVELOPER}
    assert approved["additionalEventData"]["SignInId"] == exchanged["additionalEventData"]["SignInId"]
    assert code not in repr(events)


@pytest.mark.parametrize("path", ["/v1/authorize", "/v1/token"])
def test_an_operator_may_close_the_sign_in_api(path: str) -> None:
    """With `sign_in_api = false` page and API are closed."""
    with running_server(config=Config(sign_in_api=False)) as server:
        if path == "/v1/authorize":
            assert Person().send(f"{server.url}{path}?{Program().query()}").status == 403
            return
        status, _, answer = LoginCalls(server).token(Program(), {"grantType": "refresh_token", "refreshToken": "x"})
        assert (status, answer["error"]) == (403, "INSUFFICIENT_PERMISSIONS")
