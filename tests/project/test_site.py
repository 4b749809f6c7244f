"""`make docs` builds the site without a warning, and a browser reads it without a network."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.portal.conftest import chromium

__all__ = ["chromium"]  # a fixture

_ROOT = Path(__file__).parents[2]
_PHONE = {"width": 390, "height": 800}

pytestmark = [pytest.mark.slow, pytest.mark.component("sphinx"), pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site from the pages of the checkout alone, and return its folder."""
    copy = tmp_path_factory.mktemp("site")
    shutil.copytree(_ROOT / "docs", copy / "docs")
    for file in (*_ROOT.glob("*.md"), _ROOT / ".ci" / "docs", _ROOT / ".ci" / "docs-constraints.txt"):
        target = copy / file.relative_to(_ROOT)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    (copy / "build").mkdir()
    (copy / "build" / "docs-python").symlink_to(_ROOT / "build" / "docs-python")
    done = subprocess.run(
        [copy / ".ci" / "docs"], capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return copy / "build" / "docs"


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """Open a page that notes each address outside of the site and each error of a script."""
    context = chromium.new_context(viewport=_PHONE)
    opened = context.new_page()
    opened.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    yield opened
    context.close()


def test_every_page_is_built(site: Path) -> None:
    """Each Markdown page has a page of the site, and no page loads a part from another address."""
    pages = [path.relative_to(_ROOT / "docs").with_suffix(".html") for path in (_ROOT / "docs").rglob("*.md")]
    assert [name for name in map(str, pages) if not (site / name).exists()] == []
    for built in site.rglob("*.html"):
        text = built.read_text(encoding="utf-8")
        assert 'src="http' not in text, built
        assert 'rel="stylesheet" type="text/css" href="http' not in text, built


def test_a_phone_reads_the_index(site: Path, page: Page) -> None:
    """The picture is loaded, nothing is wider than the screen, and no request leaves the site."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"file://{site}/index.html")
    assert page.evaluate("document.images.length > 0 && [...document.images].every(each => each.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth") <= _PHONE["width"]
    assert [address for address in addresses if not address.startswith(("file:", "data:"))] == []


def test_the_search_works_without_a_network(site: Path, page: Page) -> None:
    """A search for a setting finds the reference of settings."""
    page.goto(f"file://{site}/search.html?q=unsigned_calls_per_minute")
    page.wait_for_selector("ul.search a[href*='settings.html']")
