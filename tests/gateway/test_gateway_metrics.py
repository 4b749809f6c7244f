"""The metrics of a gateway: outages, latency, health, and labels that a caller cannot choose."""

import re
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.stores import StoreServer
from tests.gateway.transfers.data_path_fixtures import MakePath
from tests.gateway.transfers.passing_judge import PassingJudge
from tests.gateway.transfers.running_data_path import LONG, RunningDataPath, put_head
from tests.gateway.transfers.scripted_store import ScriptedStore
from tests.process.daypass import Running, serving
from tests.process.daypass_gateway import gateway, key_file
from tests.sockets import free_port
from tests.storage.test_schema_watch import set_version

from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Backend
from daypass.metrics.gateway_table import GATEWAY_METRICS
from daypass.metrics.label_bounds import bounded_labels

_LABEL = re.compile(r"[A-Za-z0-9._-]{0,64}")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=80), st.integers(0, 999)), max_size=10))
def test_no_name_of_a_caller_becomes_a_label(pairs: list[tuple[str, int]]) -> None:
    """Operations come from tables. If one did not, its form would still be checked, and every request be counted."""
    metrics = GatewayMetrics()
    for operation, status in pairs:
        metrics.answered(operation, status, 0.1, received=0, sent=0)
        metrics.alarm(operation)
    snapshot = metrics.snapshot()
    for name, values in snapshot.items():
        assert all(len(labels) == len(GATEWAY_METRICS[name].labels) for labels in values)
        assert all(_LABEL.fullmatch(label) for labels in values for label in labels)
    requests = snapshot.get("daypass_gateway_requests_total", {})
    assert sum(map(float, (value for value in requests.values() if isinstance(value, int | float)))) == len(pairs)


def test_the_number_of_labels_is_bounded() -> None:
    """Memory and series stay bounded, whatever is counted."""
    known = {bounded_labels(range(number), f"Operation{number}", "200") for number in range(5_000)}
    assert len(known) == 4_001
    assert ("other", "other") in known


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, "cut"), (200, "success"), (399, "success"), (400, "refused"), (499, "refused"), (500, "error")],
)
def test_each_status_has_an_outcome(status: int, outcome: str) -> None:
    """The bounds are those of HTTP's classes."""
    metrics = GatewayMetrics()
    metrics.answered("GetObject", status, 0.003, received=0, sent=0)
    [(labels, cell)] = metrics.snapshot()["daypass_gateway_seconds"].items()
    assert labels == ("GetObject", outcome)
    assert isinstance(cell, list)
    assert cell[2] == 1  # up to 5 ms
    assert cell[-1] == pytest.approx(0.003)


def test_an_outage_of_a_store_is_counted_once_and_ends_without_a_request() -> None:
    """Two requests fail, and the gateway itself notices that the store is back."""
    port = free_port()
    path = RunningDataPath(PassingJudge(Backend("minio", "127.0.0.1", port, secure=False)))
    try:
        for _ in range(2):
            assert path.connect().get().status == 503
        away = path.metrics.snapshot()
        assert away["daypass_gateway_store_up"] == {("minio",): 0.0}
        assert away["daypass_gateway_store_outages_total"] == {("minio",): 1}
        store = ScriptedStore(port=port)
        try:
            end = time.monotonic() + LONG
            while path.metrics.snapshot()["daypass_gateway_store_up"] != {("minio",): 1.0}:
                assert time.monotonic() < end
            assert path.connect().get().status == 200
        finally:
            store.close()
        back = path.metrics.snapshot()
        assert back["daypass_gateway_store_outages_total"] == {("minio",): 1}
        seconds = back["daypass_gateway_store_away_seconds_total"]["minio",]
        assert isinstance(seconds, float)
        assert seconds > 0
    finally:
        path.close()


def test_the_time_of_a_stores_answer_does_not_include_the_upload(make_path: MakePath) -> None:
    """A client that sends slowly does not make the store look slow."""
    path = make_path()
    client = path.connect().send(put_head(1_000_000) + b"x" * 500_000)
    path.store.heads.get(timeout=LONG)
    paused_at = time.monotonic()
    path.connect().get()
    pause = time.monotonic() - paused_at
    assert client.send(b"x" * 500_000).read().status == 200
    path.judge.ended.get(timeout=LONG)
    path.judge.ended.get(timeout=LONG)
    snapshot = path.gateway.metrics.snapshot()
    answers, totals = (snapshot[f"daypass_gateway_{name}"] for name in ("store_answer_seconds", "seconds"))
    [cell], [total] = answers.values(), totals.values()
    assert isinstance(cell, list)
    assert isinstance(total, list)
    assert sum(cell[:-1]) == 2
    assert cell[-1] + pause <= total[-1]


@pytest.mark.slow
def test_a_gateway_says_that_the_tables_are_too_new(tmp_path: Path, moto_store: StoreServer) -> None:
    """`/readyz` shows `degraded`, and so does the metric, as at a server. Reads go on."""
    database = f"sqlite:///{tmp_path / 'd.db'}"
    words = ("--backend", moto_store.url, "--backend-key-file", key_file(tmp_path, moto_store), "--profile", "moto")
    with serving(database) as server, gateway(database, *words, "--workers", "2") as running:
        assert _page(running, "/readyz") == "ready\n"
        set_version(database, "9999")
        end = time.monotonic() + LONG
        while _page(running, "/readyz") != "degraded\n":
            assert time.monotonic() < end
        while "daypass_degraded 1.0\n" not in _page(running, "/metrics"):
            assert time.monotonic() < end
        metrics = _page(running, "/metrics")
        assert "daypass_ready 1.0\n" in metrics
        assert "daypass_workers 2.0\n" in metrics
        assert "daypass_store_up 1.0\n" in metrics
        running.client("s3").list_buckets()
        assert server.process.poll() is None


def _page(running: Running, path: str) -> str:
    line = next(line for line in running.errors if "are at http://" in line)
    url = f"http://{line.rpartition('are at http://')[2].strip()}{path}"
    with urllib.request.urlopen(url) as answer:
        text: str = answer.read().decode()
    return text
