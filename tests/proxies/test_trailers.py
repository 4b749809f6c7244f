"""Trailers do not affect the client's address behind any proxy."""

import json
import time
from collections.abc import Mapping

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.http.segments import Reply, connected, read_until_closed
from tests.process.daypass import ROOT, Running
from tests.proxies.conftest import CLIENT, Behind
from tests.proxies.test_smuggling import answer

FORM = "application/x-www-form-urlencoded; charset=utf-8"
LIST = b"Action=ListUsers&Version=2010-05-08"
FROM_INSIDE = {
    "IpAddress": {"aws:SourceIp": "10.9.0.0/16"},
    "Bool": {"aws:SecureTransport": "true"},
}
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")


@pytest.fixture(scope="session")
def insider(daypass_behind_proxies: Running) -> Credentials:
    """Create a user who may list users only from an internal network over TLS."""
    iam = daypass_behind_proxies.client("iam")
    iam.create_user(UserName="insider")
    statement = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": FROM_INSIDE}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="insider", PolicyName="inside", PolicyDocument=document)
    key = iam.create_access_key(UserName="insider")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def root() -> Credentials:
    """Return the key of the root user."""
    return Credentials(ROOT["DAYPASS_ROOT_ACCESS_KEY_ID"], ROOT["DAYPASS_ROOT_SECRET_ACCESS_KEY"])


def signed_head(credentials: Credentials, body: bytes, *more: str) -> bytes:
    """Return the head of a signed call. Additional headers are not signed."""
    request = AWSRequest("POST", "http://sts.example/", data=body, headers={"Content-Type": FORM})
    SigV4Auth(credentials, "iam", "us-east-1").add_auth(request)
    headers: Mapping[str, str] = {"Host": "sts.example", **dict(request.headers.items())}
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def call(behind: Behind, data: bytes) -> list[Reply]:
    """Send a call through the proxy, and return the responses."""
    with behind.connect() as connection:
        connection.sendall(data)
        return read_until_closed(connection)


TRAILERS = {
    "none": b"",
    "an address and a scheme": b"X-Forwarded-For: 10.9.8.7\r\nX-Forwarded-Proto: https\r\n",
    "odd spellings": b"x-FORWARDED-for:10.9.8.7\r\nX-forwarded-PROTO:\thttps \r\n",
    "several lines": b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 10.9.8.7\r\nX-Forwarded-Proto: https\r\n",
    "other headers": b"Forwarded: for=10.9.8.7;proto=https\r\nX-Real-IP: 10.9.8.7\r\nX-Forwarded-Scheme: https\r\n",
}


@pytest.mark.parametrize("trailers", [*TRAILERS])
def test_trailers_forge_no_network(behind: Behind, insider: Credentials, trailers: str) -> None:
    """Trailers do not satisfy a policy that requires a network and TLS.

    The audit event contains the real address.
    """
    head = signed_head(
        insider, LIST, "Trailer: X-Forwarded-For, X-Forwarded-Proto", "Transfer-Encoding: chunked", "Connection: close"
    )
    replies = call(behind, head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(LIST), LIST, TRAILERS[trailers]))
    assert [each.status for each in replies] == [403]
    assert b"ListUsersResult" not in replies[0].body


def test_forwarded_headers_of_the_client_forge_nothing(behind: Behind, insider: Credentials) -> None:
    """The handbook's configurations overwrite or drop the client's headers."""
    head = signed_head(
        insider,
        LIST,
        "X-Forwarded-For: 10.9.8.7",
        "X-Forwarded-Proto: https",
        f"Content-Length: {len(LIST)}",
        "Connection: close",
    )
    assert [each.status for each in call(behind, head + LIST)] == [403]


def test_the_policy_lets_in_who_is_inside(daypass_behind_proxies: Running, insider: Credentials) -> None:
    """A client inside the network is allowed.

    The server uses the proxy's own headers, so the refusals above have the right reason.
    """
    head = signed_head(
        insider,
        LIST,
        "X-Forwarded-For: 10.9.8.7",
        "X-Forwarded-Proto: https",
        f"Content-Length: {len(LIST)}",
        "Connection: close",
    )
    with connected(daypass_behind_proxies.url) as connection:
        connection.sendall(head + LIST)
        replies = read_until_closed(connection)
    assert [each.status for each in replies] == [200]
    assert b"ListUsersResult" in replies[0].body


def test_the_audit_names_the_client(behind: Behind, daypass_behind_proxies: Running) -> None:
    """The audit event has the client's address, not the proxy's or one from the client's headers."""
    name = f"Client-of-{behind.name}"
    trailers = TRAILERS["an address and a scheme"]
    head = signed_head(root(), LIST, f"User-Agent: {name}", "Transfer-Encoding: chunked", "Connection: close")
    call(behind, head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(LIST), LIST, trailers))
    deadline = time.monotonic() + 60
    while not (events := behind.events("ListUsers", name)):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # the events are written with a short delay
    assert {event["sourceIPAddress"] for event in events} == {CLIENT}


def test_a_call_that_asks_for_http_2_is_answered(behind: Behind, daypass_behind_proxies: Running) -> None:
    """Java clients ask for HTTP/2 in their first request. It is answered."""
    with behind.connect() as connection:
        connection.sendall(signed_head(root(), LIST, *H2C, f"Content-Length: {len(LIST)}") + LIST)
        status, body = answer(connection)
    assert status == 200
    assert b"ListUsersResult" in body
