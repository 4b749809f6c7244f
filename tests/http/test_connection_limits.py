"""One peer has a limited number of connections, and others are served."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
import uvicorn
from tests.http.segments import read_until_closed
from tests.sockets import connect

from daypass.config import Config, ConfigurationError, load_config
from daypass.http.acceptor import Acceptor
from daypass.http.connection import Connection
from daypass.http.connection_limits import ConnectionLimits
from daypass.testing.server import RunningServer, running_server

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
OTHER = "127.0.0.2"  # another peer on this machine


def counting(per_peer: int, most: int = 0, proxy: str = "") -> tuple[ConnectionLimits, list[int]]:
    """Return limits, and a list that grows with each refusal."""
    refusals: list[int] = []
    limits = ConnectionLimits(
        per_peer, most=most, is_proxy=lambda address: address == proxy, on_refusal=lambda: refusals.append(1)
    )
    return limits, refusals


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8:0:0:ffff::", "2001:db8:0:1::", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_who_counts_as_one_peer(first: str, second: str, alike: bool) -> None:  # noqa: FBT001 - a case
    """A peer is an IPv4 address in any spelling, or a /64 network of IPv6."""
    limits, refusals = counting(1)
    assert limits.enter(first) is not None
    assert (limits.enter(second) is None) is alike
    assert len(refusals) == alike


def test_a_place_is_given_back_once() -> None:
    """A connection that ends makes room for exactly one other.

    The limits do not keep entries of peers without connections.
    """
    limits, _ = counting(2)
    places = [limits.enter("192.0.2.1") for _ in range(3)]
    assert places[2] is None
    assert places[0] is not None
    places[0].leave()
    places[0].leave()
    again = limits.enter("192.0.2.1")
    assert again is not None
    assert limits.enter("192.0.2.1") is None
    again.leave()
    assert places[1] is not None
    places[1].leave()
    assert limits.peers == 0


def test_proxies_are_not_counted_but_the_process_has_a_limit() -> None:
    """A proxy is not limited, but the process is.

    All clients of a proxy come from its address, and descriptors are finite.
    """
    limits, refusals = counting(1, most=3, proxy="10.0.0.1")
    assert all(limits.enter("10.0.0.1") for _ in range(3))
    assert limits.enter("10.0.0.1") is None
    assert limits.enter("192.0.2.1") is None
    assert len(refusals) == 2


def test_no_limit_is_a_setting() -> None:
    """Zero means no limit, as for unsigned calls.

    The default is 512, and invalid values are refused.
    """
    limits, _ = counting(0)
    assert all(limits.enter("192.0.2.1") for _ in range(2_000))
    assert Config().connections_per_peer == 512
    assert load_config({}, {"DAYPASS_CONNECTIONS_PER_PEER": "7"}).connections_per_peer == 7
    assert load_config({}, {}, "connections_per_peer = 0").connections_per_peer == 0
    for text in ("-1", "many", "1.5", ""):
        with pytest.raises(ConfigurationError):
            load_config({}, {"DAYPASS_CONNECTIONS_PER_PEER": text})


def status(connection: socket.socket) -> int | None:
    """Return the status of the response, or None if the connection was closed."""
    with connection:
        try:
            connection.sendall(HEALTH)
        except OSError:
            return None
        replies = read_until_closed(connection)
    return replies[0].status if replies else None


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)  # the server does not announce it


def refused(server: RunningServer) -> float:
    """Return the metric of refused connections."""
    with connect(server.url, "127.0.0.9", timeout=20) as connection:
        connection.sendall(HEALTH.replace(b"/healthz", b"/metrics"))
        text = read_until_closed(connection)[0].body.decode()
    return float(text.partition("\ndaypass_connections_refused_total ")[2].partition("\n")[0])


def test_a_peer_with_too_many_is_refused_and_others_are_not() -> None:
    """The connection is closed at once and counted. Silent, slow and idle connections count alike."""
    with running_server(config=replace(Config(), connections_per_peer=3)) as server, ExitStack() as held:
        silent, slow, idle = (held.enter_context(connect(server.url, timeout=20)) for _ in range(3))
        slow.sendall(b"GET /healthz HT")
        idle.sendall(HEALTH.replace(b"close", b"keep-alive"))
        assert idle.recv(12) == b"HTTP/1.1 200"
        assert status(connect(server.url, timeout=20)) is None
        assert status(connect(server.url, OTHER, timeout=20)) == 200
        assert refused(server) == 1
        silent.close()
        wait_for(lambda: status(connect(server.url, timeout=20)) == 200)


def test_trusted_proxies_may_have_more() -> None:
    """The address of a proxy represents all of its clients."""
    config = load_config({}, {"DAYPASS_CONNECTIONS_PER_PEER": "1", "DAYPASS_TRUSTED_PROXIES": f"{OTHER}/32"})
    with running_server(config=config) as server, ExitStack() as held:
        for source in (OTHER, OTHER, OTHER, "127.0.0.1"):
            held.enter_context(connect(server.url, source, timeout=20))
        assert status(connect(server.url, OTHER, timeout=20)) == 200
        wait_for(lambda: status(connect(server.url, timeout=20)) is None)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[trustme.CA, Path, Path]:
    """Write a certificate for this machine, and its key."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    return authority, cert, key


