"""Three nodes are restarted one after the other behind the shipped configurations, while clients call."""

from pathlib import Path

import pytest
from tests.process.steady_calls import KeptCalls, SteadyCalls
from tests.proxies.nodes import proxy_of_nodes, running_nodes, signed_call

# The checks of HAProxy have to fail within the drain. nginx needs none.
_DRAINS = [
    pytest.param("nginx", 1, marks=pytest.mark.component("nginx")),
    pytest.param("haproxy", 3, marks=pytest.mark.component("haproxy")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "drain_seconds"), _DRAINS)
def test_a_rolling_restart_loses_no_call(tmp_path: Path, name: str, drain_seconds: int) -> None:
    """Each POST is answered, on kept connections and on new ones, though no proxy repeats it."""
    with (
        running_nodes(tmp_path, drain_seconds) as nodes,
        proxy_of_nodes(name, tmp_path, nodes) as port,
        KeptCalls(port, signed_call(), 3) as kept,
        SteadyCalls(port, signed_call(), 3) as new,
    ):
        for node in nodes:
            kept.wait_for(100)
            new.wait_for(100)
            node.restart()
        kept.wait_for(100)
        new.wait_for(100)
    assert (kept.lost, new.lost, kept.refused + new.refused) == ([], [], 0)
