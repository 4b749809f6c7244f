"""The approval of a program in a real browser: redirects, frames, forms of other sites, and odd names."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
import pytest
from playwright.sync_api import Page, expect
from tests.portal.conftest import Portal, Visit, running_portal
from tests.sign_in.conftest import Keys, Node

from daypass.base64url import to_base64url
from daypass.sign_in.sessions import cookie_of

pytestmark = pytest.mark.slow  # a browser takes a second for each

VERIFIER = "v" * 43
_HOUR = timedelta(hours=1)
NAMES = [
    "botocore-client-mine",
    "W" * 3_000,
    "<script>alert(1)</script>",
    "\u202e" + "e\u0301\u0301\u0301\u0301\u0301" * 300,
]


@dataclass
class Program:
    """A program on this machine: its listener, and a site that it could serve."""

    seen: list[str] = field(default_factory=list)
    page: str = ""
    port: int = 0

    @property
    def url(self) -> str:
        """The redirect URI of the program."""
        return f"http://127.0.0.1:{self.port}/oauth/callback"


@pytest.fixture
def program() -> Iterator[Program]:
    """Run a listener."""
    found = Program()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append(self.path)
            # The browser would look for an icon while the test ends.
            body = f'<link rel="icon" href="data:,">{found.page}'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        found.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        yield found
        listener.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """Run a server of these tests alone: each moves its clock by an hour."""
    with running_portal() as running:
        yield running


@pytest.fixture
def session(portal: Portal) -> str:
    """Return the cookie of a person who is signed in."""
    node = Node.start(portal.server.there, Keys())
    response = portal.idp.idp.response(portal.idp.assertion, now=portal.server.clock.now())
    return cookie_of(*node.sign_in_by_saml(response))


def asked(portal: Portal, program: Program, name: str = "botocore-client-mine") -> str:
    """Register a program, and return the address that it opens."""
    portal.server.clock.move(_HOUR)
    client = boto3.client("sso-oidc", endpoint_url=portal.url, region_name="us-east-1").register_client(
        clientName=name,
        clientType="public",
        grantTypes=["authorization_code", "refresh_token"],
        redirectUris=["http://127.0.0.1/oauth/callback"],
    )
    members = {
        "response_type": "code",
        "client_id": client["clientId"],
        "redirect_uri": program.url,
        "state": "a-state",
        "code_challenge_method": "S256",
        "scopes": "sso:account:access",
        "code_challenge": to_base64url(hashlib.sha256(VERIFIER.encode()).digest()),
    }
    return f"{portal.url}/authorize?{urlencode(members)}"


def opened(visit: Visit, portal: Portal, session: str, url: str, **how: Any) -> Page:
    """Open an address in a browser that is signed in."""
    page = visit("about:blank", **how)
    cookie = f"__Host-daypass-sign-in={session}; Secure; HttpOnly; SameSite=Lax; Path=/"
    # Playwright cannot add a cookie with this prefix.
    page.route(f"{portal.url}/signed-in", lambda route: route.fulfill(body="", headers={"Set-Cookie": cookie}))
    page.goto(f"{portal.url}/signed-in")
    page.goto(url)
    return page


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_click_takes_the_code_to_the_program(
    portal: Portal, visit: Visit, session: str, program: Program, *, script: bool
) -> None:
    """The content security policy allows the redirect of the form, and nothing was sent before the click."""
    page = opened(visit, portal, session, asked(portal, program), java_script_enabled=script)
    assert program.seen == []
    page.get_by_role("button", name="Approve sign-in").click()
    page.wait_for_url(f"{program.url}?**")
    found = parse_qs(urlsplit(program.seen[0]).query)
    assert found["state"] == ["a-state"]
    assert len(found["code"][0]) == 43


def test_a_person_signs_in_on_the_way(portal: Portal, visit: Visit, program: Program) -> None:
    """A browser without a session goes to the provider, back to the approval, and with a click to the program."""
    page = visit(asked(portal, program))
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("button", name="Approve sign-in").wait_for()
    assert program.seen == []
    page.get_by_role("button", name="Approve sign-in").click()
    page.wait_for_url(f"{program.url}?**")


def test_a_person_signs_in_on_the_way_to_a_device(portal: Portal, visit: Visit) -> None:
    """The address of the AWS CLI has the code: sign-in, confirmation, approval."""
    portal.server.clock.move(_HOUR)
    client = boto3.client("sso-oidc", endpoint_url=portal.url, region_name="us-east-1")
    found = client.register_client(clientName="botocore-client-x", clientType="public")
    given = {name: found[name] for name in ("clientId", "clientSecret")}
    begun = client.start_device_authorization(**given, startUrl=f"{portal.url}/start")
    page = visit(begun["verificationUriComplete"])
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("heading", name="Confirm the code").wait_for()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text(begun["userCode"]).wait_for()
    page.get_by_role("button", name="Approve sign-in").click()
    page.get_by_role("heading", name="You are signed in").wait_for()
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    assert client.create_token(**given, grantType=grant, deviceCode=begun["deviceCode"])["accessToken"]


def test_decline_tells_the_program(portal: Portal, visit: Visit, session: str, program: Program) -> None:
    """Without a code."""
    page = opened(visit, portal, session, asked(portal, program))
    page.get_by_role("button", name="Decline").click()
    page.wait_for_url(f"{program.url}?**")
    assert parse_qs(urlsplit(program.seen[0]).query) == {"error": ["access_denied"], "state": ["a-state"]}


@pytest.mark.parametrize("name", NAMES, ids=["plain", "long", "markup", "marks"])
def test_a_name_does_not_change_the_page(
    portal: Portal, visit: Visit, session: str, program: Program, name: str
) -> None:
    """It fits the width of a small phone, the button is in sight, and axe finds no violation."""
    page = opened(visit, portal, session, asked(portal, program, name), viewport={"width": 320, "height": 740})
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    box = page.get_by_role("button", name="Approve sign-in").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    assert axe.Axe().run(page).violations_count == 0


def test_the_page_cannot_be_framed(portal: Portal, visit: Visit, session: str, program: Program) -> None:
    """A page around it could lead a click to the button."""
    program.page = f'<iframe src="{asked(portal, program)}"></iframe>'.replace("&", "&amp;")
    # In a page without the listener of the console, where Chromium reports the refusal.
    page = opened(visit, portal, session, "about:blank").context.new_page()
    page.goto(f"http://127.0.0.1:{program.port}/")
    frame = page.frames[1]
    frame.wait_for_load_state()
    expect(frame.get_by_role("button", name="Approve")).to_have_count(0)


def test_a_form_of_another_site_approves_nothing(portal: Portal, visit: Visit, session: str, program: Program) -> None:
    """The browser does not send the cookie, and the server refuses the origin."""
    url = asked(portal, program)
    handle = opened(visit, portal, session, url).locator("input[name=Handle]").first.get_attribute("value")
    program.page = (
        f'<form method="post" action="{portal.url}/authorize"><input name="Handle" value="{handle}">'
        '<input name="Approve" value="yes"></form><script>document.forms[0].submit()</script>'
    )
    page = opened(visit, portal, session, f"http://localhost:{program.port}/")
    page.get_by_text("This request comes from another site").wait_for()
    assert [path for path in program.seen if "code=" in path] == []
