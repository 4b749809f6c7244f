"""Cases of a parametrized test of which most run in the slow part of the suite."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def quick_first(cases: Iterable[Any], quick: int = 1) -> Sequence[Any]:
    """Mark all cases but the first ones as slow. A case of several arguments is a tuple."""

    def slow(case: Any) -> Any:
        return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)

    all_cases = list(cases)
    return [*all_cases[:quick], *map(slow, all_cases[quick:])]
