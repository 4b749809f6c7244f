"""The state of a server: its log, and whether it is about to stop."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable

from tests.process.daypass import Running


def wait_until_draining(server: Running) -> None:
    """Wait until `/readyz` says that the server drains."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{server.url}/readyz").close()  # noqa: S310 - our own address
        except urllib.error.HTTPError as error:
            if (error.code, error.read()) == (503, b"draining\n"):
                return
    raise AssertionError("the server does not drain")


def count(server: Running, text: str) -> int:
    """Return the number of lines of the log that contain a text."""
    return sum(text in line for line in server.errors)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)  # the processes do not announce it
