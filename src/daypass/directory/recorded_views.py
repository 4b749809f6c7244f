"""The cached values that another value was derived from.

A reader may keep what it derived for as long as each of them is. Owns the record of the values and their comparison, by
identity: a change of the store makes the cache load new values. Leaves the freshness of the cache to its views.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, TypeVarTuple, cast

from daypass.directory.store import Reader, Views

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# A loader, its arguments, and the value that it returned.
CachedValue = tuple[Any, tuple[Hashable, ...], Any]


class RecordedViews:
    """Remembers each value that it returns."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.read: list[CachedValue] = []

    def get(self, loader: Callable[[Reader, *Ts], T], *args: *Ts) -> T:
        """Return the present value of `loader`."""
        value = self._views.get(loader, *args)
        self.read.append((loader, cast("tuple[Hashable, ...]", args), value))
        return value


def are_present(values: tuple[CachedValue, ...], views: Views) -> bool:
    """Return whether each value is the present one.

    They are compared by identity: an equal value that was loaded again counts as another.
    """
    get = views.get
    return all(get(loader, *args) is value for loader, args, value in values)
