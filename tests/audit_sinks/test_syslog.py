"""The sink `syslog`: whole RFC 5424 messages over verified TLS, and no event lost with a connection."""

import json
import re
import socket
import struct
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.audit_sinks.receivers import (
    Certificates,
    SyslogReceiver,
    ids,
    line,
    read_message,
    receiving_syslog,
)

from daypass.audit.delivery.destination import DeliveryError
from daypass.audit.delivery.formats import format_of
from daypass.audit.delivery.ocsf import to_ocsf_line
from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.audit.delivery.syslog import SyslogSink, fit
from daypass.testing.certificates import Flaw

_LINES = [line(number).rstrip() for number in range(5)]


def _sink(port: int, certificates: Certificates | None = None, **more: Any) -> SyslogSink:
    scheme = "syslog+tcp" if certificates is None else "syslog+tls"
    bundle = "" if certificates is None else certificates.bundle
    given = {"ca_bundle": bundle, "timeout_seconds": 2, **more}
    setting = AuditSinkSetting("logs", "syslog", f"{scheme}://127.0.0.1:{port}", **given)
    return SyslogSink(setting, format_of(setting.format))


def test_messages_are_whole_rfc_5424_messages(certificates: Certificates) -> None:
    """RFC 5424 section 6: priority, version, time, host, program, process, message id, and no structured data."""
    refused = line(9, errorCode="AccessDenied").rstrip()
    with receiving_syslog(certificates.identity()) as receiver:
        _sink(receiver.port, certificates).send([*_LINES, refused])
        messages = receiver.take(6)
    form = rb"<%d>1 2026-11-30T22:15:00Z \S+ daypass \d+ AssumeRole - \{"
    assert all(re.match(form % (10 * 8 + 6), message) for message in messages[:5])
    assert re.match(form % (10 * 8 + 4), messages[5])
    assert [message[message.index(b"{") :] for message in messages] == [*_LINES, refused]


def test_batches_share_a_connection(certificates: Certificates) -> None:
    """A handshake for each batch would be slow."""
    with receiving_syslog(certificates.identity()) as receiver:
        sink = _sink(receiver.port, certificates)
        sink.send(_LINES[:2])
        sink.send(_LINES[2:])
        assert ids(receiver.take(5)) == [0, 1, 2, 3, 4]
        assert receiver.connections == 1


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        (Flaw.SELF_SIGNED, "the certificate of the receiver is not valid: self-signed certificate"),
        (Flaw.EXPIRED, "the certificate of the receiver is not valid: certificate has expired"),
        (Flaw.OTHER_NAME, "the certificate of the receiver is not valid: IP address mismatch"),
    ],
)
def test_a_wrong_certificate_gets_no_event(certificates: Certificates, flaw: Flaw, reason: str) -> None:
    """The receiver's identity is verified before the first byte of an event."""
    with receiving_syslog(certificates.identity(flaw)) as receiver:
        with pytest.raises(DeliveryError) as refused:
            _sink(receiver.port, certificates).send(_LINES)
        assert str(refused.value).startswith(reason)
        assert receiver.messages.empty()


def test_a_client_certificate_is_sent(certificates: Certificates) -> None:
    """The receiver may require one, and its refusal comes after the handshake of TLS 1.3."""
    identity = _client_identity(certificates)
    with receiving_syslog(certificates.identity(), clients=Path(certificates.bundle)) as receiver:
        with pytest.raises(DeliveryError, match="TLS failed"):
            _sink(receiver.port, certificates).send(_LINES)
        sink = _sink(receiver.port, certificates, client_certificate=str(identity), client_key=str(identity))
        sink.send(_LINES)
        assert ids(receiver.take(5)) == [0, 1, 2, 3, 4]


def test_a_closed_connection_is_opened_again(certificates: Certificates) -> None:
    """The receiver was started again between two batches."""
    restart = threading.Semaphore(0)

    def read_one(connection: Any, receiver: SyslogReceiver) -> None:
        with connection.makefile("rb") as stream:
            read_message(stream, receiver)
            restart.acquire(timeout=10)

    with receiving_syslog(certificates.identity(), handle=read_one) as receiver:
        sink = _sink(receiver.port, certificates)
        for number in range(3):
            _send_until_accepted(sink, [_LINES[number]])
            assert ids(receiver.take(1)) == [number]
            restart.release()


def test_a_reset_connection_repeats_the_batch() -> None:
    """Without an acknowledgement of all bytes, no line of the batch counts as delivered."""

    def reset(connection: socket.socket, _: SyslogReceiver) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with receiving_syslog(None, handle=reset) as receiver, pytest.raises(DeliveryError):
        _sink(receiver.port).send([line(1, userAgent="x" * 4_000).rstrip()] * 20_000)


def test_a_receiver_that_does_not_read_ends_the_attempt_in_time() -> None:
    """Its buffers are full, and the batch stays in the spool."""
    hold = threading.Event()
    with (
        receiving_syslog(None, handle=lambda *_: _wait(hold)) as receiver,
        pytest.raises(DeliveryError, match="did not answer in time"),
    ):
        _sink(receiver.port, timeout_seconds=1).send([line(1, userAgent="x" * 4_000).rstrip()] * 8_000)
    hold.set()


def test_garbage_of_the_receiver_is_ignored() -> None:
    """Syslog has no answers."""

    def answer(connection: socket.socket, receiver: SyslogReceiver) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with connection.makefile("rb") as stream:
            for _ in range(5):
                read_message(stream, receiver)

    with receiving_syslog(None, handle=answer) as receiver:
        _send_until_accepted(_sink(receiver.port), _LINES)
        assert ids(receiver.take(5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("change", [bytes, to_ocsf_line], ids=["cloudtrail", "ocsf"])
def test_a_long_message_loses_members_and_stays_json(change: Any) -> None:
    """A receiver would cut it anywhere otherwise. The event stays recognizable."""
    long = change(line(3, requestParameters={"policyArns": ["x" * 9_000]}, errorMessage="y" * 900).rstrip())
    for most in (2_048, 4_096, len(long) - 1, len(long)):
        message = fit(long, most)
        assert len(message) <= most
        event = json.loads(message)
        assert "000000000003" in json.dumps(event)
        assert (message == long) is (most == len(long))


def test_only_loopback_is_spoken_to_without_tls() -> None:
    """RFC 6587 names no protection."""
    with receiving_syslog(None) as receiver:
        _sink(receiver.port).send(_LINES)
        assert ids(receiver.take(5)) == [0, 1, 2, 3, 4]


def _wait(hold: threading.Event) -> None:
    hold.wait(10)


def _send_until_accepted(sink: SyslogSink, lines: list[bytes]) -> None:
    for _ in range(5):
        try:
            return sink.send(lines)
        except DeliveryError:  # the receiver closed the connection right behind the last message
            continue
    raise AssertionError("the receiver accepted nothing")


def _client_identity(certificates: Certificates) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "daypass")])
    leaf = (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .issuer_name(certificates.authority.certificate.subject)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(certificates.authority.key.public_key()), critical=False
        )
        .sign(certificates.authority.key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = certificates.directory / "client.pem"
    path.write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM))
    path.chmod(0o600)
    return path
