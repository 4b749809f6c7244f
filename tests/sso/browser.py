"""A browser without scripts: it keeps a session cookie and sends forms."""

import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.http.raw import Answer, send

from daypass.testing.server import RunningServer

COOKIE = "__Host-daypass-sign-in"
_HIDDEN = re.compile(r'<input type="hidden" name="Handle" value="([^"]*)">')


@dataclass
class Browser:
    """A browser, signed in if it has a session."""

    server: RunningServer
    session: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, target: str) -> Answer:
        """Open an address."""
        return send(self.server, b"", self._headers(), method="GET", target=target)

    def post(self, target: str, fields: dict[str, str], **headers: str) -> Answer:
        """Send a form of one of our pages."""
        given = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": self.server.url,
            "Sec-Fetch-Site": "same-origin",
            **headers,
        }
        return send(self.server, urlencode(fields).encode(), self._headers() | given, target=target)

    def _headers(self) -> dict[str, str]:
        cookie = {"Cookie": f"{COOKIE}={self.session}"} if self.session else {}
        return {"Accept": "text/html,application/xhtml+xml", **cookie, **self.headers}


def handle_in(page: Answer) -> str:
    """Return the sealed value of the form in a page."""
    found = _HIDDEN.search(page.text)
    assert found is not None, page.text
    return unescape(found[1])


def query_of(answer: Answer) -> dict[str, str]:
    """Return the members in the query of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
