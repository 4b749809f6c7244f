"""Derived values of one snapshot of the store, for commands that ask much of it and then end.

Owns nothing but remembering what was loaded.
"""

from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple, cast

from daypass.directory.store import Reader

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class SnapshotViews:
    """Answers as the server's cache does, from one snapshot."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._found: dict[Any, Any] = {}

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return what `loader` makes of the snapshot."""
        key = (loader, args)
        if key not in self._found:
            self._found[key] = loader(self.reader, *args)
        return cast("T", self._found[key])
