"""The audit log of a server as an operator keeps it: on a disk that fills up, and rotated while calls come in."""

import json
import resource
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from tests.process.daypass import Running, serving

_PATIENCE = 60.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition, which has no other way to tell."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.02)


def events_in(*paths: Path) -> list[dict[str, Any]]:
    """Return the events of log files; each line must be whole."""
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def metric(server: Running, name: str) -> float:
    """Return a metric of the server."""
    text = urllib.request.urlopen(f"{server.url}/metrics").read().decode()  # noqa: S310 - our own
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


def room_for(server: Running, count: int) -> None:
    """Let no file of the server grow beyond so many bytes, as a full disk or a quota does."""
    most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (count, most))


def no_limit(server: Running) -> None:
    """Let files grow again."""
    room_for(server, resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1])


def outcome(call: Callable[..., Any], **given: Any) -> tuple[int, str]:
    """Return status and error code of a call."""
    try:
        return call(**given)["ResponseMetadata"]["HTTPStatusCode"], ""
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def test_a_full_disk_stops_no_reading_and_loses_nothing_that_fits_into_memory(tmp_path: Path) -> None:
    """Reads are answered, the metric says that the log cannot be written, and each event is there once room is."""
    log = tmp_path / "audit.jsonl"
    with serving(f"sqlite:///{tmp_path / 'd.db'}") as server:
        sts, iam = server.client("sts"), server.client("iam")
        sts.get_caller_identity()
        wait_until(lambda: len(events_in(log)) == 1, "the first event")
        # The database is larger than the log, so it cannot grow either.
        room_for(server, log.stat().st_size + 100)
        for _ in range(3):
            assert outcome(sts.get_caller_identity) == (200, "")
            assert outcome(iam.list_users) == (200, "")
        wait_until(lambda: metric(server, "daypass_audit_failing") == 1, "the failing")
        assert outcome(iam.list_users) == (200, "")
        written = outcome(iam.create_user, UserName="u")
        assert written in {(200, ""), (503, "ServiceUnavailable")}
        assert urllib.request.urlopen(f"{server.url}/readyz").status == 200  # noqa: S310 - our own
        no_limit(server)
        wait_until(lambda: metric(server, "daypass_audit_failing") == 0, "the recovery")
        assert metric(server, "daypass_audit_events_lost_total") == 0
        assert outcome(iam.create_user, UserName="v") == (200, "")
        server.process.terminate()
        assert server.process.wait(20) == 0
    names = [event["eventName"] for event in events_in(log)]
    reads = ["GetCallerIdentity", "ListUsers"] * 3
    assert names == ["GetCallerIdentity", *reads, "ListUsers", "CreateUser", "CreateUser"]
    assert events_in(log)[-2].get("errorCode", "") == written[1]
    assert "audit_not_written" in "".join(server.errors)
    assert "audit_written_again" in "".join(server.errors)
