"""The representation of values that hold keys, tokens or signatures.

Owns the two methods that show the name of the class alone: for repr() and log files, and for the tracebacks of rich,
which read a struct's members by themselves. Leaves the choice to each class.
"""

from typing import Any


def hidden_repr(value: object) -> str:
    """Return the name of the class, as `__repr__`."""
    return f"<{type(value).__name__}>"


def hidden_rich_repr(_value: object) -> list[tuple[str, Any]]:
    """Return no members, as `__rich_repr__`."""
    return []
