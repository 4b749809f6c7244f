"""Text as both databases hold, index and order it: UTF-8, no NUL, not too long, by code point. Pure."""

from daypass.errors import ValidationError

MAX_BYTES = 1000  # two such texts and a kind fit into one row of a PostgreSQL index (2,704 bytes)
_FIRST_SURROGATE, _LAST_SURROGATE, _LAST = 0xD800, 0xDFFF, 0x10FFFF


def is_storable(*texts: str | None) -> bool:
    """Tell whether every text can be held and indexed."""
    return all(text is None or _is_storable(text) for text in texts)


class UnstorableTextError(ValidationError, ValueError):
    """A name that no store can hold. Operations refuse it before in AWS's words; this is the last gate."""


def require_storable(*texts: str | None) -> None:
    """Raise UnstorableTextError for a text that cannot be held."""
    if not is_storable(*texts):
        raise UnstorableTextError(
            f"A name to be stored holds NUL or a lone surrogate, or exceeds {MAX_BYTES} bytes; choose another one."
        )


def end_of_prefix(prefix: str) -> str | None:
    """Return the least text that is greater than all that begin with `prefix`; None when there is none."""
    stem = prefix.rstrip(chr(_LAST))
    if not stem:
        return None
    following = ord(stem[-1]) + 1
    if _FIRST_SURROGATE <= following <= _LAST_SURROGATE:
        following = _LAST_SURROGATE + 1
    return stem[:-1] + chr(following)


def _is_storable(text: str) -> bool:
    if len(text) > MAX_BYTES or "\0" in text:
        return False
    if text.isascii():
        return True
    if any(_FIRST_SURROGATE <= ord(character) <= _LAST_SURROGATE for character in text):
        return False
    return len(text.encode()) <= MAX_BYTES
