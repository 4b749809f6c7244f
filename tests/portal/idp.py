"""A small identity provider with pages: it reads an AuthnRequest and posts a response."""

import base64
import ssl
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair

_FORM = """<!doctype html><title>Identity provider</title>
<form method="post" action="{consumer}"><input type="hidden" name="SAMLResponse" value="{response}">
<input type="hidden" name="RelayState" value="{relay}"><button>Continue as {who}</button></form>{script}"""
_SCRIPT = "<script>document.forms[0].submit()</script>"


@dataclass
class IdpSite:
    """Pages on http://localhost, which is cross-site to 127.0.0.1, like a real provider.

    `assertion` is the assertion about every visitor. `answers` changes the InResponseTo; `waits` requires a click.
    `seen` records the requests and `addresses` their URLs. With `moves_to` a form is redirected to another address with
    its data, like providers that sign people in on another host.
    """

    key: KeyPair
    consumer: str
    now: Callable[[], datetime]
    assertion: Assertion = field(default_factory=Assertion)
    answers: Callable[[str], str | None] = lambda asked: asked or None
    waits: bool = False
    seen: list[Any] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    moves_to: str = ""
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> Self:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                self.answer(query, inflate=True)

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if site.moves_to:
                    self.send_response(307)
                    self.send_header("Location", site.moves_to)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.answer(parse_qs(form), inflate=False)

            def answer(self, fields: Mapping[str, list[str]], *, inflate: bool) -> None:
                site.addresses.append(self.path)
                body = site.page(fields, inflate=inflate).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Suppress the log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'' if self.tls is None else 's'}://localhost:{self.server.server_port}"
        self.idp = SamlIdentityProvider(self.url, keys=[self.key])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def page(self, fields: Mapping[str, list[str]], *, inflate: bool) -> str:
        """Return the page that posts a response to a request, or an unsolicited one."""
        asked = ""
        if "SAMLRequest" in fields:
            sent = base64.b64decode(fields["SAMLRequest"][0])
            request = etree.fromstring(zlib.decompress(sent, -15) if inflate else sent)
            self.seen.append(request)
            asked = request.get("ID") or ""
        assertion = replace(self.assertion, recipient=self.consumer, in_response_to=self.answers(asked))
        response = self.idp.response(assertion, now=self.now())
        return _FORM.format(
            consumer=escape(self.consumer),
            response=response,
            relay=escape(fields.get("RelayState", [""])[0]),
            who=escape(assertion.name_id),
            script="" if self.waits else _SCRIPT,
        )
