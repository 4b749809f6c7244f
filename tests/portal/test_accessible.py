"""Every page passes axe in desktop and phone size, light and dark, and fits the width of a phone."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.portal.conftest import Visit
from tests.portal.gallery import JOURNEYS, Scene, scene

# Twenty-five pages in four variants take longer than all other tests of the portal, and change rarely.
pytestmark = pytest.mark.slow

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
# The rules that depend on colours; all others give the same result in dark mode.
EVERYTHING = {"resultTypes": ["violations"]}
COLOURS = {**EVERYTHING, "runOnly": ["color-contrast", "link-in-text-block"]}
LOOKS: tuple[tuple[str, Any, Any], ...] = (
    ("light", DESK, EVERYTHING),
    ("dark", DESK, COLOURS),
    ("dark", PHONE, EVERYTHING),
    ("light", PHONE, COLOURS),
)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run the scene."""
    with scene(tmp_path_factory.mktemp("gallery")) as running:
        yield running


@pytest.mark.parametrize("journey", JOURNEYS)
def test_every_page_is_accessible(there: Scene, visit: Visit, journey: str) -> None:
    """WCAG 2.2 A and AA and axe's best practices have no violation, and no page is wider than a phone."""
    script = _axe()
    problems = []
    for name, page in JOURNEYS[journey](there, visit, {}):
        if script is not None:
            page.evaluate(script)
        for scheme, size, rules in LOOKS:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size(size)
            problems += [f"{name}, {scheme}, {size['width']}: {each}" for each in _problems(page, script, rules)]
        page.set_viewport_size(DESK)  # type: ignore[arg-type]
    assert problems == []
    if script is None:
        pytest.skip("axe-playwright-python is not installed")


def _problems(page: Page, script: str | None, rules: dict[str, Any]) -> Iterator[str]:
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield f"wider than the screen at {page.url}"
    if script is not None:
        found = page.evaluate("rules => axe.run(document, rules)", rules)
        assert len(found["passes"]) > (5 if rules is EVERYTHING else 0)
        for each in found["violations"]:
            yield f"{each['id']}: {[node['html'] for node in each['nodes']]}"


def _axe() -> str | None:
    if find_spec("axe_playwright_python") is None:
        return None
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
