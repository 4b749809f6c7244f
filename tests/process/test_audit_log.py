"""The audit log of a server on a full disk, and during log rotation."""

import fcntl
import json
import os
import resource
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.process.daypass import ROOT, Running, serving

pytestmark = pytest.mark.slow

_PATIENCE = 60.0


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition is true. There is no event to wait for."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what} did not come true"
        time.sleep(0.02)


def events_in(*paths: Path) -> list[dict[str, Any]]:
    """Return the events of log files; each line must be complete."""
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def metric(server: Running, name: str) -> float:
    """Return a metric of the server."""
    text = urllib.request.urlopen(f"{server.url}/metrics").read().decode()  # noqa: S310 - our own
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")))


def room_for(server: Running, count: int) -> None:
    """Limit the size of the server's files, as a full disk or a quota does."""
    most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (count, most))


def no_limit(server: Running) -> None:
    """Remove the limit of file sizes."""
    room_for(server, resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1])


def outcome(call: Callable[..., Any], **given: Any) -> tuple[int, str]:
    """Return status and error code of a call."""
    try:
        return call(**given)["ResponseMetadata"]["HTTPStatusCode"], ""
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]


def test_a_full_disk_stops_no_reading_and_loses_nothing_that_fits_into_memory(tmp_path: Path) -> None:
    """On a full disk, reads are answered and events wait in memory.

    The metric shows that the log cannot be written. Each event is written once there is space again.
    """
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


@contextmanager
def calling(server: Running) -> Iterator[list[str]]:
    """Make calls all the time, and collect the request ids of the responses."""
    answered: list[str] = []
    stop = threading.Event()

    def call() -> None:
        # A new client opens a new connection, so another worker may answer.
        while not stop.is_set():
            client = server.client("sts")
            for _ in range(20):
                answer = client.get_caller_identity()
                answered.append(answer["ResponseMetadata"]["RequestId"])

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def is_longer(answered: list[str], than: int) -> bool:
    """Return whether there were more responses than that."""
    return len(answered) > than


def is_closed(server: Running, path: Path) -> bool:
    """Return whether every worker has closed a file."""
    return not any(path in open_files(worker) for worker in children_of(server.process.pid))


def open_files(pid: int) -> Iterator[Path]:
    """Yield the open files of a process."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # A connection may have been closed since it was listed.
        with suppress(FileNotFoundError):
            yield link.readlink()


def count_of(server: Running, word: str) -> int:
    """Return the number of times that a word occurs in the server's own log."""
    return sum(word in line for line in list(server.errors))


def test_where_the_log_is_required_nothing_leaves_without_its_event(tmp_path: Path) -> None:
    """With a required log, each issued credential has an event.

    The disk fills up while calls are made. Failed calls do not have an event of success.
    """
    log, store = tmp_path / "audit.jsonl", f"sqlite:///{tmp_path / 'd.db'}"
    # The log reaches the limit of a file's size first, and the database never does.
    log.write_bytes(b"{}\n" * 1_000_000)
    with serving(store, environment={**ROOT, "DAYPASS_AUDIT_LOG_REQUIRED": "true"}) as server:
        sts, iam, given = server.client("sts"), server.client("iam"), list[str]()
        iam.create_user(UserName="alice")
        key = iam.create_access_key(UserName="alice")["AccessKey"]
        user = server.client("sts", key)
        issuing = (user.get_session_token, partial(sts.get_federation_token, Name="fed"))
        for round_of in range(3):
            room_for(server, log.stat().st_size + 2_500)
            for number in range(12):
                answer = outcome(issuing[number % 2])
                assert answer[0] in {200, 503}
                given += [f"{round_of}.{number}"] if answer[0] == 200 else []
            assert outcome(issuing[0]) == (503, "ServiceUnavailable")
            for change in (partial(iam.create_user, UserName="bob"), partial(iam.delete_access_key, **one(key))):
                assert outcome(change) == (503, "ServiceUnavailable")
            assert outcome(sts.get_caller_identity) == (200, "")
            assert [each["UserName"] for each in iam.list_users()["Users"]] == ["alice"]
            assert urllib.request.urlopen(f"{server.url}/readyz").status == 200  # noqa: S310 - our own
            no_limit(server)
            wait_until(partial(is_answered, issuing[0]), "the recovery")
            given.append(f"{round_of}.recovered")
        server.process.terminate()
        assert server.process.wait(20) == 0
    events = [event for event in events_in(log) if event]
    issued = [
        event for event in events if event["eventName"].startswith("Get") and event["eventName"].endswith("Token")
    ]
    assert sum("errorCode" not in event for event in issued) == len(given)
    assert [event["eventName"] for event in events if event.get("errorCode")].count("CreateUser") == 3
    assert (
        sum(event["eventName"] in {"CreateUser", "DeleteAccessKey"} and "errorCode" not in event for event in events)
        == 1
    )


