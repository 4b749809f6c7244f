"""Strings that both databases can store, index and order. Pure.

They are UTF-8 without NUL, of limited length, ordered by code point.
"""

from daypass.errors import ValidationError

MAX_BYTES = 1000  # two such strings and a kind fit into one row of a PostgreSQL index (2,704 bytes)
_FIRST_SURROGATE, _LAST_SURROGATE, _LAST = 0xD800, 0xDFFF, 0x10FFFF


def is_storable(*texts: str | None) -> bool:
    """Return whether all strings can be stored and indexed."""
    for text in texts:  # noqa: SIM110 - each read of a store calls this, and a generator takes twice as long
        if text is not None and not _is_storable(text):
            return False
    return True


class UnstorableTextError(ValidationError, ValueError):
    """A name that a store cannot contain.

    Operations refuse it earlier, with AWS's message.
    """


def require_storable(*texts: str | None) -> None:
    """Raise UnstorableTextError for a string that cannot be stored."""
    if not is_storable(*texts):
        raise UnstorableTextError(
            f"A name to be stored contains NUL or a lone surrogate, or exceeds {MAX_BYTES} bytes; choose another one."
        )


def end_of_prefix(prefix: str) -> str | None:
    """Return the least string greater than all that begin with `prefix`.

    Returns None if there is no such string.
    """
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
