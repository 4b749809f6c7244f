"""`daypass audit sinks` and `send-test`: an operator sees what waits, and whether a sink accepts an event."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.audit_sinks.receivers import line, receiving_webhooks

from daypass.audit.delivery.delivery import SpooledCopies
from daypass.cli.operators.audit import command
from daypass.cli.shared.exit_codes import Exit
from daypass.config import load_config
from daypass.gateway.metrics import GatewayMetrics
from daypass.metrics.snapshot import Snapshot, counters, merge


def _config(folder: Path, port: int, more: str = "") -> Path:
    path = folder / "daypass.toml"
    path.write_text(
        f'audit_spool = "{folder}/spool"\n[[audit_sink]]\nname = "hook"\ntype = "webhook"\n'
        f'url = "http://127.0.0.1:{port}/"\n{more}'
    )
    return path


def _run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def test_a_test_event_is_sent_and_its_id_is_printed(tmp_path: Path) -> None:
    """The event has all members, so a receiver that parses it will parse the others."""
    with receiving_webhooks(None) as receiver:
        done = _run("send-test", "--config", str(_config(tmp_path, receiver.port)))
        event = json.loads(receiver.take()[1])
    assert (done.exit_code, event["eventName"]) == (0, "AuditSinkTest")
    assert done.output == f"hook: accepted the event {event['eventID']}\n"
    assert not (tmp_path / "spool").exists()


def test_a_refused_test_event_says_why(tmp_path: Path) -> None:
    """The exit code is that of a network problem."""
    with receiving_webhooks(None, (401, {})) as receiver:
        done = _run("send-test", "--config", str(_config(tmp_path, receiver.port)))
    assert done.output == "hook: refused: the receiver answered 401; check token_file\n"
    assert done.exit_code == Exit.NETWORK


@pytest.mark.parametrize(
    ("more", "words", "message"),
    [
        ("", ("--sink", "other"), "The settings have no audit sink other. Sinks: hook."),
        ('token_file = "no-file"\n', (), "the audit sink hook: token_file: no-file cannot be read"),
    ],
)
def test_a_test_that_cannot_begin_says_why(tmp_path: Path, more: str, words: tuple[str, ...], message: str) -> None:
    """A wrong name or file is not a refusal of the receiver."""
    done = _run("send-test", "--config", str(_config(tmp_path, 1, more)), *words)
    assert done.exit_code in {Exit.USAGE, Exit.CONFIGURATION}
    assert message in done.output


def test_the_waiting_events_of_each_sink_are_listed(tmp_path: Path) -> None:
    """Also those of processes that do not run any more, with the reason of the outage."""
    path = _config(tmp_path, 1)
    config = load_config({}, {}, path.read_text())
    for _ in range(2):
        copies = SpooledCopies(config.sinks, tmp_path / "spool")
        copies.copy([line(1), line(2)])
        copies.spool.note_problem("hook", "Connection refused")
        copies.close()
    done = _run("sinks", "--config", str(path))
    assert done.output == "hook  webhook  http://127.0.0.1:1/  4 events waiting  failing: Connection refused\n"
    assert done.exit_code == Exit.NETWORK
    rows = json.loads(_run("sinks", "--config", str(path), "--output", "json").output)
    assert rows["Sinks"][0]["WaitingEvents"] == 4


def test_without_sinks_the_commands_say_so(tmp_path: Path) -> None:
    """An empty output could look like a failure."""
    path = tmp_path / "daypass.toml"
    path.write_text("")
    for words in (("sinks", "--spool", str(tmp_path)), ("send-test",)):
        done = _run(*words, "--config", str(path))
        assert (done.exit_code, done.output) == (0, "daypass: The settings have no audit sinks.\n")


def test_the_gateway_sums_the_sinks_of_its_workers() -> None:
    """A counter keeps the value of a dead worker; what waits in its spool is another worker's now."""
    worker = GatewayMetrics()
    worker.add(
        lambda: [
            ("daypass_audit_sink_delivered_total", ("hook",), 5),
            ("daypass_audit_sink_queued_events", ("hook",), 3),
            ("daypass_audit_sink_failing", ("hook",), 1),
        ]
    )
    total: Snapshot = {}
    for each in (worker.snapshot(), worker.snapshot(), counters(worker.snapshot())):
        merge(total, each)
    assert {name: values for name, values in total.items() if "audit_sink" in name} == {
        "daypass_audit_sink_delivered_total": {("hook",): 15},
        "daypass_audit_sink_queued_events": {("hook",): 6},
        "daypass_audit_sink_failing": {("hook",): 1},
    }
