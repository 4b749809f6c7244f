"""The work of each operation against the recorded figures.

The counts do not depend on the machine. After a change that is meant to cost less or more, `make costs` records them.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import uvloop
from tests.costs.count import Counts
from tests.costs.loop import loop_server
from tests.costs.recorded import AT_ONCE, figures_of, read_recorded
from tests.costs.subjects import count_subject, make_subjects

_MOST = 1.03  # of the recorded figure
_LEAST = 0.9  # a smaller figure has to be recorded, so that it is kept

_RECORDED = read_recorded()

pytestmark = [
    pytest.mark.skipif(_RECORDED is None, reason="no counts are recorded for this version of Python"),
    pytest.mark.skipif(sys.gettrace() is not None, reason="another program traces this process"),
]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Counts]:
    """Count the work of each operation in one server."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the server; asyncio's own is Python code
        return runner.run(_count_all(tmp_path_factory.mktemp("costs")))


async def _count_all(scratch: Path) -> Mapping[str, Counts]:
    async with loop_server(scratch) as server:
        subjects = [each async for each in make_subjects(server)]
        return {subject.name: await count_subject(server, subject) for subject in subjects}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, own in (_RECORDED or {}).items() for kind in own])
def test_the_work_is_the_recorded_one(counted: Mapping[str, Counts], name: str, kind: str) -> None:
    """The work is at most 3 % more than recorded. After a change that saves a tenth, the record is renewed."""
    found, recorded = figures_of(counted[name])[kind], (_RECORDED or {})[name][kind]
    if kind == AT_ONCE:
        assert found == recorded, f"{name} is {'' if found else 'not '}answered by the event loop"
        return
    assert found <= recorded * _MOST + 1, f"{name} takes {found} {kind}; recorded are {recorded}"
    assert found >= recorded * _LEAST - 1, f"{name} takes {found} {kind} only; `make costs` records it"


def test_each_operation_is_recorded(counted: Mapping[str, Counts]) -> None:
    """Each operation that is counted has recorded figures, and no other has them."""
    assert set(counted) == set(_RECORDED or {})
