"""A real server exports the spans of its requests to a real receiver of OTLP."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError
from tests.process.daypass import ROOT, Running, run, serving
from tests.traces.otlp_receiver import Collector, ReceivedSpan, collecting, eventually

pytestmark = pytest.mark.slow

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}
_SERVER, _CLIENT = 2, 3


@dataclass(frozen=True)
class TracedServer:
    """A server that exports to `collector`, and its logs."""

    running: Running
    collector: Collector
    folder: Path

    def client(self, service: str, key: Any = None, parent: str = "") -> Any:
        """Return a client that sends a parent, if one is given."""
        client = self.running.client(service, key)
        if parent:
            client.meta.events.register(
                "before-sign", lambda request, **_: request.headers.add_header("traceparent", parent)
            )
        return client

    def root(self, request_id: str) -> ReceivedSpan:
        """Return the span of a request."""
        return self.collector.wait(lambda span: span.attributes.get("aws.request_id") == request_id)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of a log."""
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


@contextmanager
def _traced(folder: Path, *words: str, **more: str) -> Iterator[TracedServer]:
    logs = {"DAYPASS_ACCESS_LOG": str(folder / "access.jsonl")}
    with collecting() as collector:
        environment = {**ROOT, **collector.environment(**logs, **more)}
        with serving(f"sqlite:///{folder / 'daypass.db'}", *words, environment=environment) as running:
            yield TracedServer(running, collector, folder)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedServer]:
    """Run a server that records every request."""
    with _traced(tmp_path_factory.mktemp("traced"), OTEL_RESOURCE_ATTRIBUTES="site=berlin") as server:
        yield server


@pytest.fixture(scope="module")
def user(traced: TracedServer) -> Any:
    """Create a role and a user, and return the user's access key."""
    iam = traced.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [_TRUST]})
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=document)
    iam.create_user(UserName="alice")
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_user_policy(
        UserName="alice", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    )
    return iam.create_access_key(UserName="alice")["AccessKey"]


def _assume(client: Any, name: str) -> str:
    answer = client.assume_role(RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName=name)
    return str(answer["ResponseMetadata"]["RequestId"])


def test_assume_role_has_a_span_for_each_stage(traced: TracedServer, user: Any) -> None:
    """The trace, the audit event and the line of the access log lead to each other."""
    request_id = _assume(traced.client("sts", user), "monday")
    root = traced.root(request_id)
    assert root.name == "sts/AssumeRole"
    assert root.kind == _SERVER
    assert not root.parent_id
    assert root.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "sts",
        "rpc.method": "AssumeRole",
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/",
        "aws.request_id": request_id,
    }
    inside = traced.collector.inside(root)
    stages = {"decode", "authenticate", "parse", "verify identity", "authorize", "run", "render", "record"}
    assert stages <= set(inside)
    assert all(root.began <= each.began <= each.ended <= root.ended for each in inside.values())
    assert root.resource["service.name"] == "daypass"
    assert root.resource["site"] == "berlin"
    eventually(lambda: any(line["requestID"] == request_id for line in traced.lines("audit.jsonl")))
    (event,) = (line for line in traced.lines("audit.jsonl") if line["requestID"] == request_id)
    assert event["additionalEventData"]["traceId"] == root.trace_id
    eventually(lambda: any(line["request_id"] == request_id for line in traced.lines("access.jsonl")))
    (line,) = (line for line in traced.lines("access.jsonl") if line["request_id"] == request_id)
    assert line["trace_id"] == root.trace_id


def test_a_call_like_an_earlier_one_has_its_short_way(traced: TracedServer, user: Any) -> None:
    """Its stages are one span."""
    client = traced.client("sts", user)
    ids = [_assume(client, f"day-{number}") for number in range(6)]
    root = traced.root(ids[-1])
    assert "authorize, run and render" in traced.collector.inside(root)


def test_a_write_shows_the_store(traced: TracedServer) -> None:
    """The spans of the store are of the kind CLIENT."""
    answer = traced.client("iam").create_user(UserName="bob")
    request_id = answer["ResponseMetadata"]["RequestId"]
    root = traced.root(request_id)
    inside = traced.collector.inside(root)
    assert {"wait for a thread", "store write", "store commit"} <= set(inside)
    assert inside["store commit"].kind == _CLIENT


def test_a_refusal_is_named_and_has_not_failed(traced: TracedServer, user: Any) -> None:
    """The caller is to blame."""
    with pytest.raises(ClientError):
        traced.client("iam", user).create_user(UserName="mallory")
    root = traced.collector.wait(
        lambda span: span.kind == _SERVER and span.attributes.get("error.type") == "AccessDenied"
    )
    assert root.name == "iam/CreateUser"
    assert traced.collector.inside(root)["authorize"].attributes == {"error.type": "AccessDenied"}
    assert root.attributes["http.response.status_code"] == 403
    assert not root.has_failed


def test_the_trace_of_an_authenticated_caller_is_continued(traced: TracedServer, user: Any) -> None:
    """The caller's span is the parent."""
    _assume(traced.client("sts", user, f"00-{_TRACE}-{_SPAN}-01"), "tuesday")
    root = traced.collector.wait(lambda span: span.trace_id == _TRACE and span.kind == _SERVER)
    assert root.parent_id == _SPAN
    assert not root.links


