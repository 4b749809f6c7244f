"""A real OpenBao with a Transit engine, in memory, as a child process.

Owns its start and the calls of an operator. The root token of such a server is chosen by the tests.
"""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.components import COMPONENTS
from tests.sockets import free_port

ROOT_TOKEN = "root-of-the-tests"
_PATIENCE = 60.0


@dataclass(frozen=True)
class Openbao:
    """A running server."""

    url: str

    @property
    def address(self) -> str:
        """Return the address of the key `daypass`."""
        return f"vault:{self.url}/transit/daypass"

    def call(self, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> dict[str, Any]:
        """Make a call as the root, and return the answer."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.url}/v1/{path}", content, {"X-Vault-Token": ROOT_TOKEN}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
            text = answer.read()
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def make_key(self, name: str) -> None:
        """Make a key that can be deleted."""
        self.call(f"transit/keys/{name}", {})
        self.call(f"transit/keys/{name}/config", {"deletion_allowed": True})


@contextmanager
def running_openbao() -> Iterator[Openbao]:
    """Start a server, and mount the engine with the keys `daypass` and `other`."""
    program = COMPONENTS["openbao"].find()
    assert program is not None
    port = free_port()
    process = subprocess.Popen(
        [
            *(program, "server", "-dev", "-dev-no-store-token"),
            *(f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    there = Openbao(f"http://127.0.0.1:{port}")
    try:
        _wait(there, process)
        there.call("sys/mounts/transit", {"type": "transit"})
        there.make_key("daypass")
        there.make_key("other")
        yield there
    finally:
        process.kill()
        process.wait(30)


def _wait(there: Openbao, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            if there.call("sys/health", method="GET").get("initialized"):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)  # the process does not announce it
    raise AssertionError("OpenBao did not start")
