"""Find the links of a Markdown page and the anchors that it has.

Owns the reading of links, and the names of anchors as GitHub and MyST derive them from headings. Leaves the check to
its callers.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_FENCE = re.compile(r"^(```+|~~~+).*?^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!\w+:)([^()\s]*)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_EXPLICIT = re.compile(r'<a id="([^"]+)"></a>')


def prose(path: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the target file and the anchor of each link inside the project."""
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(path))):
        place, _, anchor = target.partition("#")
        yield (path.parent / place if place else path), anchor


@lru_cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a page: those of its headings, and explicit ones."""
    text = prose(path)
    found, seen = set(_EXPLICIT.findall(text)), Counter[str]()
    for heading in _HEADING.findall(text):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(found)


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", words.replace("`", "").strip().lower()).replace(" ", "-")
