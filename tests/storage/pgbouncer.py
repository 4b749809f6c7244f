"""A pooler between nodes and their database: Debian's pgbouncer, as it is shipped, in one of its modes."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url
from tests.components import find_program
from tests.sockets import free_port

_PATIENCE = 30.0


@contextmanager
def pgbouncer(url: str, *, mode: str) -> Iterator[str]:
    """Run pgbouncer in front of a database with three connections to it, and yield the database's URL through it."""
    direct = make_url(url)
    folder = Path(tempfile.mkdtemp(prefix="daypass-pgb-"))
    port = free_port()
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": folder / "users",
        "pool_mode": mode,
        "default_pool_size": 3 if mode == "transaction" else 40,
    }
    database = f"{direct.database} = host={direct.host} port={direct.port or 5432}"
    lines = ["[databases]", database, "[pgbouncer]", *(f"{name} = {value}" for name, value in settings.items())]
    (folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
    (folder / "users").write_text(f'"{direct.username}" "{direct.password}"\n')
    prefix = _as_ordinary_user(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, str(find_program("pgbouncer")), str(folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, process, folder / "log")
        yield direct.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(_PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return the command prefix with which pgbouncer agrees to run, and give that user the folder."""
    if os.geteuid() != 0:
        return []
    ordinary = pwd.getpwnam("postgres")
    for path in (folder, *folder.iterdir()):
        os.chown(path, ordinary.pw_uid, ordinary.pw_gid)
    return ["setpriv", f"--reuid={ordinary.pw_uid}", f"--regid={ordinary.pw_gid}", "--clear-groups", "--"]


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE).close()
        except OSError:
            assert process.poll() is None, log.read_text()
        else:
            return
    raise AssertionError(log.read_text())
