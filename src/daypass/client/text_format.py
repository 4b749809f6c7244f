"""Make untrusted strings safe to print on a terminal. Pure."""

import re

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MOST = 2_000


def printable(text: object) -> str:
    """Return a string on one line, without control characters.

    Bidirectional ones are removed too.
    """
    return _UNFIT.sub(" ", str(text))[:_MOST].strip()


def harmless(text: str) -> str:
    """Return a string without control characters except newlines and tabs."""
    return _OBEYED.sub("\ufffd", text)


def visible(text: str) -> str:
    """Return a string with unprintable characters replaced by U+FFFD.

    Newlines are replaced too.
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def reason(error: object) -> str:
    """Return the system's message for an error, without its number."""
    return printable(getattr(error, "strerror", "") or error)


def sentence(text: str) -> str:
    """Return a string that ends with a punctuation mark."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
