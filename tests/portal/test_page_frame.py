"""What every page has: the organization, the theme, headings of its own; and settings that are refused."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lxml import html
from tests.portal.oidc_scene import Errand

from daypass.config import Config, ConfigurationError, load_config
from daypass.testing.server import RunningServer, running_server

LOGO = "data:image/svg+xml;base64," + base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
OURS = Config(organization_name="Acme <b>", organization_logo=LOGO, support_url="https://help.example.com/?a=1&b=2")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run the server of an organization."""
    with running_server(config=OURS) as running:
        yield running


def tree(text: str) -> Any:
    """Return a page."""
    return html.fromstring(text)


def test_the_organization_is_on_every_page(server: RunningServer) -> None:
    """Its name and logo stand at the top, its help link and our version at the bottom."""
    page = tree(Errand(server.url).get("/login")[2])
    assert page.find("head/title").text == "Sign in · Acme <b>"
    assert page.xpath("//header//img/@src") == [LOGO]
    assert page.xpath("//header//span/text()") == ["Acme <b>"]
    assert page.xpath("//footer//a/@href") == ["https://help.example.com/?a=1&b=2"]
    assert "Daypass" in page.xpath("string(//footer)")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("organization_name", "x" * 101),
        ("organization_name", "a\nb"),
        ("organization_logo", "https://cdn.example.com/logo.png"),
        ("organization_logo", "//cdn.example.com/logo.png"),
        ("organization_logo", "data:text/html;base64,eHh4"),
        ("organization_logo", "data:image/png;base64," + "A" * 65_536),
        ("support_url", "javascript:alert(1)"),
        ("support_url", "https://help.example.com/ x"),
    ],
)
def test_a_setting_that_a_page_could_not_show_is_refused(name: str, value: str) -> None:
    """The content security policy allows no foreign image, and a link is http, https or mailto."""
    with pytest.raises(ConfigurationError, match=name.upper()):
        load_config({}, {f"DAYPASS_{name.upper()}": value})


def test_a_theme_is_kept_and_the_page_stays(server: RunningServer) -> None:
    """A form changes the theme without scripts, and "system" forgets it."""
    browser = Errand(server.url)
    status, headers, _ = browser.post("/theme", {"Theme": "dark", "Back": "/device"})
    assert (status, headers["location"]) == (303, "/device")
    assert 'data-theme="dark"' in browser.get("/device")[2]
    assert browser.post("/theme", {"Theme": "light", "Back": "/device", "Stay": "1"})[0] == 204
    assert 'data-theme="light"' in browser.get("/device")[2]
    browser.post("/theme", {"Theme": "system"})
    assert "data-theme=" not in browser.get("/device")[2]


@pytest.mark.parametrize("back", ["//evil.example.org", "https://evil.example.org", "/\\evil.example.org", "", "/a?b"])
def test_the_switch_leads_only_to_our_pages(server: RunningServer, back: str) -> None:
    """Every other address leads to the sign-in page."""
    status, headers, _ = Errand(server.url).post("/theme", {"Theme": "dark", "Back": back})
    assert (status, headers["location"]) == (303, "/login")
    assert Errand(server.url).post("/theme", {"Theme": "pink"})[0] == 400


def test_the_switch_refuses_a_long_address_at_once(server: RunningServer) -> None:
    """An address that almost matches does not occupy the server: anyone can send the form."""
    began = time.perf_counter()
    status, headers, _ = Errand(server.url).post("/theme", {"Theme": "dark", "Back": f"/{'a' * 27}!"})
    assert (status, headers["location"]) == (303, "/login")
    assert time.perf_counter() - began < 2
    back = "/" + "roles/" * 2_000
    assert Errand(server.url).post("/theme", {"Theme": "dark", "Back": back})[1]["location"] == back


HEADINGS = {
    "/login/saml/none": "Unknown identity provider",
    "/handover/at/none": "Your sign-in has ended",
    "/no/such/page": "Page not found",
    "/login/oidc/callback/idp.example.com?state=x&code=y": "Start the sign-in again",
}


@pytest.mark.parametrize("path", HEADINGS)
def test_each_error_has_its_heading_and_title(server: RunningServer, path: str) -> None:
    """The heading says what happened, and the tab has the same words, never a code of an API."""
    page = tree(Errand(server.url).get(path)[2])
    assert page.xpath("string(//h1)") == HEADINGS[path]
    assert page.find("head/title").text == f"{HEADINGS[path]} · Acme <b>"


def test_the_last_page_says_only_what_this_browser_did(server: RunningServer) -> None:
    """A link to the end of a CLI sign-in congratulates nobody."""
    for path in ("done", "declined"):
        text = Errand(server.url).get(f"/handover/{path}")[2]
        assert "No recent sign-in" in text
        assert "Return to your terminal" not in text


def test_the_sign_in_page_may_have_a_slash(server: RunningServer) -> None:
    """People type /login/ too."""
    assert Errand(server.url).get("/login/")[0] == 200
