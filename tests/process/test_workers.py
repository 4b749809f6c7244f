"""The workers of a server: one that cannot start, or that dies, does not end the others."""

import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.metrics.test_scrape import find, scrape
from tests.process.daypass import ROOT, Running, run, serving
from tests.process.draining import count, wait_for, wait_until_draining
from tests.sockets import free_port
from tests.storage.postgresql import Cluster, fresh_database, own_cluster

_LONG = 60.0  # seconds


def workers_of(server: Running) -> list[int]:
    """Return the process ids of the workers."""
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Return a PostgreSQL server that the test may stop."""
    found = own_cluster()
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    if not found.is_running():
        found.start()


@pytest.mark.slow
def test_a_worker_that_cannot_open_the_store_comes_back_with_it(cluster: Cluster) -> None:
    """The other worker serves from its cache meanwhile. The log has the reason without a traceback."""
    with (
        fresh_database() as store,
        serving(store, "--workers", "2", environment={**ROOT, "DAYPASS_MASTER_KEY": "0" * 64}) as server,
    ):
        wait_for(lambda: count(server, '"ready"') == 2)
        cluster.stop()
        died, survivor = workers_of(server)
        os.kill(died, signal.SIGKILL)
        wait_for(lambda: count(server, "worker_cannot_start") >= 2)
        assert urllib.request.urlopen(f"{server.url}/healthz").read() == b"ok\n"  # noqa: S310 - our own address
        cluster.start()
        wait_for(lambda: count(server, '"ready"') == 3)
        assert len(workers_of(server)) == 2
        assert survivor in workers_of(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(_LONG) == 0
    assert count(server, "Traceback") == 0
    assert "cannot open the PostgreSQL database" in next(
        line for line in server.errors if "worker_cannot_start" in line
    )


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """The supervisor and the other worker go on."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        before = workers_of(server)
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(workers_of(server)) == 2 and before[0] not in workers_of(server))
        assert before[1] in workers_of(server)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_setting_that_only_workers_read_is_exit_code_six(tmp_path: Path, workers: str) -> None:
    """If no worker can start, the command ends with the reason, as with one process."""
    clients = f"https://idp.example.com client {tmp_path / 'missing'}"
    done = run(
        *("serve", "--workers", workers, "--port", str(free_port()), "--store", f"sqlite:///{tmp_path / 'd.db'}"),
        environment={**ROOT, "DAYPASS_OIDC_CLIENTS": clients},
    )
    assert done.returncode == 6
    assert "oidc_clients: the secret in" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_signal_to_the_whole_group_is_one_order(tmp_path: Path) -> None:
    """Terminals and systemd signal workers too. Two orders would end the drain."""
    with serving(
        f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2", environment={**ROOT, "DAYPASS_DRAIN_SECONDS": "300"}
    ) as server:
        for pid in (*workers_of(server), server.process.pid):
            os.kill(pid, signal.SIGTERM)
        wait_until_draining(server)
        for _ in range(50):
            with pytest.raises(urllib.error.HTTPError, match="503"):
                urllib.request.urlopen(f"{server.url}/readyz")  # noqa: S310 - our own address
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(_LONG) == 0


def _answers(server: Running) -> tuple[float, float]:
    samples = scrape(server.url)
    counted = find(samples, "daypass_answers_total", action="GetCallerIdentity", code="")
    return counted, find(samples, "daypass_workers")


def test_a_scrape_of_any_worker_shows_the_sum_of_all(tmp_path: Path) -> None:
    """Each scrape has a connection of its own, and reaches any worker. A killed worker takes no count with it."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        wait_for(lambda: count(server, '"ready"') == 2)
        sts = server.client("sts")
        for _ in range(8):
            sts.get_caller_identity()
        wait_for(lambda: _answers(server) == (8, 2))  # others' readings are at most a second old
        assert {_answers(server) for _ in range(8)} == {(8, 2)}
        os.kill(workers_of(server)[0], signal.SIGKILL)
        counts = {_answers(server)[0]}
        while count(server, '"ready"') < 3:
            counts.add(_answers(server)[0])
        wait_for(lambda: _answers(server) == (8, 2))
        assert counts == {8}
