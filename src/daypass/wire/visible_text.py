"""Show untrusted strings on a page without hidden characters.

Owns the list of characters that are escaped: those that change the direction of writing, have no width, or control a
terminal. Otherwise the author of a session name or a program name could make one line look like another. The templates
escape markup.
Source: Unicode Technical Report 36, "Bidirectional Text Spoofing".
"""

import re
import unicodedata

# Control, format, surrogate, private, unassigned; line and paragraph separator.
_SPELLED_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANKS = re.compile(r"[ \t\r\n]+")
_PRINTABLE = re.compile(r"[ -~]*")
# Combining marks: a few form a letter, hundreds cover the lines around it.
_MOST_MARKS = 4


def visible(text: str, most: int = 0) -> str:
    """Return a string in one line without hidden characters.

    It is cut to `most` characters unless that is 0.
    """
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
