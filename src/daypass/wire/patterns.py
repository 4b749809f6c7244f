r"""Translate the service models' patterns from Java to Python.

Java's `\w`, `\d` and `\s` are ASCII by default; Java's `matches` is Python's `fullmatch`; `\uXXXX` is the same in both.
Only the Unicode categories need a translation. Python's `\w` for strings is exactly the union of the categories L and N
with the underscore; a test verifies that for every code point.
"""

import re
from collections.abc import Callable, Mapping

_CATEGORIES: Mapping[str, str] = {
    r"\p{L}\p{Z}\p{N}_": r"\w\u0020\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000",
}


def compile_pattern(pattern: str) -> Callable[[str], object]:
    """Return the test of a Java pattern.

    It is truthy for a string that matches as a whole. Raises ValueError for a category that is not in the table.
    """
    flags = re.ASCII
    translated = pattern
    for java, python in _CATEGORIES.items():
        if java in translated:
            translated, flags = translated.replace(java, python), re.UNICODE
    if r"\p" in translated:
        raise ValueError(f"a pattern uses a category that has no translation: {pattern}")
    return re.compile(translated, flags).fullmatch
