"""Every page passes axe's checks, light and wide, dark and narrow, and fits the width of a phone."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.portal.command import Command
from tests.portal.conftest import Portal, Visit

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "phone in the dark": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "color_scheme": "dark"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible(portal: Portal, visit: Visit, look: str) -> None:
    """No violation of WCAG 2.2 A and AA or of axe's best practices on any page, and none is wider than a phone."""
    script = _axe()
    for page in walk(portal, visit, LOOKS[look]):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
        if script is not None:
            page.evaluate(script)
            found = page.evaluate("axe.run(document)")
            assert len(found["passes"]) > 5
            found = found["violations"]
            assert [(page.url, each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
    if script is None:
        pytest.skip("axe-playwright-python is not installed")


def _axe() -> str | None:
    if find_spec("axe_playwright_python") is None:
        return None
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def walk(portal: Portal, visit: Visit, look: dict[str, Any]) -> Iterator[Page]:
    """Go through the pages, one after the other."""
    page = visit(f"{portal.url}/login", **look)
    steps: tuple[Callable[[], Any], ...] = (
        lambda: page.get_by_role("link", name="localhost").click(),
        page.get_by_role("button", name="Get credentials").first.click,
        lambda: page.goto(f"{portal.url}/login/saml/none"),
        lambda: page.goto(f"{portal.url}/device"),
        lambda: type_code(page, Command(portal.url, "device").begun["user_code"]),
        lambda: page.get_by_role("link", name="localhost").click(),
        lambda: page.goto(f"{portal.url}/handover/done"),
    )
    yield page
    for step in steps:
        before = page.locator("h1").text_content()
        step()
        page.wait_for_function("before => document.querySelector('h1')?.textContent !== before", arg=before)
        yield page


def type_code(page: Page, code: str) -> None:
    """Type a code and go on."""
    page.get_by_label("Code").fill(code)
    page.keyboard.press("Enter")
