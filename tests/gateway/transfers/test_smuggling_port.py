"""The corpus of malformed heads, through the real port: the store must not see any of them."""

from contextlib import suppress

import pytest
from tests.gateway.transfers.data_path_fixtures import MakePath, PathSetup
from tests.gateway.transfers.running_data_path import QUICK, RawAnswer, RawClient
from tests.gateway.transfers.scripted_store import SeenRequest
from tests.verify.malformed_heads import malformed_heads

# A head with an empty line in it ends there, on a connection.
HEADS = [(name, head) for name, head in malformed_heads() if b"\r\n\r\n" not in head + b"\r\n"]
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: s3\r\n\r\n"


def send_once(path: PathSetup, data: bytes) -> RawAnswer | None:
    """Send bytes, and return the only answer. None: the connection ended without one."""
    client = path.connect().send(data)
    client.socket.shutdown(1)
    try:
        answer = client.read()
    except (EOFError, ConnectionError):
        return None
    assert client.is_closed()
    return answer


def test_no_malformed_head_reaches_the_store(make_path: MakePath) -> None:
    """Each of them is refused, and the bytes behind it are not a request."""
    path = make_path(gateway={"limits": QUICK})
    accepted = []
    for name, head in HEADS:
        answer = send_once(path, head + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + HIDDEN)
        if answer is not None and answer.status < 400:
            accepted.append(name)
    assert accepted == []
    assert path.store.requests == []
    assert len(HEADS) >= 100


BODIES = [
    (b"Content-Length: 5\r\n", b"hello", 2),
    (b"Content-Length: 0\r\n", b"", 2),
    (b"", b"", 2),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n", 2),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n00000\r\n\r\n", 2),
    (b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", 2),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n" + HIDDEN + b"\r\n", 0),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\r\n", 0),
    (b"Transfer-Encoding: chunked\r\n", b"5 \r\nhello\r\n0\r\n\r\n", 0),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\r\nhello\r\n0\r\n\r\n", 0),
    (b"Transfer-Encoding: chunked\r\n", b'5;a="\n"\r\nhello\r\n0\r\n\r\n', 0),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello0\r\n\r\n", 0),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\n0\r\n\r\n", 0),
    (b"Transfer-Encoding: chunked\r\n", b"g\r\nhello\r\n0\r\n\r\n", 0),
]


@pytest.mark.parametrize(("framing", "body", "complete"), BODIES)
def test_a_body_has_one_end(make_path: MakePath, framing: bytes, body: bytes, complete: int) -> None:
    """The next request begins behind it, or does not begin at all."""
    path = make_path()
    client = path.connect().send(b"PUT /b/k HTTP/1.1\r\nHost: s3\r\n" + framing + b"\r\n" + body + HIDDEN)
    statuses = read_statuses(client)
    seen = [request for request in path.store.requests if request.is_complete]
    assert len(seen) == complete
    assert [status for status in statuses if status == 200] == [200] * complete
    if complete:
        assert lines(seen) == [b"PUT /b/k HTTP/1.1", b"GET /hidden HTTP/1.1"]


def read_statuses(client: RawClient) -> list[int]:
    """Return the statuses of at most two answers."""
    statuses: list[int] = []
    with suppress(EOFError, ConnectionError):
        while len(statuses) < 2:
            statuses.append(client.read().status)
    return statuses


def lines(requests: list[SeenRequest]) -> list[bytes]:
    """Return the request lines."""
    return [request.line for request in requests]
