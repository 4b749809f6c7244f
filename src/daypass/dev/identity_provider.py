"""The identity provider of `daypass dev`.

Owns its page, on which a visitor picks a person, and its address. It asks for no password, so it listens on loopback
only, and refuses requests for other host names: a page elsewhere, whose name was rebound to this machine, cannot read
an assertion. Every assertion goes to the address of the server beside it, whatever the request says.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from daypass.dev.demo_people import PEOPLE, DemoPerson, role_values
from daypass.ports import Clock
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_idp import SamlPage, find_request_id

NAME = "Demonstration identity provider"
WARNING = "For demonstrations only, not for production: every visitor can sign in as every person."
_LARGEST_REQUEST = 65_536
_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{name}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem }}
.warning {{ border: 2px solid #b45309; border-radius: .5rem; padding: .75rem 1rem }}
ul {{ list-style: none; padding: 0 }}
button {{ font: inherit; width: 100%; text-align: left; padding: .75rem 1rem; margin: .25rem 0; cursor: pointer;
  color: inherit; background: Canvas; border: 1px solid GrayText; border-radius: .5rem }}
button:hover, button:focus-visible {{ border-color: #0f766e; outline: 2px solid #0f766e }}
h1 {{ font-size: 1.75rem; line-height: 1.2 }}
</style></head>
<body><main><h1>{name}</h1>
<p class="warning" role="note"><strong>{warning}</strong></p>
<p>{question}</p>
<ul>{people}</ul>
</main></body></html>
"""
_PERSON = """<li><form method="post" action="{consumer}">
<input type="hidden" name="SAMLResponse" value="{response}"><input type="hidden" name="RelayState" value="{relay}">
<button>{name}<br><small>{email}: {groups}</small></button></form></li>"""


@dataclass(frozen=True, slots=True)
class DemoIdentityProvider:
    """An identity provider at `url`, whose assertions go to `consumer`.

    `behaviour` has the failures that tests ask for.
    """

    url: str
    consumer: str
    saml: SamlIdentityProvider
    clock: Clock
    behaviour: SamlPage = field(default_factory=SamlPage)

    @property
    def metadata(self) -> str:
        """Return the metadata document, which the server registers."""
        return self.saml.metadata_xml()

    def page(self, request_id: str, relay: str) -> str:
        """Return the page with one button for each person."""
        if not request_id:
            question = "Begin at the sign-in page of the server: it sends you here."
            return _PAGE.format(name=NAME, warning=WARNING, question=question, people="")
        people = "".join(self._button(person, request_id, relay) for person in PEOPLE)
        return _PAGE.format(name=NAME, warning=WARNING, question="Who do you want to be?", people=people)

    def assertion(self, person: DemoPerson, request_id: str) -> Assertion:
        """Return the assertion about a person, with the roles of their groups."""
        return Assertion(
            roles=tuple(role_values(person)),
            session_name=person.email,
            name_id=person.email,
            recipient=self.consumer,
            audiences=(self.consumer.removesuffix("/saml") + "/saml/metadata.xml",),
            tags={"groups": " ".join(person.groups)} if person.groups else {},
            in_response_to=self.behaviour.in_response_to(request_id),
        )

    def response(self, assertion: Assertion) -> str:
        """Return the response with an assertion, signed as the behaviour says."""
        if self.behaviour.fails:
            return self.saml.failure(now=self.clock.now())
        return self.saml.response(assertion, now=self.clock.now(), signed=self.behaviour.signed, how=self.behaviour.how)

    def _button(self, person: DemoPerson, request_id: str, relay: str) -> str:
        return _PERSON.format(
            consumer=escape(self.consumer),
            response=self.response(self.assertion(person, request_id)),
            relay=escape(relay),
            name=escape(person.name),
            email=escape(person.email),
            groups=escape(", ".join(person.groups) or "in no group"),
        )


@contextmanager
def running_identity_provider(host: str, port: int, consumer: str, clock: Clock) -> Iterator[DemoIdentityProvider]:
    """Serve the identity provider from a thread until the context ends.

    Raises OSError if the address is in use.
    """
    server = ThreadingHTTPServer((host, port), _Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.stopping = threading.Event()  # type: ignore[attr-defined] # for the handler
    url = f"http://{host}:{server.server_address[1]}"
    provider = DemoIdentityProvider(url, consumer, SamlIdentityProvider(url), clock)
    server.provider = provider  # type: ignore[attr-defined] # for the handler
    thread = threading.Thread(target=server.serve_forever, name="identity-provider", daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.stopping.set()  # type: ignore[attr-defined] # for the handler
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self) -> None:
        """Answer the redirect from the sign-in page."""
        provider: DemoIdentityProvider = self.server.provider  # type: ignore[attr-defined]
        if self.headers.get_all("Host") != [urlsplit(provider.url).netloc] or len(self.path) > _LARGEST_REQUEST:
            self._answer(400, "<!doctype html><title>Refused</title><p>Open this page at its own address.")
            return
        address = urlsplit(self.path)
        if address.path not in {"/", "/sso"}:
            self._answer(404, "<!doctype html><title>Not found</title><p>Page not found.")
            return
        wrong = provider.behaviour.answer
        if wrong.silence and self.server.stopping.wait(wrong.silence):  # type: ignore[attr-defined] # set at the start
            return
        if wrong.body is not None:
            self._answer(wrong.status, wrong.body.decode())
            return
        fields = parse_qs(address.query)
        request_id = find_request_id(fields.get("SAMLRequest", [""])[0])
        self._answer(200, provider.page(request_id, fields.get("RelayState", [""])[0]))

    def _answer(self, status: int, page: str) -> None:
        provider: DemoIdentityProvider = self.server.provider  # type: ignore[attr-defined]
        body = page.encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", f"{_POLICY}; form-action {provider.consumer}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the addresses contain requests of people."""
