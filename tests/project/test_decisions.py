"""The pages of docs/decisions have a number, a date and a status, and mentions of them are valid."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "docs" / "decisions"
_OTHERS = frozenset({"README.md", "template.md"})
_PAGES = sorted(path.name for path in _FOLDER.glob("*.md") if path.name not in _OTHERS)
_HEADER = re.compile(r"# \S.*\n\nDate: (20\d\d-[01]\d-[0-3]\d)\. Status: (proposed|accepted|superseded by \d{4})\.\n\n")
_MENTION = re.compile(r"decisions/([\w-]+\.md)")


def test_pages_are_numbered_without_a_gap() -> None:
    """The pages are 0001, 0002 and so on, each number once."""
    assert [name[:5] for name in _PAGES] == [f"{number:04}-" for number in range(1, len(_PAGES) + 1)]


@pytest.mark.parametrize("name", _PAGES)
def test_a_page_has_a_date_and_a_status_that_the_index_repeats(name: str) -> None:
    """A page starts with its title, its date and its status, and has one line in the index."""
    header = _HEADER.match((_FOLDER / name).read_text(encoding="utf-8"))
    assert header, "write `Date: YYYY-MM-DD. Status: accepted.` below the title"
    index = (_FOLDER / "README.md").read_text(encoding="utf-8")
    row = rf"\| {name[:4]} \| \[[^\]]+\]\({re.escape(name)}\) \| {header[1]} \| {header[2]} \|"
    assert len(re.findall(rf"^{row}$", index, re.MULTILINE)) == 1


def _mentions() -> Iterator[tuple[str, str]]:
    """Yield each file that mentions a page of decisions, with the page's name."""
    trees = (_ROOT / name for name in ("src", "tests", "bench", "demo", "docs", "changes"))
    paths = [path for tree in trees for path in tree.rglob("*") if path.suffix in {".py", ".md"}]
    for path in [*paths, *_ROOT.glob("*.md")]:
        for match in _MENTION.finditer(path.read_text(encoding="utf-8")):
            yield str(path.relative_to(_ROOT)), match[1]


def test_every_mention_of_a_page_names_one_that_exists() -> None:
    """A docstring, a comment or a document that mentions a page has its present name."""
    known = {*_PAGES, *_OTHERS}
    assert [f"{place}: {name}" for place, name in _mentions() if name not in known] == []
