"""docs/tour.md names each file that AssumeRole enters, from the socket to the audit event."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import daypass
from daypass.audit.sinks import open_sink
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server

_PACKAGE = Path(daypass.__file__).parent
_TOUR = Path(__file__).parents[2] / "docs" / "tour.md"
_CALLS = 20
# Threads that are on the way of no request.
_BACKGROUND = ("cache-poll", "cache-query", "late-page", "maintenance", "webhook-sender")
_FILE = re.compile(r"(?:src/daypass/)?((?:[a-z0-9_]+/)*[a-z0-9_]+\.py)\b")

# Files that need no mention, each with the reason.
_EXCEPTIONS = {
    "testing/clock.py": "the clock of this test's server",
    "testing/server.py": "the recorder of this test's server, in place of the audit log",
}


class _Trace:
    """A tracer that collects the files of called functions of the package, in all threads that answer requests."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._is_on = False

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Record a call. The interpreter calls this for each one."""
        if self._is_on and event == "call" and threading.current_thread().name not in _BACKGROUND:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(_PACKAGE):
                self.files.append(str(path.relative_to(_PACKAGE)))

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Trace this thread and those that start meanwhile."""
        before, before_of_threads = sys.getprofile(), threading.getprofile()
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(before)
            threading.setprofile(before_of_threads)

    @contextmanager
    def on(self) -> Iterator[list[str]]:
        """Collect the files from here on. Yields the list, which grows."""
        self.files = []
        self._is_on = True
        try:
            yield self.files
        finally:
            self._is_on = False


def _statement(**members: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **members}]})


def _entered(audit_log: Path) -> tuple[set[str], set[str]]:
    """Return the files that a first AssumeRole enters, and those that a later one enters."""
    trace = _Trace()
    with trace.installed(), running_server() as server:
        make = client_factory(server)
        iam = make("iam")
        trust = _statement(Principal={"AWS": server.root.account}, Action="sts:AssumeRole")
        role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.create_user(UserName="alice")
        policy = _statement(Action="sts:AssumeRole", Resource=role)
        iam.put_user_policy(UserName="alice", PolicyName="reader", PolicyDocument=policy)
        sts = make("sts", iam.create_access_key(UserName="alice")["AccessKey"])
        calls = []
        for _ in range(_CALLS):
            with trace.on() as call:
                sts.assume_role(RoleArn=role, RoleSessionName="monday")
            calls.append(set(call))
        # The test's server keeps its events in memory. A real server passes them to this sink.
        sink = open_sink(str(audit_log))
        with trace.on() as recording:
            sink(server.audit.audit_records[-1])
            sink.close()
    # A call may also check for changes of the store, which happens once a second. The shortest call is the warm one.
    return calls[0], min(calls[1:], key=len) | set(recording)


def _named() -> set[str]:
    """Return the files that the tour names."""
    return set(_FILE.findall(_TOUR.read_text(encoding="utf-8")))


def test_the_tour_names_every_file_on_the_way(tmp_path: Path) -> None:
    """A reader who follows the tour sees each file of a request with warm caches."""
    audit_log = tmp_path / "audit.jsonl"
    blocking, warm = _entered(audit_log)
    assert json.loads(audit_log.read_text())["eventName"] == "AssumeRole"
    assert {"pipeline.py", "http/connection.py", "policy/evaluate.py", "audit/event.py"} <= warm
    assert len(blocking) > len(warm)
    assert sorted(warm - _named() - set(_EXCEPTIONS)) == []
    assert set(_EXCEPTIONS) <= warm, "remove exceptions that are not on the way"


def test_the_tour_names_no_file_that_is_gone() -> None:
    """Each file that the tour names exists."""
    assert [name for name in sorted(_named()) if not (_PACKAGE / name).is_file()] == []
