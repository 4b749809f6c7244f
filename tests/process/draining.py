"""The state of a server that is about to stop."""

import time
import urllib.error
import urllib.request

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
