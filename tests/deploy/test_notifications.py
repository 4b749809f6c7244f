"""The messages to a service manager, by a real datagram socket."""

import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from tests.process.daypass import BIN, ROOT, clean_environment
from tests.sockets import free_port

_LONG = 60.0  # seconds


@contextmanager
def _managed(folder: Path, *words: str, drain: str = "0") -> Iterator[tuple["subprocess.Popen[bytes]", socket.socket]]:
    """Run a server under this process as its service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        # An abstract address: the path of a temporary directory may be too long.
        receiver.bind(f"\0daypass-notify-{os.getpid()}-{folder.name}")
        receiver.settimeout(_LONG)
        given = {"NOTIFY_SOCKET": "@" + str(receiver.getsockname()[1:], "ascii"), "DAYPASS_DRAIN_SECONDS": drain}
        process = subprocess.Popen(
            [str(BIN), "serve", "--port", str(free_port()), "--store", f"sqlite:///{folder / 'd.db'}", *words],
            env=clean_environment({**ROOT, **given}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process, receiver
        finally:
            process.kill()
            process.wait(_LONG)


def _told(receiver: socket.socket) -> dict[str, str]:
    """Return the fields of the next message."""
    return dict(line.split("=", 1) for line in receiver.recv(4096).decode().splitlines())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload_is_reported_from_its_beginning_to_its_end(tmp_path: Path, workers: int) -> None:
    """A notify-reload of systemd needs the time of the message, and waits for READY=1. Source: systemd.service(5)."""
    with _managed(tmp_path, "--workers", str(workers)) as (process, receiver):
        assert _told(receiver) == {"READY": "1"}
        for _ in range(2):
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            process.send_signal(signal.SIGHUP)
            begun = _told(receiver)
            assert begun.keys() == {"RELOADING", "MONOTONIC_USEC"}
            assert begun["RELOADING"] == "1"
            assert before <= int(begun["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            assert _told(receiver) == {"READY": "1"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_asks_for_the_time_of_the_drain(tmp_path: Path, workers: int) -> None:
    """The service manager must not kill a server in its drain, however long it was set. SIGINT does not drain."""
    with _managed(tmp_path, "--workers", str(workers), drain="600") as (process, receiver):
        assert _told(receiver) == {"READY": "1"}
        process.send_signal(signal.SIGTERM)
        assert _told(receiver) == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": str(630 * 1_000_000)}


@pytest.mark.slow
def test_a_reload_ends_when_every_worker_has_read_the_certificate(tmp_path: Path) -> None:
    """READY=1 means that each handshake from now on has the new certificate."""
    first, second = trustme.CA(), trustme.CA()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(authority: trustme.CA) -> None:
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)

    put(first)
    port = free_port()
    words = ("--port", str(port), "--workers", "2", "--tls-cert", str(certificate), "--tls-key", str(key))
    trusting = ssl.create_default_context()
    second.configure_trust(trusting)
    with _managed(tmp_path, *words) as (process, receiver):
        assert _told(receiver) == {"READY": "1"}
        put(second)
        process.send_signal(signal.SIGHUP)
        assert "RELOADING" in _told(receiver)
        assert _told(receiver) == {"READY": "1"}
        for _ in range(10):
            with (
                socket.create_connection(("127.0.0.1", port), timeout=_LONG) as plain,
                trusting.wrap_socket(plain, server_hostname="localhost"),
            ):
                pass