def test_a_caller_that_does_not_record_is_not_recorded(traced: TracedServer, user: Any) -> None:
    """Its trace is in the audit log all the same."""
    trace = "1" * 32
    request_id = _assume(traced.client("sts", user, f"00-{trace}-{_SPAN}-00"), "wednesday")
    eventually(lambda: any(line["requestID"] == request_id for line in traced.lines("audit.jsonl")))
    (event,) = (line for line in traced.lines("audit.jsonl") if line["requestID"] == request_id)
    assert event["additionalEventData"]["traceId"] == trace
    later = _assume(traced.client("sts", user), "thursday")
    traced.root(later)
    assert not [span for span in traced.collector.spans if span.trace_id == trace]


def test_a_stranger_gets_a_new_trace_with_a_link(traced: TracedServer, user: Any) -> None:
    """A stranger must not add spans to the trace of another."""
    trace = "2" * 32
    stranger = {**user, "SecretAccessKey": "wrong"}
    with pytest.raises(ClientError):
        traced.client("sts", stranger, f"00-{trace}-{_SPAN}-01").get_caller_identity()
    root = traced.collector.wait(lambda span: (trace, _SPAN) in span.links)
    assert root.trace_id != trace
    assert not root.parent_id
    assert root.attributes["error.type"] == "SignatureDoesNotMatch"
    assert not [span for span in traced.collector.spans if span.trace_id == trace]


def test_pages_have_the_first_part_of_their_path(traced: TracedServer) -> None:
    """The rest may name a person, and machines read the health all the time."""
    for path in ("/readyz", "/login/oidc/alice@example.com?code=secret", "/alice@example.com"):
        with pytest.raises(Exception, match="404") if "alice" in path else _nothing():
            urlopen(f"{traced.running.url}{path}", timeout=30).close()  # noqa: S310 - our own address
    assert traced.collector.named("GET /login").attributes["http.route"] == "/login"
    assert "url.path" not in traced.collector.named("GET").attributes
    assert "ready" not in str([span.name for span in traced.collector.spans])


def test_no_span_has_an_identifier_of_a_caller(traced: TracedServer, user: Any) -> None:
    """Neither accounts nor keys, names, ARNs or addresses are in a span."""
    request_id = _assume(traced.client("sts", user), "friday")
    traced.root(request_id)
    exported = repr(traced.collector.spans)
    for value in (user["AccessKeyId"], user["SecretAccessKey"], "123456789012", "alice", "friday", "arn:", "127.0.0.1"):
        assert value not in exported


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def test_each_worker_exports_its_own_spans(tmp_path: Path) -> None:
    """The exporter's thread starts after the fork."""
    with _traced(tmp_path, "--workers", "2") as traced:
        deadline = time.monotonic() + 30
        while len({line["pid"] for line in _events(traced, "ready")}) < 2:
            assert time.monotonic() < deadline
        ids = [
            traced.client("sts").get_caller_identity()["ResponseMetadata"]["RequestId"]  # each on a new connection
            for _ in range(12)
        ]
        for request_id in ids:
            traced.root(request_id)


def _events(traced: TracedServer, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in list(traced.running.errors)]
    return [line for line in lines if line["event"] == name]


def test_a_collector_that_refuses_costs_spans_alone(tmp_path: Path) -> None:
    """The log has one line for the change, and the metrics count what was lost."""
    with _traced(tmp_path, OTEL_BSP_MAX_QUEUE_SIZE="512") as traced:
        traced.collector.status = 400
        traced.client("sts").get_caller_identity()
        eventually(lambda: len(_events(traced, "traces_not_exported")) == 1)
        assert _metric(traced, "failed") > 0
        traced.collector.status = 200
        traced.client("sts").get_caller_identity()
        traced.collector.named("sts/GetCallerIdentity")
        eventually(lambda: len(_events(traced, "traces_exported_again")) == 1)
        assert len(_events(traced, "traces_not_exported")) == 1


def test_a_collector_that_hangs_delays_neither_requests_nor_the_end(tmp_path: Path) -> None:
    """The queue is full after a few requests, and further spans are dropped and counted."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        more = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_BSP_MAX_QUEUE_SIZE": "16",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4",
        }
        with _traced(tmp_path, **more) as traced:
            client = traced.client("sts")
            began = time.monotonic()
            for _ in range(20):
                client.get_caller_identity()
            assert time.monotonic() - began < 10
            assert _metric(traced, "dropped") > 0
            traced.running.process.send_signal(signal.SIGINT)
            assert traced.running.process.wait(15) == 0


def _metric(traced: TracedServer, outcome: str) -> float:
    with urlopen(f"{traced.running.url}/metrics", timeout=30) as page:  # noqa: S310 - our own address
        lines = page.read().decode().splitlines()
    (value,) = (
        line.split()[-1] for line in lines if line.startswith(f'daypass_trace_spans_total{{outcome="{outcome}"')
    )
    return float(value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
    ],
)
def test_an_invalid_variable_is_refused_at_the_start(tmp_path: Path, variable: str, value: str) -> None:
    """The SDK would ignore it with a warning."""
    done = run(
        "serve",
        "--port=0",
        f"--store=sqlite:///{tmp_path / 'daypass.db'}",
        environment={**ROOT, "DAYPASS_TRACES": "true", variable: value},
    )
    assert done.returncode == 6
    assert value in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path) -> None:
    """The server does not start without the traces that the operator wants."""
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry/__init__.py").write_text("raise ImportError\n")
    done = run(
        "serve",
        "--port=0",
        f"--store=sqlite:///{tmp_path / 'daypass.db'}",
        environment={**ROOT, "DAYPASS_TRACES": "true", "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 6
    assert "pip install 'daypass[otel]'" in done.stderr
