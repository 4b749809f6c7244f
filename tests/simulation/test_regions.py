"""Three regions of nodes keep their promises, whatever happens to networks, processes and databases.

The caches, the store and its reads from replicas are the real ones. A failing seed prints its events and how to run it
alone. Each cure is also undone: then one of the given seeds must fail.
"""

import pytest
from tests.simulation.cures import BROKEN, BrokenCure
from tests.simulation.regions import OracleError, play
from tests.slow_cases import quick_first

_SEEDS = 1_000
_BATCH = 10


@pytest.mark.parametrize("first", quick_first(range(0, _SEEDS, _BATCH), quick=3))
def test_no_promise_is_broken(first: int) -> None:
    """No right outlives its revocation beyond the bound, no call waits without end, no own write is missed."""
    regions = [play(seed) for seed in range(first, first + _BATCH)]
    assert sum(each.answers for each in regions) > sum(each.refusals for each in regions)


@pytest.mark.parametrize("cure", BROKEN)
def test_a_cure_that_is_undone_is_noticed(cure: str) -> None:
    """Several seeds for each, as a change of the real code may change what a seed does."""
    with pytest.raises(OracleError):
        _play_broken(BROKEN[cure])


def _play_broken(cure: BrokenCure) -> None:
    with cure.undone() as kind:
        for seed in cure.seeds:
            play(seed, kind)


def test_a_seed_repeats_its_run() -> None:
    """The same events at the same virtual times, on every machine."""
    assert play(7).log == play(7).log


def test_a_failing_seed_says_how_to_run_it(capsys: pytest.CaptureFixture[str]) -> None:
    """With its events, of which the last is the broken promise."""
    with pytest.raises(OracleError) as failed:
        _play_broken(BROKEN["nonces are equal"])
    printed = capsys.readouterr().out.splitlines()
    assert "python -m tests.simulation" in printed[0]
    assert str(failed.value) in printed[-1]
