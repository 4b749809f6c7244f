"""A real gateway exports the spans of its requests, with a store behind it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.gateway.stores import running_moto
from tests.process.daypass import serving
from tests.process.daypass_gateway import gateway, key_file, role_session
from tests.traces.otlp_receiver import Collector, collecting, eventually

pytestmark = pytest.mark.slow

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_SERVER, _CLIENT = 2, 3


@dataclass(frozen=True)
class TracedGateway:
    """A gateway that exports to `collector`, and a session of a role."""

    url: str
    collector: Collector
    session: Any
    audit: Path

    def s3(self, parent: str = "") -> Any:
        """Return a client that sends a parent, if one is given."""
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.session["AccessKeyId"],
            aws_secret_access_key=self.session["SecretAccessKey"],
            aws_session_token=self.session["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        if parent:
            client.meta.events.register(
                "before-sign", lambda request, **_: request.headers.add_header("traceparent", parent)
            )
        return client


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedGateway]:
    """Run a gateway with a bucket and an object."""
    folder = tmp_path_factory.mktemp("traced")
    accounts, audit = f"sqlite:///{folder / 'daypass.db'}", folder / "gateway.jsonl"
    with serving(accounts) as server, running_moto(folder) as store, collecting() as collector:
        words = ("--backend", store.url, "--backend-key-file", key_file(folder, store))
        environment = collector.environment(DAYPASS_GATEWAY_AUDIT_LOG=str(audit), DAYPASS_GATEWAY_AUDIT_READS="1")
        with gateway(accounts, *words, environment=environment) as running:
            traced = TracedGateway(running.url, collector, role_session(server), audit)
            traced.s3().create_bucket(Bucket="reports")
            traced.s3().put_object(Bucket="reports", Key="alice@example.com", Body=b"hello")
            yield traced


def test_the_trace_of_a_verified_caller_is_continued(traced: TracedGateway) -> None:
    """The judgement and the request to the store are inside, and the audit event has the trace."""
    answer = traced.s3(f"00-{_TRACE}-{_SPAN}-01").get_object(Bucket="reports", Key="alice@example.com")
    assert answer["Body"].read() == b"hello"
    root = traced.collector.wait(lambda span: span.trace_id == _TRACE and span.kind == _SERVER)
    request_id = answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert root.name == "s3/GetObject"
    assert root.parent_id == _SPAN
    assert root.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "s3",
        "rpc.method": "GetObject",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "aws.request_id": request_id,
    }
    inside = traced.collector.inside(root)
    assert set(inside) == {"judge", "store GET"}
    assert inside["store GET"].kind == _CLIENT
    assert root.began <= inside["judge"].began <= inside["judge"].ended <= inside["store GET"].began
    assert inside["store GET"].ended <= root.ended
    eventually(lambda: request_id in traced.audit.read_text())
    (event,) = (
        line for line in map(json.loads, traced.audit.read_text().splitlines()) if line["requestID"] == request_id
    )
    assert event["additionalEventData"]["traceId"] == _TRACE


def test_a_stranger_gets_a_new_trace_with_a_link(traced: TracedGateway) -> None:
    """It cannot add to the trace of another."""
    trace = "2" * 32
    parent = {"traceparent": f"00-{trace}-{_SPAN}-01"}
    request = Request(f"{traced.url}/reports/secret", headers=parent)  # noqa: S310 - our own address
    with pytest.raises(HTTPError, match="403"):
        urlopen(request, timeout=30)  # noqa: S310 - as above
    root = traced.collector.wait(lambda span: (trace, _SPAN) in span.links)
    assert not root.parent_id
    assert root.attributes["error.type"] == "AccessDenied"
    assert not [span for span in traced.collector.spans if span.trace_id == trace]


def test_a_refused_caller_has_its_code(traced: TracedGateway) -> None:
    """A request that does not reach a store has no span of one."""
    with pytest.raises(ClientError):
        traced.s3().get_object(Bucket="reports", Key="secret")
    root = traced.collector.wait(
        lambda span: span.name == "s3/GetObject" and span.attributes.get("error.type") == "AccessDenied"
    )
    assert not traced.collector.inside(root)
    assert not root.has_failed


def test_no_span_names_a_bucket_an_object_or_a_caller(traced: TracedGateway) -> None:
    """A key of an object may be the name of a person."""
    traced.s3().head_object(Bucket="reports", Key="alice@example.com")
    traced.collector.named("s3/HeadObject")
    exported = repr(traced.collector.spans)
    for value in ("reports", "alice", "arn:", "123456789012", traced.session["AccessKeyId"]):
        assert value not in exported
