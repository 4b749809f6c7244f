"""A temporary PostgreSQL server for tests, here and in other folders.

`DAYPASS_TEST_POSTGRESQL` (the URL of a role that may create databases) names a server. Otherwise one is started in a
temporary directory on a free loopback port, if its programs are installed, or tests that need it are skipped and say
why.
"""

import atexit
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, make_url
from tests.sockets import free_port

_USER = "daypass"


class Cluster:
    """Our own server, which tests may stop and start. It ends with the tests."""

    def __init__(self, programs: Path, fsync: str) -> None:
        self._fsync = fsync
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="daypass-pg-"))
        self._password = secrets.token_hex(16)
        self._port = free_port()
        self._as_user = _as_ordinary_user(self._folder)
        self._initialise()
        self.start()
        atexit.register(self.remove)

    @property
    def url(self) -> URL:
        """Return the URL of the maintenance database, as its owner."""
        return URL.create("postgresql", _USER, self._password, "127.0.0.1", self._port, "postgres")

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": self._fsync,
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-l", log, "-o", options, "-w", "-s", "start")

    def stop(self) -> None:
        """Stop the server at once, like a power failure, but keep its committed data."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "-s", "stop")

    def signal(self, number: int) -> None:
        """Send a signal to every process of the server, such as SIGSTOP: it then keeps its connections silent."""
        first = int((self._folder / "data" / "postmaster.pid").read_text().partition("\n")[0])
        for process in (first, *_children(first)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def set_read_only(self, *, is_on: bool) -> None:
        """Set default_transaction_read_only for every session, and wait until a new one has it."""
        value = "on" if is_on else "off"
        address = self.url.render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")
        while True:
            with psycopg.connect(address, autocommit=True) as connection:
                row = connection.execute("SHOW default_transaction_read_only").fetchone()
                if row == (value,):
                    return

    def execute(self, statement: str) -> None:
        """Execute a statement in the maintenance database."""
        _administer(self.url, statement)

    def query(self, statement: str) -> Any:
        """Return the only value of a query in the maintenance database."""
        address = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return None if row is None else row[0]

    def dump(self) -> str:
        """Return a backup of the maintenance database, as statements that replace its tables."""
        file, address = self._folder / "dump.sql", self.url.render_as_string(hide_password=False)
        self._run("pg_dump", "--inserts", "--clean", "--if-exists", "-f", str(file), "-d", address)
        # Lines with a backslash are for psql.
        return "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith("\\"))

    def is_running(self) -> bool:
        """Return whether the server is running."""
        try:
            self._run("pg_ctl", "-D", str(self._folder / "data"), "status")
        except RuntimeError:
            return False
        return True

    def _initialise(self) -> None:
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        password_file.chmod(0o644)  # for the ordinary user; the folder is closed to others
        self._run(
            *("initdb", "-D", str(self._folder / "data"), "-U", _USER, "--pwfile", str(password_file)),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), *arguments]
        done = subprocess.run(
            command,
            check=False,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            # A file and not a pipe: the server inherits it and would keep a pipe open forever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if done.returncode:
            log = self._folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text() if log.exists() else arguments}")

    def remove(self) -> None:
        """Stop the server, and delete its data."""
        atexit.unregister(self.remove)
        try:
            self.stop()
        except RuntimeError:
            pass  # a test had stopped it
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


class Replica(Cluster):
    """A streaming replica of another cluster of ours."""

    def __init__(self, primary: Cluster) -> None:
        self._primary = primary
        super().__init__(primary._programs, fsync="off")

    def promote(self) -> None:
        """Make it a primary, and wait until it is one."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-s", "promote")

    def _initialise(self) -> None:
        self._password = self._primary._password
        source = self._primary.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._run("pg_basebackup", "-D", str(self._folder / "data"), "-R", "-c", "fast", "-d", source)


@contextmanager
def primary_and_replica() -> Iterator[tuple[Cluster, Replica]]:
    """Start two servers of our own, or skip the test."""
    shared = own_cluster()
    if isinstance(shared, str):
        pytest.skip(shared)
    primary = Cluster(shared._programs, fsync="off")
    try:
        replica = Replica(primary)
        try:
            yield primary, replica
        finally:
            replica.remove()
    finally:
        primary.remove()


@cache
def own_cluster() -> Cluster | str:
    """Return the tests' own server, started on first use, or the reason why it is missing."""
    # There is no power failure, and a killed process leaves its writes to the kernel.
    return start_cluster(fsync="off")


def start_cluster(*, fsync: str) -> Cluster | str:
    """Start another server, or return the reason why it cannot be started."""
    programs = _programs()
    if programs is None:
        return "PostgreSQL is not installed, and DAYPASS_TEST_POSTGRESQL names no server"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or not _has_user("postgres")):
        return "PostgreSQL refuses to run as root, and there is no user postgres"
    return Cluster(programs, fsync)


def server_url() -> URL:
    """Return the URL of a server with permission to create databases, or skip the test."""
    given = os.environ.get("DAYPASS_TEST_POSTGRESQL")
    if given:
        return make_url(given)
    cluster = own_cluster()
    if isinstance(cluster, str):
        pytest.skip(cluster)
    return cluster.url


@contextmanager
def fresh_database() -> Iterator[str]:
    """Yield the URL of an empty database, which is dropped afterwards.

    Skips without a server.
    """
    server = server_url()
    name = f"daypass_test_{secrets.token_hex(8)}"
    _administer(server, f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(server: URL, statement: str) -> None:
    address = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement.encode())


def _children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _programs() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    if installed:
        return installed[-1].parent
    on_path = shutil.which("pg_ctl")
    return None if on_path is None else Path(on_path).parent


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return the command prefix with which PostgreSQL agrees to run.

    Give that user the folder.
    """
    if os.geteuid() != 0:
        return []
    ordinary = pwd.getpwnam("postgres")
    os.chown(folder, ordinary.pw_uid, ordinary.pw_gid)
    return ["runuser", "-u", "postgres", "--"]


def _has_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())
