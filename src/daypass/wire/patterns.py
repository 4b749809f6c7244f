r"""Patterns of the service models, which are Java's, as Python's.

Java's `\w`, `\d` and `\s` are ASCII unless told otherwise; Java's `matches` is Python's `fullmatch`; `\uXXXX`
reads alike in both. Only the Unicode categories need translating. Python's `\w` for text is exactly the
union of the categories L and N with the underscore, which a test confirms over every code point.
"""

import re
from collections.abc import Callable, Mapping

_CATEGORIES: Mapping[str, str] = {
    r"\p{L}\p{Z}\p{N}_": r"\w\u0020\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000",
}


def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Return the test of a Java pattern: truthy for a text that it matches as a whole.

    A category that is not in the table is refused, rather than guessed.
    """
    flags = re.ASCII
    translated = pattern
    for java, python in _CATEGORIES.items():
        if java in translated:
            translated, flags = translated.replace(java, python), re.UNICODE
    if r"\p" in translated:
        raise ValueError(f"a pattern uses a category that has no translation: {pattern}")
    return re.compile(translated, flags).fullmatch
