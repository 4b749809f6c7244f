"""A gateway as a process: signals, workers, TLS, the admin listener."""

import platform
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from tests.gateway.gateway_process import gateway_process
from tests.gateway.transfers.running_data_path import LONG, RawClient, put_head
from tests.gateway.transfers.scripted_store import Script, ScriptedStore, answer_all
from tests.process.steady_calls import SteadyCalls
from tests.sockets import free_port

from daypass.http.shared_readings import own_version


@dataclass(frozen=True)
class GatewaySetup:
    """A running gateway process and its store."""

    process: "subprocess.Popen[str]"
    port: int
    admin: int
    store: ScriptedStore

    def connect(self) -> RawClient:
        """Return a connection, once the gateway accepts it."""
        return RawClient(connect(self.port))

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the content of a page of the admin listener."""
        connect(self.admin).close()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=LONG) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def line(self) -> str:
        """Return the next line that the process prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def connect(port: int) -> socket.socket:
    """Connect to a process that may not listen yet."""
    end = time.monotonic() + LONG
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=LONG)
        except ConnectionRefusedError:
            assert time.monotonic() < end


Start = Callable[..., GatewaySetup]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a gateway."""
    with ExitStack() as stack:

        def begin(script: Script = answer_all, context: ssl.SSLContext | None = None, **options: str) -> GatewaySetup:
            store = ScriptedStore(script, context)
            stack.callback(store.close)
            port, admin = free_port(), free_port()
            process = stack.enter_context(gateway_process(port, admin, store.port, **options))
            return GatewaySetup(process, port, admin, store)

        yield begin


def test_sigterm_lets_running_requests_finish(start: Start) -> None:
    """New connections are refused, unused ones end, and the exit code is 0."""
    gateway = start()
    unused, running = gateway.connect(), gateway.connect()
    assert unused.get().status == 200
    running.send(put_head(1_000_000) + b"x" * 500_000)
    gateway.store.heads.get(timeout=LONG)
    gateway.store.heads.get(timeout=LONG)
    gateway.process.send_signal(signal.SIGTERM)
    assert unused.is_closed()
    answer = running.send(b"x" * 500_000).read()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert running.is_closed()
    assert gateway.process.wait(LONG) == 0
    assert gateway.line() == "stopped"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port))


@pytest.mark.slow
@pytest.mark.parametrize("signals", [1, 2])
def test_the_time_to_finish_is_limited(start: Start, signals: int) -> None:
    """The drain ends after its time, or with a second signal."""
    gateway = start(drain="0.3" if signals == 1 else "60")
    running = gateway.connect().send(put_head(1_000_000) + b"x" * 500_000)
    gateway.store.heads.get(timeout=LONG)
    unused = gateway.connect()
    assert unused.get().status == 200
    gateway.process.send_signal(signal.SIGTERM)
    assert unused.is_closed()  # the first signal was handled
    if signals == 2:
        gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(LONG) == 0
    assert running.is_closed()
    assert not gateway.store.requests[0].is_complete


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_gateway_that_drains_serves_everything_and_ends_each_connection(start: Start, workers: str) -> None:
    """Proxies see 503 at /readyz. A second signal ends the drain, and SIGINT has none."""
    gateway = start(drain_seconds="300", workers=workers)
    kept = gateway.connect()
    assert "connection" not in kept.get().headers
    gateway.process.send_signal(signal.SIGTERM)
    while gateway.page("/readyz") != (503, "draining\n"):
        pass
    assert kept.get().headers["connection"] == "close"
    assert gateway.connect().get().headers["connection"] == "close"
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(LONG) == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_on_an_accepted_connection_is_lost(start: Start, workers: str) -> None:
    """The kernel's queue is emptied before the listener closes."""
    for drain_seconds in ("0", "1", "0"):
        gateway = start(drain_seconds=drain_seconds, workers=workers)
        assert gateway.page("/readyz")[0] == 200
        request = b"GET /bucket/key HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with SteadyCalls(gateway.port, request, clients=4) as calls:
            calls.wait_for(200)
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(LONG) == 0
        assert calls.lost == []


def test_a_connection_that_was_accepted_before_the_signal_gets_its_answer(start: Start) -> None:
    """Its request may be on its way when the listener closes."""
    gateway = start()
    assert gateway.page("/readyz")[0] == 200
    late = [gateway.connect() for _ in range(5)]
    gateway.process.send_signal(signal.SIGTERM)
    assert [client.get().status for client in late] == [200] * 5
    assert gateway.process.wait(LONG) == 0


