"""A restart of one node without a gap: sockets of a service manager, and a port that two processes share."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.process.daypass import BIN, ROOT, clean_environment, run
from tests.process.steady_calls import SteadyCalls
from tests.slow_cases import quick_first
from tests.sockets import free_port

_LONG = 60.0  # seconds
# Becomes daypass with the given descriptors as 3, 4, and so on, as systemd does it.
_ACTIVATE = """
import fcntl, os, sys
count, *words = sys.argv[1:]
given = [int(each) for each in words[: int(count)]]
for number, each in enumerate([fcntl.fcntl(each, fcntl.F_DUPFD, 64) for each in given], start=3):
    os.dup2(each, number)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(words[int(count)], words[int(count):])
"""


@contextmanager
def activated(
    sockets: list[socket.socket], *words: str, names: str = "", count: str = "", **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    """Run a command of daypass with sockets, as a service manager does it, and kill it at the end."""
    numbers = [str(each.fileno()) for each in sockets]
    given = {"LISTEN_FDS": count or str(len(sockets)), "LISTEN_FDNAMES": names, **environment}
    process = subprocess.Popen(
        [sys.executable, "-c", _ACTIVATE, str(len(sockets)), *numbers, str(BIN), *words],
        pass_fds=[each.fileno() for each in sockets],
        env=clean_environment({**ROOT, **given}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(_LONG)
        if process.stderr is not None:
            process.stderr.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a listening socket, which stays open."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as made:
        yield made


@contextmanager
def notifications(folder: Path) -> Iterator[socket.socket]:
    """Receive the messages to a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        # An abstract address: the path of a temporary directory may be too long.
        receiver.bind(f"\0daypass-{os.getpid()}-{folder.name}")
        receiver.settimeout(_LONG)
        yield receiver


def told(receiver: socket.socket) -> str:
    """Return the next message."""
    return receiver.recv(4096).decode().partition("\n")[0]


@pytest.mark.slow
def test_a_socket_of_the_service_manager_outlives_the_process(tmp_path: Path, listener: socket.socket) -> None:
    """Connections wait for the next process, which answers them. The manager hears when it serves and stops."""
    words = ("serve", "--store", f"sqlite:///{tmp_path / 'd.db'}")
    with notifications(tmp_path) as receiver, SteadyCalls(listener.getsockname()[1], clients=3) as calls:
        address = "@" + str(receiver.getsockname()[1:], "ascii")
        for _ in range(2):
            with activated([listener], *words, NOTIFY_SOCKET=address) as process:
                assert told(receiver) == "READY=1"
                calls.wait_for(50)
                process.terminate()
                assert told(receiver) == "STOPPING=1"
                assert process.wait(_LONG) == 0
        with activated([listener], *words, NOTIFY_SOCKET=address):
            assert told(receiver) == "READY=1"
            calls.wait_for(50)
            calls.stop()
    assert (calls.lost, calls.refused) == ([], 0)


def _udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made


def _silent() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


def _local() -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind("")
    made.listen()
    return made


