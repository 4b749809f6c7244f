"""Malformed and invalid requests get AWS's error code and format."""

import json
from datetime import timedelta
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError
from tests.http.raw import FORM, WHO, Answer, send, signed

from daypass.testing.clock import MovableClock
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer, running_server

STS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


def code_of(answer: Answer, namespace: str = STS) -> str:
    """Return the error code of an XML response.

    The response must be well formed and in its namespace.
    """
    code = ET.fromstring(answer.body).findtext(f"{namespace}Error/{namespace}Code")  # noqa: S314 - our own answer
    assert code is not None, answer.text
    return code


def test_a_signed_request_is_answered_with_its_request_id(daypass_server: RunningServer) -> None:
    """The request id is in the body and in the header x-amzn-RequestId."""
    answer = send(daypass_server, *signed(daypass_server))
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/xml"
    assert f"<RequestId>{answer.headers['x-amzn-requestid']}</RequestId>" in answer.text


def test_json_is_answered_to_those_who_ask_for_it(daypass_server: RunningServer) -> None:
    """`Accept: application/json` selects JSON.

    The header is not signed, so the response has `Vary: Accept`.
    """
    body, headers = signed(daypass_server)
    answer = send(daypass_server, body, {**headers, "Accept": "application/json"})
    result = json.loads(answer.body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
    assert result["Account"] == daypass_server.root.account
    assert answer.headers["vary"] == "Accept"


def test_an_unsigned_request_is_refused(daypass_server: RunningServer) -> None:
    """An unsigned GetCallerIdentity is refused."""
    answer = send(daypass_server, urlencode(WHO).encode())
    assert (answer.status, code_of(answer)) == (403, "MissingAuthenticationToken")


def test_an_unknown_action_is_refused_in_awss_own_namespace(daypass_server: RunningServer) -> None:
    """The service is not known, so the response uses AWS's own namespace."""
    answer = send(daypass_server, b"Action=MakeMeRoot&Version=2011-06-15")
    fault = "{http://webservices.amazon.com/AWSFault/2005-15-09}"
    assert (answer.status, code_of(answer, fault)) == (400, "InvalidAction")
    assert "Could not find operation MakeMeRoot for version 2011-06-15" in answer.text


@pytest.mark.parametrize("place", ["body", "signature", "host", "date", "token"])
def test_a_request_that_was_tampered_with_is_refused(daypass_server: RunningServer, place: str) -> None:
    """A signature covers the body, the signed headers, the time and the token."""
    body, headers = signed(daypass_server)
    if place == "body":
        body += b"&DurationSeconds=1"
    elif place == "signature":
        last = headers["Authorization"][-1]
        headers["Authorization"] = headers["Authorization"][:-1] + ("0" if last != "0" else "1")
    elif place == "host":
        headers["Host"] = "sts.example.com"
    elif place == "date":
        seconds = "58Z" if headers["X-Amz-Date"].endswith("59Z") else "59Z"
        headers["X-Amz-Date"] = headers["X-Amz-Date"][:-3] + seconds
    else:
        headers["X-Amz-Security-Token"] = "FwoGZXIvYXdzEA"
    answer = send(daypass_server, body, headers)
    wanted = "InvalidClientTokenId" if place == "token" else "SignatureDoesNotMatch"
    assert (answer.status, code_of(answer)) == (403, wanted)


def test_a_request_that_is_replayed_late_is_refused() -> None:
    """A signature is valid for fifteen minutes."""
    clock = MovableClock()
    with running_server(clock=clock, signature_clock=clock) as server:
        request = signed(server)
        assert send(server, *request).status == 200
        clock.move(timedelta(minutes=15, seconds=2))
        answer = send(server, *request)
    assert code_of(answer) == "SignatureDoesNotMatch"
    assert "Signature expired" in answer.text


def test_a_request_for_another_service_or_region_is_refused(daypass_server: RunningServer) -> None:
    """The message names both mistakes at once, as AWS does."""
    answer = send(daypass_server, *signed(daypass_server, service="iam", region="no_where"))
    assert "Credential should be scoped to a valid region. " in answer.text
    assert "Credential should be scoped to correct service: &#39;sts&#39;. " in answer.text.replace("'", "&#39;")


def test_the_first_of_two_values_counts(daypass_server: RunningServer) -> None:
    """The first of two values for a scalar is used."""
    body = b"Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole"
    assert send(daypass_server, *signed(daypass_server, body)).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"Action=\xff\xfe&Version=2011-06-15",
        b"Action=Get%ZZ&Version=2011-06-15",
        b"Action=%FF&Version=2011-06-15",
        b"\x00" * 100,
        b"&" * 10_000,
        b"=" * 10_000,
        b"Action=AssumeRole&Version=2011-06-15&" + b"&".join(b"Tags.member.%d.Key=a" % n for n in range(6_000)),
    ],
)
def test_a_broken_body_is_a_clear_refusal(daypass_server: RunningServer, body: bytes) -> None:
    """Malformed input causes an error, but neither a traceback nor a 500."""
    answer = send(daypass_server, *signed(daypass_server, body))
    assert answer.status == 400
    assert b"Traceback" not in answer.body


