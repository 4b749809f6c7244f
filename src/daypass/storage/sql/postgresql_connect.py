"""A new connection to one of the servers of a PostgreSQL database.

Owns the choice among several hosts, which are tried in order, and the bounds of an attempt:

* A host name is resolved in a thread of its own: the resolver has no time limit, and libpq would hold up the whole
  process while it asks.
* Each address has `connect_timeout` seconds, by default 5, or 3 if there are several. While the database does not
  accept connections, three of four attempts have 2 seconds: a lost attempt must not outlast the outage by far.
* While the database does not accept connections, one thread at a time tries, and the others are refused at once. An
  attempt that began before the end of an outage may wait in vain, so that after a second another one may try.

A store writes, so that a server that is a replica is refused: it answers with older data. Which server is a replica is
in the first message of each, and costs no query.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

import psycopg

from daypass.storage.outages import Outages
from daypass.storage.sql.bounded_connection import BoundedConnection

CONNECT_SECONDS = 5
_CONNECT_SECONDS_OF_SEVERAL = 3
_QUICK_SECONDS = 2
_LONG_ATTEMPT = 4  # every fourth attempt of an outage has the full time, for a database that is far away
ATTEMPT_PAUSE = 1.0  # after which another attempt does not wait for the end of the last one
RESOLVE_SECONDS = 3.0
_DEFAULTS = {
    "application_name": "daypass",
    "keepalives_idle": "15",
    "tcp_user_timeout": "15000",  # for a network that loses packets
}
_ENCODING = {"client_encoding": "UTF8"}  # writers encode and decode strings themselves


class Connector:
    """Opens connections to a database. Threads share it."""

    def __init__(
        self,
        parameters: Mapping[str, str],
        outages: Outages,
        *,
        is_replica: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parameters = _DEFAULTS | dict(parameters) | _ENCODING
        self._outages = outages
        self._is_replica = is_replica
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._trying = 0
        self._tried_at = float("-inf")
        self._successes = 0
        self._failures = 0
        self._has_failed = False
        self._reason = ""

    def connect(self) -> BoundedConnection:
        """Return a new connection. Raises psycopg.OperationalError."""
        if not self._may_try():
            raise psycopg.OperationalError(f"the database does not accept connections: {self._reason}")
        try:
            return self._attempt()
        finally:
            with self._lock:
                self._trying -= 1

    def _may_try(self) -> bool:
        with self._lock:
            now = self._monotonic()
            if self._has_failed and self._trying and now < self._tried_at + ATTEMPT_PAUSE:
                return False
            self._trying, self._tried_at = self._trying + 1, now
            return True

    def _attempt(self) -> BoundedConnection:
        successes = self._successes
        try:
            connection = self._first_answer()
        except psycopg.Error as error:
            if successes == self._successes:  # otherwise a later attempt knows better
                self._note_failure(str(error).partition("\n")[0])
            raise
        self._successes += 1
        self._has_failed, self._failures = False, 0
        connection.outages = self._outages
        return connection

    def _note_failure(self, reason: str) -> None:
        self._has_failed, self._reason, self._failures = True, reason, self._failures + 1
        # A failure at the start is the caller's to report, and that of a replica is in replica_reads.py.
        if self._successes and not self._is_replica:
            self._outages.complain(reason)

    def _first_answer(self) -> BoundedConnection:
        wanted = self._parameters.get("target_session_attrs")
        # Hosts are tried one by one, so that this preference needs two rounds.
        rounds = ("standby", "any") if wanted == "prefer-standby" else (wanted,)
        failures: dict[str, None] = {}
        for session in rounds:
            for host in _hosts(self._parameters, is_quick=self._failures % _LONG_ATTEMPT != 0):
                try:
                    return self._connect_to(host, session)
                except psycopg.Error as error:
                    failures[str(error).partition("\n")[0]] = None
        raise psycopg.OperationalError("; ".join(failures))

    def _connect_to(self, host: dict[str, str], session: str | None) -> BoundedConnection:
        wanted = host if session is None else host | {"target_session_attrs": session}
        addresses = _resolve(host)
        for address in addresses[:-1]:
            try:
                return self._connect(wanted | address)
            except psycopg.Error:
                continue
        return self._connect(wanted | addresses[-1])

    def _connect(self, attempt: dict[str, str]) -> BoundedConnection:
        # Statements are never prepared on the server: a pooler in transaction mode would mix them up.
        connection = BoundedConnection.connect(
            autocommit=True,
            prepare_threshold=None,
            **attempt,  # type: ignore[arg-type] # libpq's parameters alone
        )
        other = _other_engine(connection)
        if other:
            connection.close()
            raise psycopg.OperationalError(f"the server is {other}, which a store does not support: use PostgreSQL")
        connection.may_be_replica = self._is_replica
        if connection.is_demoted:
            connection.close()
            raise psycopg.OperationalError("the server is a replica, which does not accept writes")
        return connection


def _other_engine(connection: BoundedConnection) -> str:
    """Return the name of a database that speaks PostgreSQL's protocol without its locks, or "".

    docs/decisions/0033-other-engines.md has the reasons.
    """
    if connection.pgconn.parameter_status(b"crdb_version"):
        return "CockroachDB"
    return "YugabyteDB" if b"-YB-" in (connection.pgconn.parameter_status(b"server_version") or b"") else ""


def _hosts(parameters: Mapping[str, str], *, is_quick: bool) -> list[dict[str, str]]:
    """Return the parameters for each host."""
    hosts = parameters.get("host", "").split(",")
    addresses = parameters.get("hostaddr", "").split(",")
    ports = parameters.get("port", "").split(",")
    number = max(len(hosts), len(addresses))
    hosts, addresses, ports = (each * number if len(each) == 1 else each for each in (hosts, addresses, ports))
    common = {name: value for name, value in parameters.items() if name not in {"host", "hostaddr", "port"}}
    seconds = CONNECT_SECONDS if number == 1 else _CONNECT_SECONDS_OF_SEVERAL
    seconds = _QUICK_SECONDS if is_quick else seconds
    found = []
    for host, address, port in zip(hosts, addresses, ports, strict=True):
        own = {"host": host, "hostaddr": address, "port": port}
        found.append({"connect_timeout": str(seconds)} | common | {name: value for name, value in own.items() if value})
    return found


def _resolve(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the addresses of a host, each as parameters. Raises psycopg.OperationalError."""
    host = parameters.get("host", "")
    if not host or "hostaddr" in parameters or host.startswith(("/", "@")):
        return [{}]  # a directory of a socket, or an address
    found: SimpleQueue[list[dict[str, str]] | OSError | UnicodeError] = SimpleQueue()

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.put([{"hostaddr": name} for name in dict.fromkeys(str(answer[4][0]) for answer in answers)])
        except (OSError, UnicodeError) as error:
            found.put(error)

    threading.Thread(target=ask, name="store-resolve", daemon=True).start()
    try:
        answer = found.get(timeout=RESOLVE_SECONDS)
    except Empty:
        raise psycopg.OperationalError(f"the name of the host {host} was not resolved in time") from None
    if isinstance(answer, list):
        return answer
    reason = answer.strerror if isinstance(answer, OSError) else "it is not a valid name"
    raise psycopg.OperationalError(f"cannot resolve the host {host}: {reason}")
