"""Messages to a service manager, such as systemd.

Owns NOTIFY_SOCKET. Leaves the sockets of the service manager to listening.py. Source: sd_notify(3).

- READY=1: the process serves, or has read its files again.
- RELOADING=1 with the present time, as `Type=notify-reload` needs it: the process begins to read its files again.
- STOPPING=1: the process is about to end. EXTEND_TIMEOUT_USEC asks for the time that this may take, so that a long
  drain needs no longer TimeoutStopSec.
"""

import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

_AFTER_DRAIN = 30  # seconds for the end of the listener, the last requests and the last events


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """The service manager that started this process.

    Without an `address`, there is none. It must not matter whether a message arrives, so errors are ignored.
    """

    address: str

    @classmethod
    def from_environment(cls) -> "ServiceManager":
        """Return the service manager that NOTIFY_SOCKET names.

        Children do not inherit the variable.
        """
        return cls(os.environ.pop("NOTIFY_SOCKET", ""))

    def ready(self) -> None:
        """Say that the process serves."""
        self._send("READY=1")

    def stopping(self, drain_seconds: int) -> None:
        """Say that the process ends after a drain and its last requests."""
        most = (drain_seconds + _AFTER_DRAIN) * 1_000_000
        self._send(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={most}")

    def reloading(self) -> None:
        """Say that the process reads its files again. `ready` ends this."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def _send(self, state: str) -> None:
        if self.address[:1] not in {"/", "@"}:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1)
            sender.sendto(state.encode(), address)