def one(key: dict[str, Any]) -> dict[str, str]:
    """Return the parameters that identify an access key."""
    return {"UserName": key["UserName"], "AccessKeyId": key["AccessKeyId"]}


def is_answered(call: Callable[..., Any]) -> bool:
    """Return whether a call succeeds."""
    return outcome(call)[0] == 200


def test_a_rotation_by_renaming_loses_and_doubles_no_event(tmp_path: Path) -> None:
    """After SIGHUP each worker writes to the new file only."""
    log, ended = tmp_path / "audit.jsonl", dict[Path, int]()
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        with calling(server) as answered:
            for number in range(2):
                wait_until(partial(is_longer, answered, len(answered) + 30), "further calls")
                old = tmp_path / f"audit.jsonl.{number}"
                log.rename(old)
                server.process.send_signal(signal.SIGHUP)
                wait_until(partial(is_closed, server, old), "the reopening")
                ended[old] = old.stat().st_size
        server.process.terminate()
        assert server.process.wait(20) == 0
    assert {old: old.stat().st_size for old in ended} == ended
    assert log.stat().st_mode & 0o777 == 0o600
    recorded = [event["requestID"] for event in events_in(*ended, log)]
    assert sorted(recorded) == sorted(answered)


def test_a_rotation_by_copying_and_truncating_loses_and_doubles_no_event(tmp_path: Path) -> None:
    """Writers append at the current end of the file.

    They wait for another process that holds its lock.
    """
    log, copies = tmp_path / "audit.jsonl", list[Path]()
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        with calling(server) as answered:
            for number in range(2):
                wait_until(partial(is_longer, answered, len(answered) + 30), "further calls")
                copies.append(tmp_path / f"audit.jsonl.{number}")
                with log.open("rb+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    shutil.copyfile(log, copies[-1])
                    os.ftruncate(file.fileno(), 0)
        server.process.terminate()
        assert server.process.wait(20) == 0
    assert sorted(event["requestID"] for event in events_in(*copies, log)) == sorted(answered)


def test_a_hangup_during_the_start_ends_no_server(tmp_path: Path) -> None:
    """A SIGHUP before there is a file or a certificate to reopen does not end the server."""
    is_up = threading.Event()

    def hang_up() -> None:
        while not is_up.wait(0.005):
            for child in children_of(os.getpid()):
                if is_serving(child):
                    os.kill(child, signal.SIGHUP)

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2", "--audit-log", "-") as server:
            is_up.set()
            assert server.client("sts").get_caller_identity()["Account"] == ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
            server.process.terminate()
            assert server.process.wait(20) == 0
    finally:
        is_up.set()
        thread.join()
    assert count_of(server, "worker_died") == 0


def children_of(pid: int) -> list[int]:
    """Return the child processes of a process."""
    children = list[int]()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may have ended since it was listed.
        with suppress(OSError):
            children += map(int, path.read_text().split())
    return children


def is_serving(pid: int) -> bool:
    """Return whether a process handles SIGHUP already."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(caught >> (signal.SIGHUP - 1) & 1)
