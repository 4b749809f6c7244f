"""Calls without an authenticated caller are throttled by peer.

Calls with a valid signature never are.
"""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.http.raw import FORM, WHO, Answer, send, signed
from tests.http.test_refusals import code_of

from daypass.config import Config
from daypass.testing.server import RunningServer, running_server

BUDGET = 3
AWS = "{http://webservices.amazon.com/AWSFault/2005-15-09}"
Attempt = tuple[bytes, dict[str, str]]


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server that allows a peer three failures, behind a proxy that names the client's address."""
    with running_server(
        config=replace(Config(), unsigned_calls_per_minute=BUDGET, trusted_proxies=(ip_network("127.0.0.1"),))
    ) as running:
        yield running


def signed_by(server: RunningServer, key_id: str, secret: str, token: str | None = None) -> Attempt:
    """Return the body and the headers of a call signed with these credentials."""
    body = urlencode(WHO).encode()
    request = AWSRequest("POST", server.url + "/", data=body, headers={"Content-Type": FORM})
    SigV4Auth(Credentials(key_id, secret, token), "sts", "us-east-1").add_auth(request)
    return body, {**dict(request.headers.items()), "Host": server.url.removeprefix("http://")}


def unknown_key(server: RunningServer) -> Attempt:
    """Use a key that does not exist."""
    return signed_by(server, "AKIANOBODYNOBODYNOBO", "x" * 40)


def unopened_token(server: RunningServer) -> Attempt:
    """Send a session token that this server did not issue."""
    return signed_by(server, "ASIANOBODYNOBODYNOBO", "x" * 40, "FwoGZXIvYXdzEA")


def wrong_signature(server: RunningServer) -> Attempt:
    """Use a key that exists, and sign with another secret."""
    return signed_by(server, server.root.access_key_id, "x" * 40)


def changed_body(server: RunningServer) -> Attempt:
    """Change the body after signing."""
    body, headers = signed(server)
    return body + b"&DurationSeconds=1", headers


def no_signature(server: RunningServer) -> Attempt:
    """Send a call that must be signed without a signature."""
    return urlencode(WHO).encode(), {"Content-Type": FORM}


def half_a_signature(server: RunningServer) -> Attempt:
    """Send a header with an incomplete signature."""
    return urlencode(WHO).encode(), {"Content-Type": FORM, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}


def other_region(server: RunningServer) -> Attempt:
    """Sign for a malformed region."""
    return signed(server, region="no_where")


def old_date(server: RunningServer) -> Attempt:
    """Sign with the date of another day."""
    body, headers = signed(server)
    return body, {**headers, "X-Amz-Date": "20200101T000000Z"}


def unknown_action(server: RunningServer) -> Attempt:
    """Call an action that does not exist."""
    return b"Action=MakeMeRoot&Version=2011-06-15", {"Content-Type": FORM}


def broken_form(server: RunningServer) -> Attempt:
    """Send a body that is not a valid form."""
    return b"Action=%ZZ", {"Content-Type": FORM}


def bad_web_identity_token(server: RunningServer) -> Attempt:
    """Send a web identity token that is not valid."""
    role = f"arn:aws:iam::{server.root.account}:role/r"
    asked = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": "s"}
    return urlencode({**asked, "WebIdentityToken": "a.b.c" * 10}).encode(), {"Content-Type": FORM}


BAD: tuple[Callable[[RunningServer], Attempt], ...] = (
    unknown_key,
    unopened_token,
    wrong_signature,
    changed_body,
    no_signature,
    half_a_signature,
    other_region,
    old_date,
    unknown_action,
    broken_form,
    bad_web_identity_token,
)


def from_peer(server: RunningServer, attempt: Attempt, peer: str) -> Answer:
    """Send a call as a proxy forwards it."""
    body, headers = attempt
    return send(server, body, {**headers, "X-Forwarded-For": peer})


def is_held_back(answer: Answer) -> bool:
    """Return whether a response is AWS's Throttling."""
    return answer.status == 400 and b"<Code>Throttling</Code>" in answer.body and b"Rate exceeded" in answer.body


