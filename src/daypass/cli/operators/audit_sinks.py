"""`daypass audit sinks|send-test`: the sinks of the audit log.

Owns the two commands. `sinks` reads the spools on this machine, so it works beside a running server and without one.
`send-test` sends one event past the spool, with the settings that a server would use.
"""

import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import config_option, output_option, print_list, read_config, store_option
from daypass.counted import counted

if TYPE_CHECKING:
    from daypass.audit.delivery.sink_settings import AuditSinkSetting
    from daypass.config import Config

TEST_EVENT = "AuditSinkTest"


@click.command(name="sinks")
@click.option(
    "--spool",
    metavar="DIRECTORY",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory of the spools. Default: that of the settings.",
)
@store_option
@config_option
@output_option
def sinks(store: str | None, config_file: Path | None, spool: Path | None, output: str) -> None:
    """List the sinks of the audit log, and the number of waiting events.

    The exit code is 7 if a sink does not accept events.
    """
    config = read_config({"store": store}, config_file)
    rows = _rows(config, spool or _root(config))
    print_list("Sinks", rows, output, line=_line, none="The settings have no audit sinks.")
    if any(row["Problem"] for row in rows):
        sys.exit(Exit.NETWORK)


@click.command(name="send-test")
@click.option("--sink", metavar="NAME", help="The sink to test. Default: every sink.")
@config_option
@output_option
def send_test(config_file: Path | None, sink: str | None, output: str) -> None:
    """Send a test event to each sink, and report whether it was accepted.

    The event is named AuditSinkTest. It does not go through the spool or into the audit log. The exit code is 7 if a
    sink did not accept it.
    """
    config = read_config({}, config_file)
    chosen = [each for each in config.sinks if sink in {None, each.name}]
    if sink is not None and not chosen:
        names = ", ".join(each.name for each in config.sinks) or "none"
        raise CommandError(f"The settings have no audit sink {sink}. Sinks: {names}.", Exit.USAGE)
    rows = [_test(each) for each in chosen]
    print_list("Sinks", rows, output, line=_test_line, none="The settings have no audit sinks.")
    if any(row["Problem"] for row in rows):
        sys.exit(Exit.NETWORK)


def _root(config: "Config") -> Path:
    from daypass.config import ConfigurationError
    from daypass.wiring_audit import audit_target, spool_root

    try:
        return spool_root(config, audit_target(config))
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error


def _rows(config: "Config", root: Path) -> Sequence[dict[str, Any]]:
    from daypass.audit.delivery.delivery import WaitingEvents, waiting_events

    try:
        waiting = waiting_events(root) if config.sinks else {}
    except OSError as error:
        raise CommandError(f"Cannot read the spools in {root}: {error.strerror}.", Exit.CONFIGURATION) from error
    rows = []
    for sink in config.sinks:
        found = waiting.get(sink.name, WaitingEvents())
        rows.append(
            {
                "Name": sink.name,
                "Type": sink.type,
                "Url": sink.url,
                "Format": sink.format,
                "WaitingEvents": found.events,
                "WaitingBytes": found.size,
                "Problem": found.problem,
            }
        )
    return rows


def _line(row: dict[str, Any]) -> str:
    state = f"failing: {row['Problem']}" if row["Problem"] else "ok"
    return (
        f"{row['Name']}  {row['Type']}  {row['Url'] or '-'}  {counted(row['WaitingEvents'], 'event')} waiting  {state}"
    )


def _test(sink: "AuditSinkSetting") -> dict[str, Any]:
    """Send the event to a sink. Return the row of the outcome."""
    from daypass.audit.delivery.delivery import open_destination
    from daypass.audit.delivery.destination import DeliveryError

    event_id, problem = str(uuid.uuid4()), ""
    try:
        destination = open_destination(sink)
        destination.send([_test_event(event_id)])
        destination.close()
    except ValueError as error:
        raise CommandError(str(error), Exit.CONFIGURATION) from error
    except DeliveryError as error:
        problem = str(error)
    return {"Name": sink.name, "Type": sink.type, "EventID": event_id, "Problem": problem}


def _test_event(event_id: str) -> bytes:
    from daypass.audit.event import EVENT_VERSION, Event
    from daypass.audit.lines import encode_event
    from daypass.audit.user_identity import UserIdentity

    at = datetime.now(UTC).replace(microsecond=0)
    event = Event(
        event_version=EVENT_VERSION,
        event_type="AwsServiceEvent",
        event_i_d=event_id,
        event_time=at,
        event_source="daypass",
        event_name=TEST_EVENT,
        aws_region="us-east-1",
        read_only=True,
        management_event=True,
        event_category="Management",
        source_i_p_address="daypass",
        user_agent="daypass",
        request_i_d="",
        user_identity=UserIdentity("AWSService"),
        request_parameters=None,
        response_elements=None,
    )
    return encode_event(event).rstrip(b"\n")


def _test_line(row: dict[str, Any]) -> str:
    outcome = f"refused: {row['Problem']}" if row["Problem"] else f"accepted the event {row['EventID']}"
    return f"{row['Name']}: {outcome}"
