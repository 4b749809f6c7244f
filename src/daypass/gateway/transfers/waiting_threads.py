"""Threads for work that blocks.

Owns their number, and the number of requests that may wait for one. The event loop never waits for a key, a bucket or
another fact that has to be loaded.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class WaitingThreads:
    """Runs blocking calls of one event loop."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="gateway")
        self._most = threads + most_waiting
        self._count = 0

    @property
    def count(self) -> int:
        """The number of calls that run or wait."""
        return self._count

    def run(
        self, call: Callable[[], T], then: Callable[[T | None, BaseException | None], None], *, must_run: bool = False
    ) -> bool:
        """Run `call` on a thread, then `then` on the event loop.

        `then` gets the result or the exception. Return False if too many calls wait already. That does not count for
        a call that must run.
        """
        if self._count >= self._most and not must_run:
            return False
        self._count += 1

        def returned(future: Future[T]) -> None:
            error = None if future.cancelled() else future.exception()
            result = None if future.cancelled() or error is not None else future.result()
            self._loop.call_soon_threadsafe(settle, result, error)

        def settle(result: T | None, error: BaseException | None) -> None:
            self._count -= 1
            then(result, error)

        self._executor.submit(call).add_done_callback(returned)
        return True

    def close(self) -> None:
        """Stop the threads that do not run a call."""
        self._executor.shutdown(wait=False, cancel_futures=True)