def _tcp(host: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((host, 0))


@pytest.mark.parametrize(
    ("sockets", "names", "count", "says"),
    quick_first(
        [
            ([_udp], "http", "", "the socket 'http' (descriptor 3) is not a TCP socket"),
            ([_silent], "", "", "does not listen: use ListenStream, and Accept=no"),
            ([_local], "", "", "is not a TCP socket: use ListenStream with an address and a port"),
            ([_tcp, _tcp], "", "", "the socket 'unknown' (descriptor 3) has an unknown name"),
            ([_tcp, _tcp], "http:http", "", "two sockets have the name 'http'"),
            ([_tcp], "http:admin", "", "LISTEN_FDNAMES has 2 names, but LISTEN_FDS is 1"),
            ([_tcp], "", "many", "LISTEN_FDS cannot be 'many'"),
            ([lambda: _tcp("0.0.0.0")], "", "", "0.0.0.0 is not a loopback address, so TLS is needed"),  # noqa: S104
        ],
        quick=2,
    ),
)
def test_a_wrong_socket_is_exit_code_six(
    tmp_path: Path, sockets: list[object], names: str, count: str, says: str
) -> None:
    """One sentence says what is wrong, and no account is made."""
    made = [each() for each in sockets]  # type: ignore[operator] # functions
    words = ("serve", "--store", f"sqlite:///{tmp_path / 'd.db'}")
    with activated(made, *words, names=names, count=count) as process:
        _, errors = process.communicate(timeout=_LONG)
    for each in made:
        each.close()
    assert says in errors
    assert (process.returncode, "Traceback" in errors, list(tmp_path.iterdir())) == (6, False, [])


@pytest.mark.slow
def test_a_gateway_takes_its_sockets_by_name(tmp_path: Path) -> None:
    """The order does not matter, and a gateway that stops answers what waits in the sockets afterwards."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    assert run("account", "create", "--store", store).returncode == 0
    key = tmp_path / "store.key"
    key.touch(mode=0o600)
    key.write_text('{"AccessKeyId": "a", "SecretAccessKey": "b"}')
    words = ("gateway", "--store", store, "--backend", "http://127.0.0.1:9", "--backend-key-file", str(key))
    with notifications(tmp_path) as receiver, _tcp() as verify, _tcp() as s3, _tcp() as admin:
        address = "@" + str(receiver.getsockname()[1:], "ascii")
        for _ in range(2):
            with activated([verify, s3, admin], *words, names="verify:s3:admin", NOTIFY_SOCKET=address) as process:
                assert told(receiver) == "READY=1"
                for each, path, status in (
                    (admin, "/readyz", b"200"),
                    (s3, "/bucket/key", b"403"),
                    (verify, "/x", b"400"),
                ):
                    with socket.create_connection(each.getsockname(), timeout=_LONG) as client:
                        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                        assert client.recv(65_536)[9:12] == status, path
                process.terminate()
                assert told(receiver) == "STOPPING=1"
                assert process.wait(_LONG) == 0


def test_sockets_of_another_process_are_not_taken(tmp_path: Path) -> None:
    """LISTEN_PID names the process that they are for. A wrapper's child listens itself."""
    words = [str(BIN), "serve", "--port", str(free_port()), "--store", f"sqlite:///{tmp_path / 'd.db'}"]
    environment = clean_environment({**ROOT, "LISTEN_PID": "1", "LISTEN_FDS": "1"})
    process = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any('"ready"' in line for line in process.stderr)
    finally:
        process.kill()
        process.wait(_LONG)
        process.stderr.close()  # type: ignore[union-attr] # as above


@pytest.mark.slow
def test_a_shared_port_is_handed_over_without_a_gap(tmp_path: Path) -> None:
    """From the signal on, new connections reach the next process. None is refused or lost."""
    port = free_port()
    words = ("serve", "--reuse-port", "--port", str(port), "--store", f"sqlite:///{tmp_path / 'd.db'}")

    def start(receiver: socket.socket) -> "subprocess.Popen[bytes]":
        address = "@" + str(receiver.getsockname()[1:], "ascii")
        process = subprocess.Popen(
            [str(BIN), *words, "--workers", "2"],
            env=clean_environment({**ROOT, "NOTIFY_SOCKET": address}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert told(receiver) == "READY=1"
        return process

    with notifications(tmp_path) as receiver:
        old = start(receiver)
        try:
            with SteadyCalls(port, clients=3) as calls:
                for _ in range(2):
                    calls.wait_for(50)
                    new = start(receiver)
                    old.terminate()
                    ended, old = old, new
                    assert told(receiver) == "STOPPING=1"
                    assert ended.wait(_LONG) == 0
                calls.wait_for(50)
        finally:
            old.kill()
            old.wait(_LONG)
    assert (calls.lost, calls.refused) == ([], 0)


def test_a_port_is_not_shared_by_mistake(tmp_path: Path) -> None:
    """Without the option, the second process is refused."""
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("127.0.0.1", 0))
        first.listen()
        words = ["serve", "--port", str(first.getsockname()[1]), "--store", f"sqlite:///{tmp_path / 'd.db'}"]
        done = subprocess.run(
            [str(BIN), *words], env=clean_environment(ROOT), capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, "cannot listen on" in done.stderr) == (6, True)
