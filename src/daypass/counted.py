"""Numbers with their noun, for messages. Pure."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 line`, `2 lines` or `12,000 lines`.

    `plural` is for a noun that does not take an s.
    """
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
