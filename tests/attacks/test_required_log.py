"""`audit_log_required`: write the event before a change or a credential."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.attacks.test_full_disk import Watch, event, lines_of, room_for

from daypass.audit.required import RequiredLog
from daypass.audit.sinks import LineSink, NotRecordedError, open_sink
from daypass.config import Config, ConfigurationError, load_config
from daypass.errors import ServiceUnavailable
from daypass.operations.iam.unsupported_actions import Unperformed
from daypass.operations.operation import StoreAccess, is_read_only
from daypass.operations.registry import full_registry
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server


def test_it_is_a_setting_that_is_off_by_default() -> None:
    """DAYPASS_AUDIT_LOG_REQUIRED, or the configuration file, turns it on."""
    assert not load_config({}, {}).audit_log_required
    assert load_config({}, {"DAYPASS_AUDIT_LOG_REQUIRED": "true"}).audit_log_required
    assert load_config({}, {}, "audit_log_required = true").audit_log_required


def test_a_log_that_goes_nowhere_cannot_be_required() -> None:
    """The server refuses the contradiction at the start."""
    with pytest.raises(ConfigurationError, match="audit_log_required"):
        load_config({}, {"DAYPASS_AUDIT_LOG_REQUIRED": "true", "DAYPASS_AUDIT_LOG": "none"})


def test_only_what_is_known_to_read_is_answered_without_its_record() -> None:
    """Each action of STS and IAM is classified by its store access.

    An action without a classification is not answered without its record.
    """
    registry, reading = full_registry(), set[str]()
    for name in registry.names():
        service, _, action = name.partition(":")
        operation: Any = registry.find(service, action)
        if not isinstance(operation, Unperformed) and is_read_only(
            operation, getattr(operation, "access", StoreAccess.BLOCKING)
        ):
            reading.add(name)
    assert {name for name in reading if name.startswith("sts:")} == {
        "sts:GetCallerIdentity",
        "sts:GetAccessKeyInfo",
        "sts:DecodeAuthorizationMessage",
    }
    assert {"iam:GetRole", "iam:ListUsers", "iam:SimulateCustomPolicy"} <= reading
    verbs = ("Get", "List", "Simulate")
    assert all(name.removeprefix("iam:").startswith(verbs) for name in reading if name.startswith("iam:"))


def test_a_line_is_written_when_the_call_returns(tmp_path: Path) -> None:
    """The line comes after everything that was recorded before it."""
    path = tmp_path / "audit"
    sink = open_sink(str(path))
    for number in range(5):
        sink(event(number))
    sink.record_now(event(5))
    assert [one["requestID"] for one in lines_of(path)] == [str(number) for number in range(6)]
    sink.close()


@pytest.mark.parametrize("room", [0, 1, 200, 600, 700])
def test_a_line_that_was_refused_is_never_written(tmp_path: Path, room: int) -> None:
    """Wherever the disk becomes full, an event is in the file if and only if its caller got a success."""
    path, told = tmp_path / "audit", list[str]()
    sink = open_sink(str(path), Watch())
    with room_for(room):
        for number in range(4):
            try:
                sink.record_now(event(number))
            except NotRecordedError:
                sink(event(100 + number))
                told.append(str(100 + number))
            else:
                told.append(str(number))
    sink.close()
    assert sorted(one["requestID"] for one in lines_of(path)) == sorted(told)


def test_once_it_can_be_written_again_it_is_found_out(tmp_path: Path) -> None:
    """The next call tries again, even if no events wait."""
    path = tmp_path / "audit"
    sink = open_sink(str(path))
    with room_for(0), pytest.raises(NotRecordedError):
        sink.record_now(event(0))
    sink.record_now(event(1))
    sink.close()
    assert [one["requestID"] for one in lines_of(path)] == ["1"]


def test_a_reader_that_stalls_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output that is not read does not record events.

    After the first refusal the next ones are immediate.
    """
    monkeypatch.setattr("daypass.audit.line_queue._MOST_QUEUED", 200_000)
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as stream:
        sink = LineSink(stream)
        for number in range(1_000):
            sink(event(number))
        with pytest.raises(NotRecordedError):
            sink.record_now(event(1_000, "Refused"))
        log = RequiredLog(sink, lambda _: None)
        with pytest.raises(ServiceUnavailable, match="issue credentials or change data fail"):
            log.require()
        reader = os.fdopen(reading, "rb")
        got: list[bytes] = []
        thread = threading.Thread(target=lambda: got.extend(reader))
        thread.start()
        sink.close()
    thread.join()
    reader.close()
    assert all(b"Refused" not in line for line in got)
    assert len([json.loads(line) for line in got]) > 100


def test_each_answer_is_recorded_once_where_the_log_is_required() -> None:
    """Calls that issue or change are recorded before their response.

    Others are recorded with it; metrics count both in the same way.
    """
    with running_server(config=replace(Config(), audit_log_required=True)) as server:
        make = client_factory(server)
        iam, sts = make("iam"), make("sts")
        iam.create_user(UserName="alice")
        key = iam.create_access_key(UserName="alice")["AccessKey"]
        make("sts", key).get_session_token()
        sts.get_caller_identity()
        with pytest.raises(ClientError):
            iam.create_user(UserName="alice")
        names = [(one.action, one.code) for one in server.audit.audit_records]
    assert names == [
        ("CreateUser", ""),
        ("CreateAccessKey", ""),
        ("GetSessionToken", ""),
        ("GetCallerIdentity", ""),
        ("CreateUser", "EntityAlreadyExists"),
    ]
