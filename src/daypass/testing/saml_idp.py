"""A SAML identity provider with a sign-in page, for tests with a browser.

Owns the page, its people, and the failures of real providers. Leaves assertions and signatures to saml.py. The page
asks for no password.
"""

import base64
import re
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from daypass.testing.oidc import Answer
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import HONEST, KeyPair, Signing

_LARGEST_REQUEST = 262_144
_REQUEST_ID = re.compile(rb"""<[^>]*AuthnRequest[^>]*\sID=["']([A-Za-z0-9_.-]{1,128})["']""")
_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Identity provider for tests</title>
<h1>Identity provider for tests</h1>{forms}</html>"""
_FORM = """<form method="post" action="{consumer}"><input type="hidden" name="SAMLResponse" value="{response}">
<input type="hidden" name="RelayState" value="{relay}"><button>Continue as {who}</button></form>"""


@dataclass(slots=True)
class SamlPage:
    """The behaviour of the page. A test changes it at any time.

    `signed` is `assertion`, `response`, `both` or `none`, and `how` the options of the signature. With `fails`, the
    response says that the sign-in failed. `answer` replaces the page, or delays it. `in_response_to` changes the ID of
    the request in the response.
    """

    signed: str = "assertion"
    how: Signing = HONEST
    fails: bool = False
    answer: Answer = field(default_factory=Answer)
    in_response_to: Callable[[str], str | None] = lambda request_id: request_id or None


class SamlIdp(SamlIdentityProvider):
    """An identity provider on http://localhost, used as a context manager.

    `consumer` is the address of the server that gets the responses. `people` maps the names on the buttons of the page
    to assertions, whose recipient and audience are those of the consumer unless they are set. `now` is the clock.
    `page` has the knobs, and `request_ids` the requests that came.

    >>> with SamlIdp("https://sts.example.com/saml") as idp:
    ...     alice = idp.add_person("alice", tags={"team": "blue"})
    ...     idp.url.startswith("http://localhost:")
    True
    """

    def __init__(
        self,
        consumer: str = "https://signin.aws.amazon.com/saml",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        keys: Sequence[KeyPair] = (),
    ) -> None:
        super().__init__("https://idp.example.org", keys=keys)
        self.consumer = consumer
        self.now = now
        self.people: dict[str, Assertion] = {}
        self.page = SamlPage()
        self.request_ids: list[str] = []
        self.stopping = threading.Event()

    def __enter__(self) -> Self:
        self._server = _IdpServer(self)
        self.url = f"http://localhost:{self._server.server_port}"
        self.entity_id = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_person(self, name: str, assertion: Assertion | None = None, **changes: Any) -> Assertion:
        """Add a button for a person; return the assertion.

        `changes` are members of Assertion. The session name is the name of the person.
        """
        told = replace(assertion or Assertion(session_name=name, name_id=name), **changes)
        self.people[name] = told
        return told

    def sign_in(self, name: str, request_id: str = "") -> str:
        """Return the SAMLResponse of a person, in base64, without the page."""
        if self.page.fails:
            return self.failure(now=self.now())
        told = replace(self.people[name], recipient=self.consumer, in_response_to=self.page.in_response_to(request_id))
        return self.response(told, now=self.now(), signed=self.page.signed, how=self.page.how)

    def html(self, fields: Mapping[str, Sequence[str]], *, inflate: bool) -> str:
        """Return the page for a request, with a button for each person."""
        request_id = find_request_id(fields.get("SAMLRequest", [""])[0], inflate=inflate)
        self.request_ids.append(request_id)
        forms = "".join(
            _FORM.format(
                consumer=escape(self.consumer),
                response=self.sign_in(name, request_id),
                relay=escape(fields.get("RelayState", [""])[0]),
                who=escape(name),
            )
            for name in self.people
        )
        return _PAGE.format(forms=forms)


def find_request_id(encoded: str, *, inflate: bool = True) -> str:
    """Return the ID of an AuthnRequest in a SAMLRequest field, or "".

    The field is in base64, and deflated in a redirect (SAML 2.0 Bindings, section 3.4.4.1).

    >>> find_request_id(base64.b64encode(b'<AuthnRequest ID="_1"/>').decode(), inflate=False)
    '_1'
    """
    try:
        document = base64.b64decode(encoded, validate=True)
        if inflate:
            document = zlib.decompressobj(-15).decompress(document, _LARGEST_REQUEST)
    except (ValueError, zlib.error):
        return ""
    found = _REQUEST_ID.search(document)
    return found[1].decode() if found else ""


class _IdpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, idp: SamlIdp) -> None:
        super().__init__(("127.0.0.1", 0), _IdpHandler)
        self.idp = idp


class _IdpHandler(BaseHTTPRequestHandler):
    """Send the page, or its failure."""

    server: _IdpServer
    timeout = 30

    def do_GET(self) -> None:
        """Answer a request of the redirect binding."""
        self._serve(urlsplit(self.path).query, inflate=True)

    def do_POST(self) -> None:
        """Answer a request of the POST binding."""
        size = min(int(self.headers.get("Content-Length") or 0), _LARGEST_REQUEST)
        self._serve(self.rfile.read(size).decode("ascii", "replace"), inflate=False)

    def _serve(self, query: str, *, inflate: bool) -> None:
        idp = self.server.idp
        answer = idp.page.answer
        if answer.silence and idp.stopping.wait(answer.silence):
            return
        if urlsplit(f"//{self.headers.get('Host', '')}").netloc.rpartition(":")[0] not in _HOSTS:
            # Another name was rebound to this machine: its page must not read an assertion.
            self._send(400, b"Open this page at its own address.", ())
        elif answer.body is not None:
            self._send(answer.status, answer.body, answer.headers)
        elif urlsplit(self.path).path != "/sso":
            self._send(404, b"Page not found.", ())
        else:
            self._send(200, idp.html(parse_qs(query), inflate=inflate).encode(), ())

    def _send(self, status: int, body: bytes, headers: Sequence[tuple[str, str]]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no requests: the test reads `request_ids`."""