def test_the_limit_holds_before_the_handshake(certificate: tuple[trustme.CA, Path, Path]) -> None:
    """The limit applies before the TLS handshake, so a peer that never begins TLS uses its slots too."""
    authority, cert, key = certificate
    context = ssl.create_default_context()
    authority.configure_trust(context)
    config = replace(Config(), tls_cert=str(cert), tls_key=str(key), connections_per_peer=2)
    with running_server(config=config) as server, ExitStack() as held:
        for _ in range(2):
            held.enter_context(connect(server.url, timeout=20))
        with connect(server.url, timeout=20) as third, pytest.raises((ssl.SSLError, OSError)):
            context.wrap_socket(third, server_hostname="127.0.0.1")
        with connect(server.url, OTHER, timeout=20) as other:
            tls = context.wrap_socket(other, server_hostname="127.0.0.1")
            assert status(tls) == 200
        held.close()
        wait_for(lambda: status_over_tls(server.url, context) == 200)


def status_over_tls(url: str, context: ssl.SSLContext) -> int | None:
    """Return the status of a response over TLS, or None without a response."""
    with connect(url, timeout=20) as connection:
        try:
            return status(context.wrap_socket(connection, server_hostname="127.0.0.1"))
        except OSError:
            return None


class HastyAcceptor(Acceptor):
    """An acceptor with a short timeout for handshakes."""

    handshake_patience = 0.2


async def _nothing(scope: object, receive: object, send: object) -> None:
    """Do not answer."""


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Listen on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n"], ids=["nothing", "a part", "no TLS"])
def test_a_handshake_that_never_ends_is_given_up(sent: bytes, certificate: tuple[trustme.CA, Path, Path]) -> None:
    """A handshake that never ends is abandoned, and its slot is free again."""
    _, cert, key = certificate
    config = uvicorn.Config(_nothing, ssl_certfile=str(cert), ssl_keyfile=str(key), log_config=None)
    config.load()
    limits, _ = counting(1)

    async def serve(listener: socket.socket) -> bytes:
        state = uvicorn.server.ServerState()
        acceptor = HastyAcceptor(listener, lambda: Connection(config, state, {}), limits, config.ssl)
        acceptor.start()
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(sent)
        try:
            async with asyncio.timeout(20):
                left = await reader.read(1)
        except ConnectionError:
            left = b""
        writer.close()
        acceptor.close()
        await acceptor.wait_closed()
        return left

    with listening() as listener:
        left = asyncio.run(serve(listener))
    assert left in {b"", b"\x15"}  # no data, or the beginning of an alert
    assert limits.peers == 0
