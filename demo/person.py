"""A person with a browser, for the parts of the demonstration that need one.

It opens pages, follows links and clicks buttons by their words, and keeps cookies. It has no scripts: the pages work
without them. Run as a program, it plays the person to whom a command opens a page.
"""

import sys
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

from demo.stage import DemoError
from lxml import html

_PATIENCE = 30.0  # seconds
NAME = "Dev Developer"


@dataclass
class Person:
    """A browser. `page` is the page that it shows, `url` its address."""

    url: str = ""
    page: Any = None

    def __post_init__(self) -> None:
        # Like Chromium and Firefox, it treats this machine as secure.
        policy = DefaultCookiePolicy(secure_protocols=("http", "https"))
        cookies = HTTPCookieProcessor()
        cookies.cookiejar.set_policy(policy)
        self._opener = build_opener(cookies)

    @property
    def title(self) -> str:
        """The heading of the page."""
        return " ".join(self.page.findtext(".//h1", "").split())

    def open(self, url: str) -> None:
        """Open an address."""
        self._show(Request(url))  # noqa: S310 - of the demonstration

    def follow(self, beginning: str) -> None:
        """Click on the first link whose address has this beginning."""
        for link in self.page.iter("a"):
            if link.get("href", "").startswith(beginning):
                self.open(urljoin(self.url, link.get("href")))
                return
        raise DemoError(f"the page does not have a link to {beginning}: {self.title!r}")

    def click(self, words: str, *, of: str = "") -> None:
        """Click on the first button with these words whose value contains `of`."""
        for button in self.page.iter("button"):
            if words in button.text_content() and of in button.get("value", ""):
                self._submit(button)
                return
        raise DemoError(f"the page does not have the button {words!r}: {self.title!r}")

    def sign_in(self, name: str = NAME) -> None:
        """Sign in at the demonstration's identity provider, if the page wants it."""
        if any(link.get("href", "").startswith("/login/saml/") for link in self.page.iter("a")):
            self.follow("/login/saml/")
            self.click(name)

    def _submit(self, button: Any) -> None:
        name = button.get("form")
        form = self.page.get_element_by_id(name) if name else next(button.iterancestors("form"))
        fields = {field.get("name"): field.get("value", "") for field in form.iter("input") if field.get("name")}
        for choice in self.page.iter("select"):
            if choice.get("form") == name or form in choice.iterancestors():
                fields[choice.get("name")] = choice.value
        if button.get("name"):
            fields[button.get("name")] = button.get("value", "")
        target = urljoin(self.url, form.get("action") or self.url)
        body = urlencode(fields).encode()
        self._show(Request(target, body, {"Sec-Fetch-Site": "same-origin"}))  # noqa: S310 - of the demonstration

    def _show(self, request: Request) -> None:
        request.add_header("Accept", "text/html")
        with self._opener.open(request, timeout=_PATIENCE) as answer:
            self.url, self.page = answer.geturl(), html.fromstring(answer.read() or b"<p></p>")


def main() -> None:
    """Approve the program that opened a page, with the role of the second argument."""
    url, role = sys.argv[1:3]
    person = Person()
    person.open(url)
    person.sign_in()
    person.click("Approve sign-in", of=role)


if __name__ == "__main__":
    main()
