"""A refusal of a large body reaches the client behind any proxy."""

from tests.http.test_last_responses import BODY, FORM, read_one, request
from tests.proxies.conftest import Behind


def test_a_body_that_is_too_large_is_refused_with_413(behind: Behind) -> None:
    """The client sends all of it before it reads. The proxy does not report a broken server."""
    with behind.connect() as connection:
        connection.sendall(request(b"POST / HTTP/1.1", FORM, BODY))
        assert read_one(connection).status == 413
