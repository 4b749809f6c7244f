"""A small identity provider with pages: it reads an AuthnRequest and posts a response."""

import base64
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from html import escape
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lxml import etree
from tests.http_servers import HttpRequest, HttpSite

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
        self._http = HttpSite(self._answer, tls=self.tls).__enter__()
        self.url = self._http.url.replace("127.0.0.1", "localhost")
        self.idp = SamlIdentityProvider(self.url, keys=[self.key])
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def _answer(self, request: HttpRequest) -> None:
        is_form = request.command == "POST"
        fields = parse_qs(request.body().decode() if is_form else urlsplit(request.path).query)
        if is_form and self.moves_to:
            request.reply(307, Location=self.moves_to)
            return
        self.addresses.append(request.path)
        page = self.page(fields, inflate=not is_form).encode()
        request.reply(200, page, Content_Type="text/html; charset=utf-8")

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
