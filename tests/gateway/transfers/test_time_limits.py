"""Clients and stores that are too slow."""

import socket
import threading

import msgspec
import pytest
from tests.gateway.transfers.data_path_fixtures import MakePath
from tests.gateway.transfers.running_data_path import LONG, QUICK, RawClient, put_head
from tests.gateway.transfers.scripted_store import StoreSide, answer_all

from daypass.gateway.transfers.limits import TransferLimits


def limits(**changed: float) -> TransferLimits:
    """Return limits with a short tick."""
    return msgspec.structs.replace(QUICK, **changed)


def test_a_silent_connection_is_closed(make_path: MakePath) -> None:
    """It takes a descriptor."""
    path = make_path(gateway={"limits": limits(head_seconds=0.1)})
    assert path.connect().is_closed()


def test_a_slow_head_is_refused(make_path: MakePath) -> None:
    """However often a byte comes."""
    path = make_path(gateway={"limits": limits(head_seconds=0.3)})
    client = path.connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n")
    client.socket.settimeout(0.02)
    answer = None
    while answer is None:
        try:
            answer = client.read()
        except TimeoutError:
            client.send(b"a: b\r\n")
    assert answer.status == 400
    assert b"<Code>RequestTimeout</Code>" in answer.body


def test_an_unused_connection_is_closed(make_path: MakePath) -> None:
    """After the time for the next request, which is longer than that for the first one."""
    path = make_path(gateway={"limits": limits(head_seconds=0.1, idle_seconds=0.3)})
    client = path.connect()
    assert client.get().status == 200
    assert client.is_closed()


def test_a_slow_body_is_refused(make_path: MakePath) -> None:
    """The store never gets its end."""
    path = make_path(gateway={"limits": limits(rate_seconds=0.3, least_rate=1_000_000)})
    client = path.connect().send(put_head(10_000_000) + b"x" * 200_000)
    answer = client.read()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert b"<Code>RequestTimeout</Code>" in answer.body
    assert not path.store.wait_ended().requests[0].is_complete


def test_a_body_that_is_fast_enough_is_not_refused(make_path: MakePath) -> None:
    """The rate is an average."""
    path = make_path(gateway={"limits": limits(rate_seconds=0.1, least_rate=10)})
    client = path.connect().send(put_head(10))
    client.socket.settimeout(0.05)
    for _ in range(9):
        client.send(b"x")
        with pytest.raises(TimeoutError):
            client.read()
    client.socket.settimeout(LONG)
    assert client.send(b"x").read().status == 200


def test_a_store_that_does_not_answer_is_unavailable(make_path: MakePath) -> None:
    """The client gets an answer."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.wait_closed()

    path = make_path(script, gateway={"limits": limits(first_byte_seconds=0.1)})
    assert path.connect().get().status == 503


def test_a_store_that_stops_in_its_answer_breaks_it(make_path: MakePath) -> None:
    """The client sees that the answer is too short."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        side.wait_closed()

    path = make_path(script, gateway={"limits": limits(stall_seconds=0.1)})
    assert not path.connect().get().is_complete


def test_a_store_that_does_not_read_is_unavailable(make_path: MakePath) -> None:
    """The client gets an answer."""

    def script(side: StoreSide) -> None:
        side.read_head()
        blocked.wait(LONG)

    blocked = threading.Event()
    path = make_path(script, gateway={"limits": limits(stall_seconds=0.3, rate_seconds=60)})
    client = path.connect()
    sender = threading.Thread(target=send_much, args=(client,))
    sender.start()
    assert client.read().status == 503
    blocked.set()
    sender.join(LONG)


def send_much(client: RawClient) -> None:
    """Send a large body until the gateway ends it."""
    try:
        client.send(put_head(1_000_000_000))
        for _ in range(10_000):
            client.send(b"x" * 100_000)
    except OSError:
        pass


def test_a_client_that_does_not_read_is_cut_off(make_path: MakePath) -> None:
    """Its answer takes memory and a connection to the store."""

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            side.send(b"x" * 65_536)

    path = make_path(script, gateway={"limits": limits(stall_seconds=0.2)})
    path.connect().send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    ended = path.judge.ended.get(timeout=LONG)
    assert 0 < ended.bytes_out < 1_000_000_000
    path.store.wait_ended()


def test_a_slow_client_is_not_cut_off(make_path: MakePath) -> None:
    """It reads more than the least amount in each window."""
    size = 16_000_000

    def script(side: StoreSide) -> None:
        side.read_request()
        side.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        answer_all(side)

    path = make_path(script, gateway={"limits": limits(stall_seconds=0.5)})
    client = path.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.send(b"GET /b/k HTTP/1.1\r\nHost: s3\r\n\r\n")
    pace = threading.Event()
    for _ in range(20):
        client._rest += client.socket.recv(100_000)
        pace.wait(0.05)
    assert len(client.read().body) == size


def test_unused_connections_to_a_store_are_closed(make_path: MakePath) -> None:
    """Before the store closes them."""
    path = make_path(gateway={"limits": limits(store_idle_seconds=0.1)})
    assert path.connect().get().status == 200
    path.store.wait_ended()
    assert path.gateway.idle_store_connections() == 0


def test_an_upload_does_not_take_an_old_connection(make_path: MakePath) -> None:
    """The store might close it at the same moment, and an upload is not sent twice."""
    path = make_path(gateway={"limits": limits(fresh_seconds=-1.0)})
    client = path.connect()
    assert [client.get().status, client.get().status, client.put(b"x").status] == [200] * 3
    assert [len(side.requests) for side in path.store.sides] == [2, 1]
