"""A browser without a screen.

It stores cookies as browsers do, finds the forms of a page and sends them.
"""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urljoin

from lxml import html

PAGE = "text/html,application/xhtml+xml,*/*;q=0.8"
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """An answer of the server."""

    url: str
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def document(self) -> Any:
        """The answer as JSON."""
        return json.loads(self.text)

    @property
    def forms(self) -> list[tuple[str, dict[str, str]]]:
        """The forms of the page: the target of each, and its fields."""
        tree = html.fromstring(self.text)
        return [
            (
                urljoin(self.url, form.get("action", "")),
                {field.get("name", ""): field.get("value", "") for field in form.iter("input")},
            )
            for form in tree.iter("form")
        ]


class Browser:
    """Sends forms. A secure cookie is only sent over secure connections."""

    def __init__(self, authority: bytes | None = None) -> None:
        self.cookies = CookieJar()
        context = ssl.create_default_context(cadata=None if authority is None else authority.decode())
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def send(
        self, url: str, fields: Mapping[str, str] | bytes | None = None, *, accept: str = PAGE, **headers: str
    ) -> Answer:
        """Post a form, or get a page if there are no fields."""
        body = urlencode(fields).encode() if isinstance(fields, Mapping) else fields
        given = {"Accept": accept, **{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(url, data=body, headers=given)  # noqa: S310 - the test's own server
        try:
            answer = self._opener.open(request, timeout=30)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            folded = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(url, answer.status, folded, answer.read().decode())
