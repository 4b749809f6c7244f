"""Derived values of one snapshot of the store, for commands.

Commands read many of them and then end.
"""

from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple, cast

from daypass.directory.store import Reader

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


_MOST_KEPT = 10_000  # values; the snapshot does not change, so a forgotten one is loaded again


class SnapshotViews:
    """Views with the interface of the server's cache, for one snapshot."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._found: dict[Any, Any] = {}

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the result of `loader` for the snapshot."""
        key = (loader, args)
        if key not in self._found:
            value = loader(self.reader, *args)  # it may ask for other values
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[key] = value
        return cast("T", self._found[key])