@pytest.mark.parametrize("bad", BAD, ids=lambda each: each.__name__)
def test_an_unauthenticated_peer_is_held_back_and_good_keys_beside_it_are_not(
    server: RunningServer, bad: Callable[[RunningServer], Attempt]
) -> None:
    """Valid keys behind the same address are never throttled.

    Failures are counted after the check of the signature.
    """
    for _ in range(BUDGET):
        assert not is_held_back(from_peer(server, bad(server), "192.0.2.1"))
    for _ in range(BUDGET):
        assert is_held_back(from_peer(server, bad(server), "192.0.2.1"))
        assert from_peer(server, signed(server), "192.0.2.1").status == 200
    assert not is_held_back(from_peer(server, bad(server), "192.0.2.2"))
    assert f"daypass_throttled_total {BUDGET}.0" in send(server, b"", {}, method="GET", target="/metrics").text


def test_good_calls_and_refusals_of_a_proven_caller_count_nothing(server: RunningServer) -> None:
    """Denials of an authenticated caller are not counted.

    The caller gets AccessDenied for every call.
    """
    denied = signed(server, {"Action": "GetUser", "Version": "2010-05-08", "UserName": "nobody"}, service="iam")
    for _ in range(2 * BUDGET):
        assert from_peer(server, signed(server), "192.0.2.1").status == 200
        assert from_peer(server, denied, "192.0.2.1").status == 404
    assert not is_held_back(from_peer(server, unknown_key(server), "192.0.2.1"))


def test_all_kinds_of_failures_draw_on_one_budget_and_a_network_is_one_peer(server: RunningServer) -> None:
    """Every kind of failure counts for the same limit.

    Another address of the same IPv6 /64 does not give a peer more failures.
    """
    few: tuple[Callable[[RunningServer], Attempt], ...] = (unknown_key, bad_web_identity_token, no_signature)
    for number, bad in enumerate(few):
        assert not is_held_back(from_peer(server, bad(server), f"2001:db8::{number}"))
    for number, bad in enumerate(BAD, 10):
        assert is_held_back(from_peer(server, bad(server), f"2001:db8::{number}")), bad
    assert not is_held_back(from_peer(server, unknown_key(server), "2001:db8:0:1::1"))


PAGES = (
    "/saml",
    "/saml/role",
    "/login/role",
    "/login/decline",
    "/login/file",
    "/operator",
    "/operator/leave",
    "/device",
    "/handover",
    "/handover/token",
)


@pytest.mark.parametrize("page", PAGES)
def test_posts_to_the_portal_are_counted_too(server: RunningServer, page: str) -> None:
    """Each form of the portal counts for the same limit."""
    for _ in range(BUDGET):
        from_peer(server, no_signature(server), "192.0.2.1")
    answer = send(server, b"{}", {"Content-Type": FORM, "X-Forwarded-For": "192.0.2.1"}, target=page)
    assert (answer.status, "Rate exceeded" in answer.text) == (400, True)


def test_what_is_held_back_is_answered_without_the_words_of_the_check(server: RunningServer) -> None:
    """A throttled call gets only Throttling.

    The audit event contains the reason of the refusal.
    """
    for _ in range(BUDGET + 1):
        answer = from_peer(server, wrong_signature(server), "192.0.2.1")
    assert code_of(answer) == "Throttling"
    fault = server.audit.audit_records[-1].fault
    assert fault is not None
    assert (fault.detail, fault.names_known_key) == ("throttled: SignatureDoesNotMatch", True)
    assert server.audit.audit_records[-1].access_key_id == server.root.access_key_id
    assert fault.key_account == server.root.account


def test_many_failures_at_once_are_counted_once_each(server: RunningServer) -> None:
    """Calls that wait for the store are counted once, on the worker thread."""
    host = server.url.removeprefix("http://")
    connections = [http.client.HTTPConnection(host, timeout=60) for _ in range(8)]
    for number, connection in enumerate(connections):
        body, headers = signed_by(server, f"AKIANOBODYNOBODY{number:04d}", "x" * 40)
        connection.request("POST", "/", body, {**headers, "X-Forwarded-For": "192.0.2.9"})
    answers = [connection.getresponse().read() for connection in connections]
    for connection in connections:
        connection.close()
    assert sum(b"<Code>Throttling</Code>" in answer for answer in answers) == len(answers) - BUDGET
