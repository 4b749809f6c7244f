"""Many concurrent callers, slow ones among them."""

import socket
from concurrent.futures import ThreadPoolExecutor

from tests.http.raw import send, signed

from daypass.testing.server import RunningServer


def test_two_hundred_at_once_are_all_answered(daypass_server: RunningServer) -> None:
    """Each caller gets its own response, valid or refused."""
    good = signed(daypass_server)
    bad = (good[0] + b"&x=1", good[1])
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: send(daypass_server, *(good if n % 2 else bad)).status, range(200)))
    assert answers.count(200) == answers.count(403) == 100


def test_a_client_that_sends_half_a_body_holds_up_nobody(daypass_server: RunningServer) -> None:
    """A slow body does not delay other requests."""
    host, port = daypass_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nAction=")
        assert send(daypass_server, *signed(daypass_server)).status == 200


def test_eleven_megabytes_from_many_leave_the_server_well(daypass_server: RunningServer) -> None:
    """Large bodies are not in memory at the same time.

    Small calls are answered meanwhile.
    """
    large = b"x" * 9_000_000
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(send, daypass_server, large) for _ in range(12)]
        assert send(daypass_server, *signed(daypass_server)).status == 200
        assert {one.result().status for one in waiting} == {400}
