"""The delivery: batches, pauses, takeovers, and sinks that do not delay each other."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.audit_sinks.receivers import PATIENCE, WebhookReceiver, ids, line, receiving_webhooks

from daypass.audit.delivery.delivery import AuditDelivery, SpooledCopies
from daypass.audit.delivery.sender import SinkState
from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.audit.sinks import open_sink
from daypass.config import ConfigurationError, load_config
from daypass.wiring_audit import open_delivery, spool_root


def _hook(receiver: WebhookReceiver, name: str = "hook", **more: Any) -> AuditSinkSetting:
    return AuditSinkSetting(
        name, "webhook", f"http://127.0.0.1:{receiver.port}/", **{"timeout_seconds": 2, "batch_events": 100, **more}
    )


@contextmanager
def _delivering(root: Path, *sinks: AuditSinkSetting, **more: Any) -> Iterator[AuditDelivery]:
    delivery = AuditDelivery(sinks, root, **more)
    try:
        yield delivery
    finally:
        delivery.close()


def _wait_for(delivery: AuditDelivery, condition: Callable[[SinkState], bool], name: str = "hook") -> SinkState:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        state = next(each for each in delivery.states() if each.name == name)
        if condition(state):
            return state
        time.sleep(0.01)
    raise AssertionError(f"the sink stayed {state}")


def _taken(receiver: WebhookReceiver) -> list[bytes]:
    return receiver.take()[1].splitlines()


def test_events_arrive_in_order_and_leave_no_files(tmp_path: Path) -> None:
    """The shutdown sends the last batch at once, and removes the spool."""
    with receiving_webhooks(None) as receiver:
        with _delivering(tmp_path, _hook(receiver)) as delivery:
            delivery.copy([line(number) for number in range(100)])
            assert ids(_taken(receiver)) == list(range(100))
            _wait_for(delivery, lambda state: state.delivered == 100)
            delivery.copy([line(100)])
        assert ids(_taken(receiver)) == [100]
    assert not list(tmp_path.iterdir())


def test_a_refused_batch_is_repeated_as_it_was(tmp_path: Path) -> None:
    """Events that came meanwhile are in the next one."""
    with receiving_webhooks(None, (500, {})) as receiver, _delivering(tmp_path, _hook(receiver)) as delivery:
        delivery.copy([line(number) for number in range(100)])
        first = _taken(receiver)
        delivery.copy([line(100)])
        state = _wait_for(delivery, lambda state: bool(state.problem))
        assert (state.problem, state.failed_attempts) == ("the receiver answered 500", 1)
        assert _taken(receiver) == first
        assert ids(_taken(receiver)) == [100]
        state = _wait_for(delivery, lambda state: state.delivered == 101)
        assert (state.problem, state.queued_events, state.dropped) == ("", 0, 0)


def test_a_batch_that_is_too_large_is_halved(tmp_path: Path) -> None:
    """Without a pause: the receiver is not in trouble."""
    with (
        receiving_webhooks(None, (413, {}), (413, {})) as receiver,
        _delivering(tmp_path, _hook(receiver)) as delivery,
    ):
        delivery.copy([line(number) for number in range(100)])
        assert [len(_taken(receiver)) for _ in range(3)] == [100, 50, 25]
        _wait_for(delivery, lambda state: state.delivered == 100)


def test_a_slow_sink_does_not_delay_another_one(tmp_path: Path) -> None:
    """Each sink has a thread of its own, and the log's thread waits for none of them."""
    with receiving_webhooks(None) as receiver, receiving_webhooks(None, *[(500, {})] * 50) as broken:
        with _delivering(tmp_path, _hook(broken, "broken"), _hook(receiver)) as delivery:
            delivery.copy([line(number) for number in range(100)])
            broken.take()
            delivery.copy([line(number) for number in range(100, 200)])
            assert ids(_taken(receiver) + _taken(receiver)) == list(range(200))
            _wait_for(delivery, lambda state: state.delivered == 200)
            assert _wait_for(delivery, lambda state: bool(state.problem), "broken").queued_events == 200
        assert list(tmp_path.iterdir()), "the events of the broken sink must stay"


def test_a_spool_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    """A command without a server leaves its events there too. A sink that was removed does not keep them."""
    with receiving_webhooks(None) as receiver:
        left = SpooledCopies([_hook(receiver), AuditSinkSetting("gone", "stdout")], tmp_path)
        left.copy([line(number) for number in range(5)])
        left.close()
        with _delivering(tmp_path, _hook(receiver)):
            assert ids(_taken(receiver)) == list(range(5))
    assert not list(tmp_path.iterdir())


def test_dropped_events_are_reported_to_the_sink(tmp_path: Path) -> None:
    """An event in their place has the number and the times, and has one eventID in all attempts."""
    with receiving_webhooks(None, (500, {})) as receiver, _delivering(tmp_path, _hook(receiver)) as delivery:
        delivery.spool.miss(12, "2026-11-30T22:00:00Z", "2026-11-30T22:10:00Z")
        delivery.copy([line(number) for number in range(100)])
        first, again = _taken(receiver), _taken(receiver)
        assert first == again
        lost = json.loads(first[0])
        assert (lost["eventName"], lost["additionalEventData"]["lost"]["count"]) == ("AuditEventsLost", 12)
        assert lost["eventTime"] == "2026-11-30T22:10:00Z"
        _wait_for(delivery, lambda state: state.delivered == 100 and state.dropped == 12)
        delivery.copy([line(100)])
        assert ids(_taken(receiver)) == [100]


def test_the_spools_of_many_dead_processes_keep_within_the_limit(tmp_path: Path) -> None:
    """Crashes must not fill the disk while a sink is away."""
    with receiving_webhooks(None, *[(500, {})] * 50) as broken:
        sink = _hook(broken, spool_megabytes=8)
        for _ in range(4):
            left = SpooledCopies([sink], tmp_path)
            left.copy([line(1, userAgent="x" * 3_000_000)])
            left.close()
        with _delivering(tmp_path, sink) as delivery:
            _wait_for(delivery, lambda state: (state.queued_events, state.dropped) == (2, 2))


def test_the_log_itself_can_be_the_spool(tmp_path: Path) -> None:
    """With `audit_log = "none"`, a required event is recorded once the spool has it."""
    with receiving_webhooks(None) as receiver:
        delivery = AuditDelivery([_hook(receiver)], tmp_path, is_only_record=True)
        sink = open_sink("none", copies=delivery)
        assert not sink.trouble()
        sink.close()
    assert not list(tmp_path.iterdir())


def test_files_of_sinks_are_checked_at_the_start(tmp_path: Path) -> None:
    """The message names the sink, the setting and the file."""
    text = f'audit_spool = "{tmp_path}"\n[[audit_sink]]\ntype = "webhook"\nurl = "https://a.example"\ntoken_file = "no"'
    with pytest.raises(ConfigurationError, match="the audit sink webhook: token_file: no cannot be read"):
        open_delivery(load_config({}, {}, text), "-", workers=1)


def test_a_spool_needs_a_directory(tmp_path: Path) -> None:
    """It is beside the log, else beside the database; with PostgreSQL and standard output it must be named."""
    database = {"store": f"sqlite:///{tmp_path}/d.db"}
    assert spool_root(load_config(database, {}), str(tmp_path / "gateway-audit.jsonl")).name == "gateway-audit-spool"
    assert spool_root(load_config(database, {}), "-") == tmp_path / "audit-spool"
    with pytest.raises(ConfigurationError, match="audit_spool"):
        spool_root(load_config({"store": "postgresql://u@h/d"}, {}), "-")
