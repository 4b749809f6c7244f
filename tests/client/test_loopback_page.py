"""The redirect to this machine: the code leaves the address, and the page is the portal's in one file."""

import hashlib
import http.client
import re
import threading
from base64 import b64encode
from urllib.parse import urlsplit

import pytest

from daypass.client.problems import BrowserSignInError
from daypass.client.sign_in.loopback import Listener


def visit(url: str) -> tuple[http.client.HTTPResponse, str]:
    """Return the response to one request, without following redirects."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
    response = connection.getresponse()
    return response, response.read().decode()


def arrive(listener: Listener, query: str) -> tuple[str, http.client.HTTPResponse, str]:
    """Return the address of the last page, and the page."""
    first, _ = visit(f"{listener.redirect_uri}?{query}")
    assert first.status == 303
    there = first.headers["Location"]
    return there, *visit(f"{listener.redirect_uri.removesuffix('/callback')}{there}")


def test_the_code_leaves_the_address() -> None:
    """The browser ends at an address without query members, and the page contains none of them."""
    with Listener("right") as listener:
        there, response, page = arrive(listener, "state=right&code=SECRET")
        assert (there, response.status) == ("/signed-in", 200)
        assert "SECRET" not in page
        assert listener.wait(1)["code"] == "SECRET"


def test_the_page_allows_its_own_style_and_nothing_else() -> None:
    """The policy names the style by its hash; there are no scripts and no other resources."""
    with Listener("right") as listener:
        _, response, page = arrive(listener, "state=right&code=x")
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    policy = response.headers["Content-Security-Policy"]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert "<script" not in page
    assert "http" not in page
    assert "<h1>You are signed in</h1>" in page


def test_a_refusal_has_its_own_page() -> None:
    """The provider's words are in the terminal; the page shows none of them."""
    with Listener("right") as listener:
        there, _, page = arrive(listener, "state=right&error=access_denied&error_description=%3Cb%3E")
        assert (there, "<b>" in page, "<h1>Not signed in</h1>" in page) == ("/not-signed-in", False, True)
        with pytest.raises(BrowserSignInError):
            listener.wait(1)


@pytest.mark.parametrize(
    ("path", "status"), [("/callback?state=wrong&code=x", 400), ("/signed-in", 404), ("/favicon.ico", 404)]
)
def test_other_requests_do_not_end_the_wait(path: str, status: int) -> None:
    """The last page is shown only after the redirect with the right state."""
    with Listener("right") as listener:
        response, page = visit(listener.redirect_uri.removesuffix("/callback") + path)
        assert (response.status, "You are signed in" in page) == (status, False)
        threading.Thread(target=arrive, args=(listener, "state=right&code=y")).start()
        assert listener.wait(10)["code"] == "y"
        second, _ = visit(f"{listener.redirect_uri}?state=right&code=z")
        assert second.status == 400
