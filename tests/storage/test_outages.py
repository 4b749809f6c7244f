"""A node reports the outages of its database: a line when it goes, a line when it is back, and metrics."""

import psycopg
import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs
from tests.storage.conftest import HandClock
from tests.storage.faulty_proxy import faulty_proxy
from tests.storage.postgresql import Cluster
from tests.storage.sample_records import user
from tests.storage.test_away import cluster as cluster  # noqa: PLC0414 - a fixture
from tests.storage.test_cache import HandSeconds

from daypass.directory.changes import EMPTY
from daypass.directory.store import StoreUnavailableError
from daypass.http.metrics import Metrics
from daypass.http.node_metrics import exposition
from daypass.storage.address import parse_address
from daypass.storage.open import open_address, open_store
from daypass.storage.outages import Outages, find_outages
from daypass.storage.sql import engines


def test_an_outage_is_two_lines_with_its_reason_and_duration() -> None:
    """Two polls a second would fill the log, so only the first failure and the first success are in it."""
    seconds = HandSeconds()
    outages = Outages(seconds)
    with capture_logs() as lines:
        for reason in ("connection refused", "other"):
            with pytest.raises(StoreUnavailableError), outages.watch():
                raise StoreUnavailableError(reason)
            seconds.seconds += 2
        for _ in range(2):
            with outages.watch():
                pass
    assert [(line["event"], line.get("reason"), line.get("away_seconds")) for line in lines] == [
        ("store_is_away", "connection refused", None),
        ("store_is_back", None, 4.0),
    ]
    assert (outages.times_away, outages.seconds_away, outages.is_away) == (1, 4.0, False)


def test_a_refused_connection_is_logged_once_a_minute() -> None:
    """While the database is away, the line of the outage says it all."""
    seconds = HandSeconds()
    outages = Outages(seconds)
    with capture_logs() as lines:
        outages.complain("too many clients")
        outages.complain("too many clients")
        seconds.seconds += 60
        outages.complain("too many clients")
        outages.note_failure("gone")
        seconds.seconds += 60
        outages.complain("gone")
    assert [line["event"] for line in lines] == ["store_connection_failed"] * 2 + ["store_is_away"]


def test_the_polls_of_a_store_decide(postgresql_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent database is away, and the metrics say so. No line has the password."""
    monkeypatch.setattr(engines, "POLL_SECONDS", 0.3)
    with faulty_proxy(postgresql_url) as (proxy, url), capture_logs() as lines:
        store = open_store(url, clock=clock)
        outages = find_outages(store)
        metrics = Metrics(outages)
        store.changes_since(EMPTY)
        assert b"daypass_store_up 1.0" in exposition(metrics)
        proxy.is_silent = True
        with pytest.raises(StoreUnavailableError):
            store.changes_since(EMPTY)
        shown = exposition(metrics)
        proxy.is_silent = False
        store.changes_since(EMPTY)
        assert b"daypass_store_up 0.0" in shown
        assert b"daypass_store_deadlines_total 1.0" in shown
        assert b"daypass_store_outages_total 1.0" in exposition(metrics)
        store.close()
    assert [line["event"] for line in lines] == ["store_is_away", "store_is_back"]
    assert "did not answer within" in lines[0]["reason"]
    assert str(make_url(url).password) not in repr(lines)


def test_the_connections_of_a_process_have_a_limit(
    postgresql_url: str, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is for the queries for changes, which never wait for the others."""
    monkeypatch.setattr(engines, "READ_SECONDS", 0.3)
    store = open_address(parse_address(postgresql_url), clock=clock, connections=3)
    with store.read() as first, store.read() as second:
        assert first.revision() == second.revision() == 0
        assert store.changes_since(EMPTY) is not None
        with pytest.raises(StoreUnavailableError, match="unavailable") as refused:
            store.revision()
        assert "in use" in refused.value.detail
        assert _connections(postgresql_url) == 3
    store.close()


def test_no_write_passes_a_read_only_database(cluster: Cluster, postgresql_url: str, clock: HandClock) -> None:
    """A transaction that asked for READ WRITE would overrule default_transaction_read_only."""
    store = open_store(postgresql_url, clock=clock)
    with store.write() as writer:
        writer.insert(user("ada"))
    cluster.set_read_only(is_on=True)
    try:
        for number in range(4):
            with store.read() as reader:  # the connection was used for reading before
                assert reader.find("user", "111111111111", "ada") == user("ada")
            with pytest.raises(StoreUnavailableError), store.write() as writer:
                writer.insert(user(f"u{number}"))
            with pytest.raises(StoreUnavailableError), store.write(account="111111111111") as writer:
                writer.insert(user(f"v{number}"))
            with pytest.raises(StoreUnavailableError):
                store.claim(f"k{number}", until=clock.now())
    finally:
        cluster.set_read_only(is_on=False)
    with store.write() as writer:
        writer.insert(user("bob"))
    assert store.revision() == 2
    store.close()


def _connections(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as observer:
        row = observer.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])
