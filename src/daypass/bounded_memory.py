"""A dictionary that forgets its oldest entries when it is full.

Owns the bound on the number of entries. Entries with a weight, or with a second chance, belong to the caches that have
such rules.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMemory(Generic[K, V]):
    """At most `capacity` entries. Threads may share it: each call is one step of the interpreter, or several safe ones.

    Use keys whose hash and equality are built in, such as texts and tuples of texts.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()
        self.get = self._values.get  # bound once: signature checks call it at every request
        self.pop = self._values.pop

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: K, value: V) -> V:
        """Remember a value as the newest, and return it. The oldest leave where there is no room."""
        while len(self._values) >= self._capacity:
            try:
                self._values.popitem(last=False)
            except KeyError:  # Another thread took the last one out.
                break
        self._values[key] = value
        return value
