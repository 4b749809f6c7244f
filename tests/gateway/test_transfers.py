"""One request after the other through the data path."""

from tests.gateway.data_path_fixtures import MakePath
from tests.gateway.running_data_path import chunked_head
from tests.gateway.scripted_store import always


def test_get_passes_through(make_path: MakePath) -> None:
    """The answer of the store reaches the client."""
    path = make_path()
    answer = path.connect().get()
    assert (answer.status, answer.body) == (200, b"ok")
    assert path.store.requests[0].line == b"GET /bucket/key HTTP/1.1"


def test_put_passes_through(make_path: MakePath) -> None:
    """The body of a request reaches the store."""
    path = make_path()
    assert path.connect().put(b"content").status == 200
    assert path.store.requests[0].body == b"content"


def test_chunked_put_passes_through(make_path: MakePath) -> None:
    """HTTP chunks are decoded and written again."""
    path = make_path()
    client = path.connect().send(chunked_head() + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert client.read().status == 200
    assert path.store.requests[0].body == b"abcde"


def test_connections_are_used_again(make_path: MakePath) -> None:
    """Requests of one client take one connection to the store."""
    path = make_path()
    client = path.connect()
    for _ in range(5):
        assert client.get().status == 200
        assert client.put(b"x" * 100_000).status == 200
    assert len(path.store.sides) == 1


def test_pipelined_requests_are_answered_in_order(make_path: MakePath) -> None:
    """Requests that come early wait for their turn."""
    path = make_path(always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    client = path.connect()
    client.send(b"PUT /a HTTP/1.1\r\nHost: s3\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: s3\r\n\r\n" * 3)
    assert [client.read().status for _ in range(6)] == [200] * 6
    assert [request.line.split(b" ")[1] for request in path.store.requests] == [b"/a", b"/b"] * 3
