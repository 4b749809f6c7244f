"""The thread that runs a server's chores every minute.

Owns the pace, and what a failure of a chore means. Leaves the chores to their owners, such as key_maintenance.py.
"""

from collections.abc import Callable

import structlog

from daypass.background import Background
from daypass.directory.store import StoreUnavailableError
from daypass.mint.key_ring import NoActiveKeyError

INTERVAL = 60.0  # seconds


class Maintenance(Background):
    """A thread that runs a server's chores every minute.

    It runs them also at the start and at the end.
    """

    def __init__(self, *chores: Callable[[], None]) -> None:
        super().__init__("maintenance", self._run)
        self._chores = chores

    def _run(self) -> None:
        while True:
            for chore in self._chores:
                try:
                    chore()
                except (StoreUnavailableError, NoActiveKeyError) as error:
                    # The next run retries it. The existing keys remain in use.
                    structlog.get_logger().warning("maintenance postponed", error=str(error))
            if self.stopping.is_set():
                return
            self.stopping.wait(INTERVAL)