@pytest.mark.slow
def test_workers_serve_and_stop(start: Start) -> None:
    """They share the listening socket, and end at the signal."""
    gateway = start(workers="2")
    assert gateway.connect().get().status == 200
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    assert len(children) == 2
    for _ in range(10):
        assert gateway.connect().get().status == 200
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(LONG) == 0


def test_the_admin_listener_has_three_pages(start: Start) -> None:
    """On the S3 port, their paths are buckets."""
    gateway = start()
    assert gateway.connect().get("/metrics").body == b"ok"
    assert gateway.page("/healthz") == (200, "ok\n")
    assert gateway.page("/readyz") == (200, "ready\n")
    assert gateway.page("/other")[0] == 404
    status, metrics = gateway.page("/metrics")
    assert status == 200
    for line in (
        'daypass_gateway_requests_total{operation="Test",status="200"} 1.0',
        'daypass_gateway_seconds_count{operation="Test",outcome="success"} 1.0',
        'daypass_gateway_store_answer_seconds_count{backend="store"} 1.0',
        'daypass_gateway_store_up{backend="store"} 1.0',
        "daypass_gateway_requests_waiting 0.0",
        "daypass_ready 1.0",
        "daypass_workers 1.0",
        f'daypass_build_info{{python="{platform.python_version()}",version="{own_version()}"}} 1.0',
        'daypass_gateway_bytes_total{direction="sent"} 2.0',
    ):
        assert line in metrics


@pytest.mark.slow
def test_the_metrics_of_all_workers_are_one(start: Start) -> None:
    """A scrape reaches one worker, and gets the sum."""
    gateway = start(workers="3")
    for _ in range(30):
        assert gateway.connect().get().status == 200
    end = time.monotonic() + LONG
    while 'operation="Test",status="200"} 30.0' not in gateway.page("/metrics")[1]:
        assert time.monotonic() < end


def test_the_memory_is_never_dumped(start: Start) -> None:
    """It contains the keys of the stores."""
    gateway = start()
    assert gateway.page("/healthz")[0] == 200
    limits = Path(f"/proc/{gateway.process.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]


def test_connections_of_one_peer_are_limited(start: Start) -> None:
    """The one too many is closed, and counted."""
    gateway = start(per_peer="2")
    clients = [gateway.connect() for _ in range(2)]
    assert [client.get().status for client in clients] == [200, 200]
    assert gateway.connect().is_closed()
    assert "daypass_gateway_connections_refused_total 1.0" in gateway.page("/metrics")[1]


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    """Return a context that trusts an authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls_certificates_are_read_again(start: Start, tmp_path: Path) -> None:
    """SIGHUP reads the certificate and reopens the audit log; open connections stay."""
    old, new = trustme.CA(), trustme.CA()
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def write(authority: trustme.CA) -> None:
        issued = authority.issue_cert("127.0.0.1")
        key.touch(mode=0o600)
        key.write_bytes(issued.private_key_pem.bytes())
        certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))

    write(old)
    gateway = start(certificate=str(certificate), key=str(key))

    def connect_tls(authority: trustme.CA) -> RawClient:
        return RawClient(client_context(authority).wrap_socket(connect(gateway.port), server_hostname="127.0.0.1"))

    client = connect_tls(old)
    assert client.get().status == 200
    write(new)
    gateway.process.send_signal(signal.SIGHUP)
    assert gateway.line() == "hangup"
    assert connect_tls(new).put(b"x" * 1_000_000).status == 200
    assert client.get().status == 200
    with pytest.raises(ssl.SSLError):
        connect_tls(old)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_refused(start: Start, tmp_path: Path) -> None:
    """TLS 1.2 is the least."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    gateway = start(certificate=str(tmp_path / "cert.pem"), key=str(tmp_path / "key.pem"))
    context = client_context(authority)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(connect(gateway.port), server_hostname="127.0.0.1")


@pytest.mark.slow
def test_a_store_over_tls_is_verified(start: Start, tmp_path: Path) -> None:
    """Its certificate has to come from the given authority."""
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for name, each, status in (("right", authority, 200), ("wrong", other, 503)):
        bundle = tmp_path / f"{name}.pem"
        each.cert_pem.write_to_path(bundle)
        assert start(context=context, ca=str(bundle)).connect().put(b"x" * 300_000).status == status
