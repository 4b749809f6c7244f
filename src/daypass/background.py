"""A thread that works beside the requests until it is told to stop.

Owns starting and stopping. The work belongs to the caller: it looks at `stopping` between two steps, and waits on it
instead of sleeping.
"""

import threading
from collections.abc import Callable


class Background:
    """Runs `work` in a daemon thread, which has `name`. It can be started once."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=work, name=name, daemon=True)

    def start(self) -> None:
        """Begin the work."""
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Ask the work to end and wait for it, at most `timeout` seconds."""
        self.stopping.set()
        if self.is_running:
            self._thread.join(timeout)

    @property
    def is_running(self) -> bool:
        """Tell whether the work was started and has not ended."""
        return self._thread.is_alive()
