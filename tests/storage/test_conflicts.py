"""Transactions that the database undoes, and servers that only look like PostgreSQL."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from tests.storage.conftest import HandClock

from daypass.directory.store import StoreUnavailableError
from daypass.storage.open import open_store
from daypass.storage.refusals import StoreUnreachableError

_FAIL = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '{code}'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON claims FOR EACH ROW EXECUTE FUNCTION fail();
"""


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_claim_is_repeated_after_a_conflict(postgresql_url: str, clock: HandClock, code: str) -> None:
    """The database undid the transaction, which contains the claim alone. It is claimed once."""
    store = open_store(postgresql_url, clock=clock)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(_FAIL.format(times=3, code=code).encode())
    assert store.claim("k", until=clock.now())
    assert not store.claim("k", until=clock.now())
    store.close()


def test_a_claim_is_not_repeated_without_end(postgresql_url: str, clock: HandClock) -> None:
    """Four conflicts in a row are an outage."""
    store = open_store(postgresql_url, clock=clock)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(_FAIL.format(times=4, code="40001").encode())
    with pytest.raises(StoreUnavailableError):
        store.claim("k", until=clock.now())
    store.close()


def test_another_error_is_not_repeated(postgresql_url: str, clock: HandClock) -> None:
    """The second attempt would succeed."""
    store = open_store(postgresql_url, clock=clock)
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(_FAIL.format(times=1, code="57014").encode())
    with pytest.raises(StoreUnavailableError):
        store.claim("k", until=clock.now())
    store.close()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"server_version": "13.0.0", "crdb_version": "CockroachDB CCL v25.1.0"}, "CockroachDB"),
        ({"server_version": "15.2-YB-2025.1.0.0-b0"}, "YugabyteDB"),
    ],
)
def test_an_engine_without_our_locks_is_refused_by_name(
    clock: HandClock, parameters: dict[str, str], name: str
) -> None:
    """Its first message says which engine it is."""
    with _server(parameters) as port, pytest.raises(StoreUnreachableError, match=name):
        open_store(f"postgresql://u@127.0.0.1:{port}/d?sslmode=disable&gssencmode=disable", clock=clock)


@contextmanager
def _server(parameters: dict[str, str]) -> Iterator[int]:
    """Run a server that lets every client in (PostgreSQL, "Message Formats"), and answers nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))
    texts = [b"\0".join((key.encode(), value.encode(), b"")) for key, value in parameters.items()]
    greeting = _message(b"R", struct.pack("!i", 0)) + b"".join(_message(b"S", text) for text in texts)
    greeting += _message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I")

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(greeting)
                    client.recv(4096)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content
