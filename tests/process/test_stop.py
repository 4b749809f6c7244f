"""The end of `daypass serve`: a signal loses no request, and tells proxies before the listener closes."""

import http.client
import signal
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from tests.process.daypass import ROOT, Running, serving
from tests.process.draining import count, wait_for, wait_until_draining
from tests.process.steady_calls import HEALTH, SteadyCalls, read_response
from tests.sockets import connect

_LONG_DRAIN = {**ROOT, "DAYPASS_DRAIN_SECONDS": "300"}


def port_of(server: Running) -> int:
    """Return the port of a server."""
    return int(server.url.rpartition(":")[2])


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_server_that_drains_serves_everything_and_ends_each_connection(tmp_path: Path, workers: str) -> None:
    """Proxies see 503 at /readyz; a second SIGTERM ends the drain, and the exit code is 0."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", workers, environment=_LONG_DRAIN) as server:
        kept = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
        kept.request("GET", "/healthz")
        first = kept.getresponse()
        assert (first.read(), first.headers["connection"]) == (b"ok\n", None)
        server.process.send_signal(signal.SIGTERM)
        wait_until_draining(server)
        kept.request("GET", "/healthz")
        last = kept.getresponse()
        assert (last.read(), last.headers["connection"]) == (b"ok\n", "close")
        assert server.client("sts").get_caller_identity()["Account"] == ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    assert "Traceback" not in "".join(server.errors)


def test_an_api_call_of_a_kept_connection_is_the_last_one(tmp_path: Path) -> None:
    """The fast path of plain calls does not hide the drain from a client."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", environment=_LONG_DRAIN) as server:
        closes: list[str | None] = []
        sts = server.client("sts")
        sts.meta.events.register(
            "after-call.sts", lambda http_response, **_: closes.append(http_response.headers.get("connection"))
        )
        sts.get_caller_identity()
        server.process.send_signal(signal.SIGTERM)
        wait_until_draining(server)
        for _ in range(2):
            sts.get_caller_identity()
    assert closes == [None, "close", "close"]


def test_sigint_does_not_wait_for_proxies(tmp_path: Path) -> None:
    """Somebody at a terminal wants the prompt back."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", environment=_LONG_DRAIN) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0


def test_a_connection_that_was_accepted_before_the_signal_gets_its_answer(tmp_path: Path) -> None:
    """Its request may be on its way when the listener closes. An idle connection ends."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}") as server:
        idle = connect(server.url)
        idle.sendall(HEALTH)
        assert b"200 OK" in read_response(idle)
        late = [connect(server.url) for _ in range(20)]
        begun = connect(server.url)
        begun.sendall(HEALTH[:10])
        server.process.send_signal(signal.SIGTERM)
        for client in (*late, begun):
            client.sendall(HEALTH if client is not begun else HEALTH[10:])
        for client in (*late, begun):
            assert b"200 OK" in read_response(client)
        assert idle.recv(1) == b""
        assert server.process.wait(60) == 0
        for client in (idle, begun, *late):
            client.close()


@pytest.mark.slow
def test_a_tls_handshake_that_is_pending_at_the_signal_is_completed(tmp_path: Path) -> None:
    """The kernel accepted its connection, and the request of the client follows."""
    authority = trustme.CA()
    issued, cert, key = authority.issue_cert("127.0.0.1"), tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        wait_for(lambda: count(server, '"ready"') == 1)
        pending = [connect(server.url) for _ in range(5)]
        server.process.send_signal(signal.SIGTERM)
        for raw in pending:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as client:
                client.sendall(HEALTH)
                answer = read_response(client)
                assert (b"200 OK" in answer, b"connection: close" in answer) == (True, True)
        assert server.process.wait(60) == 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_on_an_accepted_connection_is_lost(tmp_path: Path, workers: str) -> None:
    """The kernel's queue is emptied before the listener closes, also if several processes share it."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    for drain in ("0", "1", "0"):
        environment = {**ROOT, "DAYPASS_DRAIN_SECONDS": drain}
        with (
            serving(store, "--workers", workers, environment=environment) as server,
            SteadyCalls(port_of(server)) as calls,
        ):
            calls.wait_for(200)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 0
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port_of(server)))
        assert calls.lost == []
