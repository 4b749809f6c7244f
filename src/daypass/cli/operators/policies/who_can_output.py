"""The output of `daypass explain --who-can`, one principal after another.

A store may have more principals that can assume a role than fit into memory or on a screen. A limited list says so,
with the number of users and roles that may have a way.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from daypass.authorize.who_can import Way
from daypass.cli.operators.policies.explain_json import show_way
from daypass.cli.operators.policies.explain_text import way_lines

TEXT_LIMIT = 1_000  # more is not read on a screen; JSON has no limit by default


class LimitedWays:
    """The first ways of a list, and whether there are more.

    A limit of 0 means all.
    """

    def __init__(self, ways: Iterable[Way], limit: int, count_candidates: Callable[[], int]) -> None:
        self._ways = iter(ways)
        self._limit = limit
        self._count_candidates = count_candidates

    def first(self) -> Iterator[Way]:
        """Yield the ways up to the limit."""
        return islice(self._ways, self._limit) if self._limit else self._ways

    def more(self) -> int:
        """Return the number of users and roles that may have a way.

        Returns 0 if all ways were yielded.
        """
        if next(self._ways, None) is None:
            return 0
        return self._count_candidates()


def text_lines(action: str, role: str, ways: LimitedWays, limit: int) -> Iterator[str]:
    """Yield the lines of the text."""
    yield from way_lines(action, role, ways.first())
    number = ways.more()
    if number:
        yield ""
        yield (
            f"MORE PRINCIPALS CAN: these are the first {limit:,}. Of {number:,} users and roles, the trust policy and "
            "their own policies may allow it. --limit 0 lists all that can."
        )


def json_pieces(action: str, role: str, ways: LimitedWays) -> Iterator[str]:
    """Yield the JSON document.

    Its last member exists only if the list was limited.
    """
    head = json.dumps({"Action": action, "Role": role}, indent=2, ensure_ascii=False)
    yield head.removesuffix("\n}") + ',\n  "Principals": ['
    separator, end = "\n", "]"
    for way in ways.first():
        shown = json.dumps(show_way(way), indent=2, ensure_ascii=False)
        yield f"{separator}    " + shown.replace("\n", "\n    ")
        separator, end = ",\n", "\n  ]"
    number = ways.more()
    yield end + (f',\n  "MoreOfCandidates": {number}' if number else "") + "\n}\n"
