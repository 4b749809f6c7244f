"""The memory of a gateway with many large transfers."""

import os
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import trustme
from tests.gateway.gateway_process import gateway_process
from tests.gateway.test_gateway_process import connect
from tests.gateway.transfers.running_data_path import put_head
from tests.gateway.transfers.scripted_store import LONG, ScriptedStore, StoreSide
from tests.sockets import free_port

GIB = 1024**3
TRANSFERS = 100
SECONDS = 20
MOST = 80  # MiB
MOST_TLS = 150  # MiB: OpenSSL and uvloop keep buffers of their own for each connection
PAGE = os.sysconf("SC_PAGESIZE")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def resident(process: int) -> float:
    """Return the resident memory of a process in MiB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 1024**2


def most_resident(process: int) -> float:
    """Return the largest of the samples."""
    end, most, pace = time.monotonic() + SECONDS, 0.0, threading.Event()
    while time.monotonic() < end:
        most = max(most, resident(process))
        pace.wait(0.2)
    return most


def produce(side: StoreSide) -> None:
    """Send as fast as the gateway reads."""
    side.read_request()
    side.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
    block = b"x" * 262_144
    while True:
        side.send(block)


def read_slowly(client: socket.socket, stop: threading.Event) -> None:
    """Read 64 KiB at a time."""
    client.sendall(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    while not stop.is_set() and client.recv(65_536):
        stop.wait(0.2)


def drain_slowly(stop: threading.Event) -> "object":
    """Return a script that reads slowly."""

    def script(side: StoreSide) -> None:
        while not stop.is_set() and side.socket.recv(65_536):
            stop.wait(0.2)

    return script


def write_fast(client: socket.socket, stop: threading.Event) -> None:
    """Send as fast as the gateway reads."""
    client.sendall(put_head(GIB))
    block = b"x" * 262_144
    client.settimeout(0.5)
    while not stop.is_set():
        try:
            client.send(block)
        except TimeoutError:
            continue
        except OSError:
            return


def certificate(directory: Path) -> dict[str, str]:
    """Return the options of a gateway with TLS."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    (directory / "key.pem").touch(mode=0o600)
    issued.private_key_pem.write_to_path(directory / "key.pem")
    issued.cert_chain_pems[0].write_to_path(directory / "cert.pem")
    return {"certificate": str(directory / "cert.pem"), "key": str(directory / "key.pem")}


def connect_tls(port: int) -> socket.socket:
    """Connect without a check of the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connect(port))


@pytest.mark.parametrize("direction", ["down", "up"])
@pytest.mark.parametrize("tls", [False, True])
def test_the_memory_of_100_slow_transfers_is_bounded(tmp_path: Path, direction: str, *, tls: bool) -> None:
    """Each keeps what the other side has not read yet, within its limit."""
    stop = threading.Event()
    store = ScriptedStore(produce if direction == "down" else drain_slowly(stop))  # type: ignore[arg-type]
    run = read_slowly if direction == "down" else write_fast
    port, admin = free_port(), free_port()
    with gateway_process(port, admin, store.port, **(certificate(tmp_path) if tls else {})) as process:
        connect(port).close()
        before = resident(process.pid)
        clients = [(connect_tls if tls else connect)(port) for _ in range(TRANSFERS)]
        threads = [threading.Thread(target=run, args=(client, stop), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        most = most_resident(process.pid)
        stop.set()
        for client in clients:
            client.close()
        for thread in threads:
            thread.join(LONG)
    store.close()
    print(f"{direction}, tls={tls}: {before:.0f} MiB before, at most {most:.0f} MiB")  # noqa: T201 - the figure of the bar
    assert most <= (MOST_TLS if tls else MOST)
