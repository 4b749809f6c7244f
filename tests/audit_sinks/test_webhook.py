"""The sink `webhook`: signed batches over verified TLS, and answers that accept them or not."""

import hashlib
import hmac
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.audit_sinks.receivers import Certificates, ids, line, receiving_syslog, receiving_webhooks

from daypass.audit.delivery.destination import DeliveryError
from daypass.audit.delivery.formats import format_of
from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.audit.delivery.webhook import WebhookSink
from daypass.testing.certificates import Flaw

_LINES = [line(number).rstrip() for number in range(3)]


def _sink(port: int, certificates: Certificates | None = None, **more: Any) -> WebhookSink:
    url = f"http{'s' if certificates else ''}://127.0.0.1:{port}/events?source=daypass"
    given = {"timeout_seconds": 1, "ca_bundle": certificates.bundle if certificates else "", **more}
    setting = AuditSinkSetting("hook", "webhook", url, **given)
    return WebhookSink(setting, format_of(setting.format))


def test_a_batch_is_signed_and_authorized(certificates: Certificates, tmp_path: Path) -> None:
    """The signature covers the time and the body, as those of Stripe do."""
    token, key = tmp_path / "token", tmp_path / "key"
    for path, text in ((token, "secret-token\n"), (key, "0123456789abcdef\n")):
        path.write_text(text)
        path.chmod(0o600)
    with receiving_webhooks(certificates.identity()) as receiver:
        _sink(receiver.port, certificates, token_file=str(token), hmac_key_file=str(key)).send(_LINES)
        headers, body = receiver.take()
    assert headers["authorization"] == "Bearer secret-token"
    at, signature = (part.partition("=")[2] for part in headers["daypass-signature"].split(","))
    assert signature == hmac.new(b"0123456789abcdef", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert body == b"\n".join(_LINES) + b"\n"


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("ndjson", lambda body: [json.loads(each) for each in body.splitlines()]),
        ("json", json.loads),
        ("splunk", lambda body: [json.loads(each)["event"] for each in body.splitlines()]),
    ],
)
def test_a_body_has_every_event(body: str, read: Any) -> None:
    """Each form is that of one kind of receiver."""
    with receiving_webhooks(None) as receiver:
        _sink(receiver.port, body=body).send(_LINES)
        assert read(receiver.take()[1]) == [json.loads(each) for each in _LINES]


def test_splunk_gets_the_time_of_an_event_in_both_formats() -> None:
    """Without it, the event collector would use the time of arrival."""
    for form in ("cloudtrail", "ocsf"):
        with receiving_webhooks(None) as receiver:
            _sink(receiver.port, body="splunk", format=form).send(_LINES[:1])
            assert json.loads(receiver.take()[1])["time"] == 1_796_076_900


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "the receiver answered 500"),
        (401, "the receiver answered 401; check token_file"),
        (404, "the receiver answered 404; check url"),
        (302, "the receiver answered 302; check url"),
    ],
)
def test_an_answer_that_is_not_2xx_refuses_the_batch(status: int, reason: str) -> None:
    """A redirect is not followed: it could lead anywhere."""
    with receiving_webhooks(None, (status, {"Location": "https://example.com/"})) as receiver:
        with pytest.raises(DeliveryError) as refused:
            _sink(receiver.port).send(_LINES)
        assert str(refused.value) == reason
        receiver.take()
        assert receiver.requests.empty()


@pytest.mark.parametrize(("after", "seconds"), [("120", 120), ("soon", 0), ("99999999999", 0), ("86400", 3_600)])
def test_retry_after_is_obeyed(after: str, seconds: int) -> None:
    """RFC 9110 section 10.2.3. At most an hour, so that one answer cannot stop a sink."""
    with receiving_webhooks(None, (503, {"Retry-After": after})) as receiver:
        with pytest.raises(DeliveryError) as refused:
            _sink(receiver.port).send(_LINES)
        assert refused.value.retry_after == seconds


def test_a_batch_that_is_too_large_is_named() -> None:
    """The sender halves it."""
    with receiving_webhooks(None, (413, {})) as receiver, pytest.raises(DeliveryError) as refused:
        _sink(receiver.port).send(_LINES)
    assert refused.value.is_too_large


@pytest.mark.parametrize("flaw", [Flaw.SELF_SIGNED, Flaw.EXPIRED, Flaw.OTHER_NAME])
def test_a_wrong_certificate_gets_no_event(certificates: Certificates, flaw: Flaw) -> None:
    """The receiver's identity is verified before the request."""
    with receiving_webhooks(certificates.identity(flaw)) as receiver:
        with pytest.raises(DeliveryError, match="the certificate of the receiver is not valid"):
            _sink(receiver.port, certificates).send(_LINES)
        assert receiver.requests.empty()


def _send_pieces(connection: socket.socket, stop: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not stop.wait(0.05):
        connection.sendall(b"X-More: x\r\n")


@pytest.mark.parametrize("behaviour", ["hangs", "answers garbage", "closes", "answers in small pieces", "half-closes"])
def test_a_broken_receiver_refuses_the_batch_in_time(behaviour: str) -> None:
    """One limit holds for the whole exchange."""
    stop = threading.Event()

    def handle(connection: socket.socket, _: Any) -> None:
        connection.recv(65_536)
        if behaviour == "hangs":
            stop.wait(10)
        elif behaviour == "answers garbage":
            connection.sendall(b"\x00\xff" * 500)
        elif behaviour == "answers in small pieces":
            _send_pieces(connection, stop)
        elif behaviour == "half-closes":
            connection.shutdown(socket.SHUT_WR)
            stop.wait(10)

    with receiving_syslog(None, handle=handle) as receiver, pytest.raises(DeliveryError):
        _sink(receiver.port).send(_LINES)
    stop.set()


def test_a_receiver_that_is_away_is_named() -> None:
    """The reason is the system's."""
    with pytest.raises(DeliveryError, match="Connection refused"):
        _sink(1).send(_LINES)


@pytest.mark.parametrize("setting", ["token_file", "hmac_key_file"])
def test_a_secret_that_others_can_read_is_refused(setting: str, tmp_path: Path) -> None:
    """The rule of all key files holds, at the start already."""
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef")
    path.chmod(0o644)
    with pytest.raises(ValueError, match="is open to other users: run `chmod 600"):
        _sink(1, None, **{setting: str(path)})


def test_a_new_token_counts_at_once(tmp_path: Path) -> None:
    """Tokens rotate without a restart."""
    token = tmp_path / "token"
    token.write_text("first")
    token.chmod(0o600)
    with receiving_webhooks(None) as receiver:
        sink = _sink(receiver.port, token_file=str(token))
        for text in ("first", "second"):
            token.write_text(text)
            sink.send(_LINES)
            assert receiver.take()[0]["authorization"] == f"Bearer {text}"


def test_an_array_of_one_event_is_an_array() -> None:
    """Receivers need not know the number."""
    with receiving_webhooks(None) as receiver:
        _sink(receiver.port, body="json").send(_LINES[:1])
        assert ids([json.dumps(each).encode() for each in json.loads(receiver.take()[1])]) == [0]
