"""Find, among many statements, the few that can apply to a resource.

Owns an index by the literal prefix of Resource patterns. It excludes only statements that cannot apply.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

_FEW = 6  # for so few statements a test of each is faster than a lookup


class HasHeads(Protocol):
    """A statement that can be indexed.

    Its resources start with one of its heads.
    """

    @property
    def heads(self) -> tuple[str, ...]:
        """Return the literal prefixes, "" for a pattern without one."""
        ...


S = TypeVar("S", bound=HasHeads)


@dataclass(frozen=True, slots=True)
class ResourceIndex(Generic[S]):
    """Statements, by the prefixes of their resources.

    `few` contains all of them if they are few.
    """

    few: tuple[S, ...] | None
    by_length: tuple[tuple[int, Mapping[str, tuple[S, ...]]], ...]

    @classmethod
    def of(cls, statements: Iterable[S]) -> Self:
        """Index the statements."""
        everything = tuple(statements)
        if len(everything) <= _FEW:
            return cls(everything, ())
        groups: dict[int, dict[str, list[S]]] = {}
        for statement in everything:
            for head in dict.fromkeys(statement.heads):
                groups.setdefault(len(head), {}).setdefault(head, []).append(statement)
        return cls(
            None,
            tuple(
                (length, {head: tuple(found) for head, found in groups[length].items()}) for length in sorted(groups)
            ),
        )

    def candidates_for(self, resource: str) -> Sequence[S]:
        """Return the statements that may apply to `resource`."""
        if self.few is not None:
            return self.few
        first: Sequence[S] = ()
        more: list[S] = []
        for length, by_head in self.by_length:
            some = by_head.get(resource[:length])
            if some is not None:
                if first:
                    more += some
                else:
                    first = some
        return [*first, *more] if more else first
