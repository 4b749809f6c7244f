"""What a cache may assume of the values of a loader.

Owns the marks, which the modules of the loaders set and the cache reads. A loader is a plain function of a Reader, see
`Views` in store.py.
"""

from collections.abc import Callable
from typing import Any, TypeVar

L = TypeVar("L", bound=Callable[..., object])
_LITTLE: set[Callable[..., object]] = set()


def keeps_little(loader: L) -> L:
    """Mark a loader whose value is small even if its records are large.

    Without the mark a cache assumes that a value is as large as its records.
    """
    _LITTLE.add(loader)
    return loader


def is_little(loader: Callable[..., object]) -> bool:
    """Return whether a loader is marked as one with small values."""
    return loader in _LITTLE


_SHORT: set[Callable[..., object]] = set()


def short_load(loader: L) -> L:
    """Mark a loader that the event loop may run.

    Its work is in proportion to the bytes that it reads from the store. A loader that compiles documents from another
    source, such as AWS's own policies, must not have the mark.
    """
    _SHORT.add(loader)
    return loader


def is_short(loader: Callable[..., object]) -> bool:
    """Return whether a loader is marked as one that the event loop may run."""
    return loader in _SHORT


_MEASURES: dict[Callable[..., object], Callable[[Any], int]] = {}


def measured_by(measure: Callable[[Any], int]) -> Callable[[L], L]:
    """Mark a loader whose values have a size of their own.

    `measure` returns the size of a value in bytes. Without the mark a cache estimates it from the records.
    """

    def mark(loader: L) -> L:
        _MEASURES[loader] = measure
        return loader

    return mark


def find_measure(loader: Callable[..., object]) -> Callable[[Any], int] | None:
    """Return the function that measures the values of a loader, or None."""
    return _MEASURES.get(loader)


_CHARGED: dict[Callable[..., object], int] = {}


def charged_to(place: int) -> Callable[[L], L]:
    """Mark a loader whose values count for the account in an argument.

    `place` is the argument's position. A cache divides its capacity among accounts. Without the mark, a value counts
    for the account of its records.
    """

    def mark(loader: L) -> L:
        _CHARGED[loader] = place
        return loader

    return mark


def charged_argument(loader: Callable[..., object]) -> int | None:
    """Return the position of the argument with the account to charge.

    Returns None if they count for the account of their records.
    """
    return _CHARGED.get(loader)
