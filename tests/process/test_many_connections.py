"""A server process under many connections has bounded memory.

It remains available to other peers.
"""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.process.daypass import Running, serving
from tests.sockets import connect

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OTHER = "127.0.0.2"  # another peer on this machine
MANY = 1_100


def is_answered(server: Running, source: str = OTHER) -> bool:
    """Return whether a peer gets a response."""
    try:
        with connect(server.url, source) as connection:
            connection.sendall(HEALTH)
            return connection.recv(12) == b"HTTP/1.1 200"
    except ConnectionError:
        return False


def memory_of(server: Running) -> int:
    """Return the megabytes of memory that the process uses."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) // 1024


def children_of(server: Running) -> list[int]:
    """Return the ids of the worker processes."""
    pid = server.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_end(connection: socket.socket, data: bytes) -> None:
    """Send bytes, and wait until the server closes the connection."""
    try:
        connection.sendall(data)
        while connection.recv(65_536):
            continue
    except ConnectionError:
        return


@contextmanager
def soft_limit(limit: int) -> Iterator[int]:
    """Lower the descriptor limit for new programs. Yield the hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, hard), hard))
    try:
        yield hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run one server, started with a low descriptor limit as most are."""
    store = tmp_path_factory.mktemp("store") / "d.db"
    with ExitStack() as running:
        with soft_limit(1_024):
            started = running.enter_context(serving(f"sqlite:///{store}"))
        yield started


def test_the_soft_limit_of_descriptors_is_raised(server: Running) -> None:
    """The usual soft limit is a thousand; the hard limit is many times that."""
    soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard


@pytest.mark.slow
def test_every_worker_may_have_them(tmp_path: Path) -> None:
    """Each worker process has the limit that the first process raised."""
    with soft_limit(1_024), serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        limits = [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in children_of(server)]
        assert len(limits) == 2
        assert all(soft == hard for soft, hard in limits)


def test_silent_connections_of_one_peer_keep_nobody_out(server: Running) -> None:
    """A peer gets its 512 connections, and all other peers are served at once."""
    with ExitStack() as held:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * MANY:
            pytest.skip(f"this test needs {2 * MANY} descriptors, and may have {hard}")
        held.enter_context(soft_limit(hard))
        connections = [held.enter_context(connect(server.url)) for _ in range(MANY)]
        assert is_answered(server)
        assert not is_answered(server, "127.0.0.1")
        open_ones = sum(not _is_closed(each) for each in connections)
        assert open_ones <= 512


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_unfinished_heads_hold_little_memory(server: Running) -> None:
    """A head with many headers is refused while it arrives.

    As objects it would need thirty times its size.
    """
    before = memory_of(server)
    with ExitStack() as held:
        connections = [held.enter_context(connect(server.url)) for _ in range(100)]
        for connection in connections:
            wait_for_end(connection, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * 25_000)
        few = [held.enter_context(connect(server.url)) for _ in range(200)]
        for connection in few:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a:b\r\n" * 250)
        assert is_answered(server)
        assert memory_of(server) - before < 80


def test_trailers_and_extensions_hold_no_memory(server: Running) -> None:
    """Neither megabytes of trailers nor thousands of requests use much memory."""
    before = memory_of(server)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    for end in (b"0\r\n" + b"a:b\r\n" * 4_000_000, b"1;" + b"a" * 2 * 10**7, b"1\r\na\r\n" * 3_000_000):
        with connect(server.url) as connection:
            wait_for_end(connection, head + end)
    with ExitStack() as held:
        for _ in range(20):
            waiting = held.enter_context(connect(server.url))
            waiting.settimeout(0)
            waiting.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n" * 7_000)
        assert is_answered(server)
        assert memory_of(server) - before < 80


def test_nobody_waits_long_when_descriptors_run_out(server: Running) -> None:
    """New clients wait in the backlog, and are answered when there is room.

    They do not cost the server work meanwhile.
    """
    pid = server.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 20, hard))
    try:
        with ExitStack() as held:
            for _ in range(60):
                held.enter_context(connect(server.url))
            late = held.enter_context(connect(server.url, OTHER))
            late.sendall(HEALTH)
            busy = _processor_time(pid)
            late.settimeout(0.5)
            with pytest.raises(TimeoutError):
                late.recv(1)
            # A loop that retries all the time would have used the whole half second.
            assert _processor_time(pid) - busy < 0.4
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            late.settimeout(30)
            assert late.recv(12) == b"HTTP/1.1 200"
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