def test_a_body_over_ten_megabytes_is_refused_unread(daypass_server: RunningServer) -> None:
    """The response is 413 with an empty body, as on AWS."""
    answer = send(daypass_server, b"Action=GetCallerIdentity&Version=2011-06-15&x=" + b"a" * 11_000_000)
    assert (answer.status, answer.body) == (413, b"")


def test_an_overlong_query_is_refused(daypass_server: RunningServer) -> None:
    """A GET query is limited to about 15.8 KB."""
    target = "/?Action=GetCallerIdentity&Version=2011-06-15&x=" + "a" * 16_000
    answer = send(daypass_server, b"", {}, method="GET", target=target)
    assert (answer.status, answer.body) == (400, b"")


def test_other_paths_hold_nothing(daypass_server: RunningServer) -> None:
    """The API is at the root of the URL; other paths are 404."""
    assert send(daypass_server, b"Action=GetCallerIdentity", {"Content-Type": FORM}, target="/x").status == 404


def test_health_readiness_and_metrics(daypass_server: RunningServer) -> None:
    """The server exposes its health, its readiness and its metrics."""
    send(daypass_server, *signed(daypass_server))
    get = {"method": "GET"}
    assert send(daypass_server, b"", {}, target="/healthz", **get).status == 200
    assert send(daypass_server, b"", {}, target="/readyz", **get).status == 200
    metrics = send(daypass_server, b"", {}, target="/metrics", **get).text
    assert 'daypass_answers_total{action="GetCallerIdentity",code=""} 1.0' in metrics
    assert daypass_server.root.account not in metrics


@pytest.mark.parametrize("send_s3", ["list_buckets", "list_objects_v2"])
def test_s3_requests_are_sent_to_the_gateway(client: ClientFactory, send_s3: str) -> None:
    """A profile with `endpoint_url` sends S3 requests to the server too. The answer is an error of S3."""
    s3 = client("s3")
    words = {"Bucket": "team-data"} if send_s3 == "list_objects_v2" else {}
    with pytest.raises(ClientError, match="daypass gateway") as refused:
        getattr(s3, send_s3)(**words)
    assert refused.value.response["Error"]["Code"] == "InvalidRequest"


def test_a_presigned_url_of_s3_is_sent_to_the_gateway(daypass_server: RunningServer) -> None:
    """The scope of the signature is in its query."""
    scope = "AKIDEXAMPLE%2F20261130%2Fus-east-1%2Fs3%2Faws4_request"
    target = f"/team-data/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Expires=60"
    answer = send(daypass_server, b"", {}, target=target, method="GET")
    assert (answer.status, "daypass gateway" in answer.text) == (400, True)
