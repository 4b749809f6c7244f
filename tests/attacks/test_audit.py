"""Neither a request nor a full disk stops the record of later requests."""

import json
from pathlib import Path

import msgspec
from structlog.testing import capture_logs
from tests.http.raw import send, signed

from daypass.audit.event import AuditRecord, to_event
from daypass.audit.sinks import open_sink
from daypass.errors import MalformedPolicyDocument
from daypass.testing.server import RunningServer

TWICE = r'{"\ud800":1,"\ud800":2}'


def record(server: RunningServer) -> AuditRecord:
    """Return the audit record of a request whose policy cannot be encoded."""
    asked = {"Action": "CreatePolicy", "Version": "2010-05-08", "PolicyName": "p", "PolicyDocument": TWICE}
    body, headers = signed(server, asked, service="iam")
    assert send(server, body, headers).status == 400
    return server.audit.audit_records[-1]


def test_a_refusal_holds_nothing_that_cannot_be_written(daypass_server: RunningServer) -> None:
    """A lone surrogate in a policy's key is recorded in ASCII."""
    refused = record(daypass_server)
    assert refused.fault is not None
    assert refused.fault.detail == r'duplicate key "\ud800"'


def test_an_event_that_cannot_be_written_in_full_is_written_in_part(
    daypass_server: RunningServer, tmp_path: Path
) -> None:
    """The caller and the action stay on record, and so do other events.

    The content that a caller puts into an event has no effect.
    """
    good = record(daypass_server)
    bad = msgspec.structs.replace(good, parameters={"Name": "\ud800"}, fault=MalformedPolicyDocument("\ud800"))
    sink = open_sink(str(tmp_path / "audit"))
    for one in (good, bad, good):
        sink(one)
    sink.close()
    events = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert [event["errorCode"] for event in events] == ["MalformedPolicyDocument"] * 3
    assert [event["eventName"] for event in events] == ["CreatePolicy"] * 3
    assert "UnicodeEncodeError" in events[1]["additionalEventData"]["detail"]


def test_no_call_fills_the_disk_with_its_own_record(daypass_server: RunningServer) -> None:
    """Strings and lists of parameters are cut at every depth, with a mark."""
    asked = {"Action": "SimulateCustomPolicy", "Version": "2010-05-08", "PolicyInputList.member.1": "{}"}
    asked |= {f"ActionNames.member.{number}": "s3:GetObject" for number in range(1, 1_000)}
    for number in range(1, 100):
        entry = f"ContextEntries.member.{number}"
        asked |= {f"{entry}.ContextKeyName": f"aws:k{number}", f"{entry}.ContextKeyType": "stringList"}
        asked |= {f"{entry}.ContextKeyValues.member.{value}": "v" * 2_000 for value in range(1, 20)}
    assert send(daypass_server, *signed(daypass_server, asked, service="iam")).status == 400
    event = to_event(daypass_server.audit.audit_records[-1])
    assert event.request_parameters is not None
    assert event.request_parameters
    assert event.request_parameters["actionNames"] == ["s3:GetObject"] * 50 + ["…"]
    assert len(msgspec.json.encode(event)) < 200_000


def test_a_log_that_cannot_be_opened_again_is_kept(daypass_server: RunningServer, tmp_path: Path) -> None:
    """If the new file cannot be created, events go to the old one.

    The server logs the problem.
    """
    folder, moved, one = tmp_path / "logs", tmp_path / "moved", record(daypass_server)
    folder.mkdir()
    sink = open_sink(str(folder / "audit"))
    sink(one)
    folder.rename(moved)
    with capture_logs() as logged:
        sink.reopen()
        sink(one)
        sink.close()
    assert len((moved / "audit").read_text().splitlines()) == 2
    assert [line["event"] for line in logged] == ["audit_log_not_reopened"]
