"""A background thread that can be stopped.

The caller's work checks `stopping` between two steps, and waits on it instead of sleeping.
"""

import threading
from collections.abc import Callable


class Background:
    """Runs `work` in a daemon thread with this `name`. Can be started once."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        """Start the work."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Request the end of the work and wait at most `timeout` seconds."""
        self.stopping.set()
        if self.is_running:
            self._thread.join(timeout)

    @property
    def is_running(self) -> bool:
        """Return whether the work was started and has not ended."""
        return self._thread.is_alive()
