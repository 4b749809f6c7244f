"""Words that came from elsewhere, made fit to be shown on a terminal. Pure."""

import re

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MOST = 2_000


def printable(text: object) -> str:
    """Return a text on one line, without what could move a cursor, recolour a screen or turn the reading direction."""
    return _UNFIT.sub(" ", str(text))[:_MOST].strip()


def harmless(text: str) -> str:
    """Return a text of several lines that a terminal shows and does not obey. Lines and tabs stay."""
    return _OBEYED.sub("\ufffd", text)


def visible(text: str) -> str:
    """Return a text whose unprintable characters, line breaks too, are shown as U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def reason(error: object) -> str:
    """Return why something failed in the system's words, without its number."""
    return printable(getattr(error, "strerror", "") or error)


def sentence(text: str) -> str:
    """Return a text that ends as a sentence does."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
