"""A dictionary that drops its oldest entries when it is full.

Caches with weights or a second chance own these rules themselves.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMemory(Generic[K, V]):
    """A thread-safe dictionary with at most `capacity` entries.

    Calls are atomic steps of the interpreter, if keys have built-in hash and equality, such as strings and tuples of
    strings.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()
        self.get = self._values.get  # bound once: signature checks call it for every request
        self.pop = self._values.pop

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: K, value: V) -> V:
        """Store a value and return it. Drops the oldest entries first if full."""
        while len(self._values) >= self._capacity:
            try:
                self._values.popitem(last=False)
            except KeyError:  # Another thread removed the last one.
                break
        self._values[key] = value
        return value
