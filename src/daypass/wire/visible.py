"""Texts of strangers as a page may show them: what a reader sees is what is there.

Owns which characters are spelled out: those that turn the direction of writing, have no width, or control a terminal.
Whoever names a session or a program could otherwise make a line read as another. Markup is the template's matter.
Source: Unicode Technical Report 36, "Bidirectional Text Spoofing".
"""

import re
import unicodedata

# Control, format, surrogate, private, unassigned; line and paragraph separator.
_SPELLED_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANKS = re.compile(r"[ \t\r\n]+")
_PRINTABLE = re.compile(r"[ -~]*")
# Marks that are put upon a letter: a few make a letter, hundreds paint over the lines around it.
_MOST_MARKS = 4


def visible(text: str, most: int = 0) -> str:
    """Return a text in one line without hidden characters, cut to `most` characters where that is not 0."""
    text = _BLANKS.sub(" ", text if not most else text[: 4 * most]).strip()
    if not _PRINTABLE.fullmatch(text):
        text = "".join(_shown(text))
    return text if not most or len(text) <= most else f"{text[: most - 1]}…"


def _shown(text: str) -> list[str]:
    shown, marks = list[str](), 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        is_hidden = category in _SPELLED_OUT or marks > _MOST_MARKS
        shown.append(f"\\u{{{ord(character):x}}}" if is_hidden else character)
    return shown
