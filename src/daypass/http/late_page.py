"""A page that is imported and built shortly after the start.

Owns the moment: the modules of the portal take longer to import than a server may take to start. They are imported soon
after it nevertheless, and not at the first request: after an upgrade on disk, new modules would not match the running
code.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from daypass.http.asgi_messages import Send
from daypass.http.body import Receive

Page = Callable[[Mapping[str, Any], Receive, Send], Awaitable[None]]

THREAD = "late-page"
_AFTER_SECONDS = 0.1  # so that the server is ready first


class LatePage:
    """Builds a page on a thread of its own, and passes requests on to it.

    A request that arrives before the page is built waits for it. Call the methods on the event loop only.
    """

    def __init__(self, build: Callable[[], Page]) -> None:
        self._build = build
        self._built: Page | None = None
        self._building: asyncio.Future[Page] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Build the page soon."""
        self._timer = asyncio.get_running_loop().call_later(_AFTER_SECONDS, self._begin)

    def stop(self) -> None:
        """Do not begin to build the page any more."""
        if self._timer is not None:
            self._timer.cancel()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        page = self._built or await self._get()
        await page(scope, receive, send)

    async def _get(self) -> Page:
        # A client that gives up must not cancel the work for the others.
        return await asyncio.shield(self._begin())

    def _begin(self) -> "asyncio.Future[Page]":
        if self._building is None:
            loop = asyncio.get_running_loop()
            building: asyncio.Future[Page] = loop.create_future()

            def work() -> None:
                built = self._try_to_build()
                with suppress(RuntimeError):  # the event loop has ended
                    loop.call_soon_threadsafe(self._end, building, built)

            # It raises RuntimeError if the system has no more threads. Then the next request tries again.
            threading.Thread(target=work, name=THREAD).start()
            self._building = building
        return self._building

    def _try_to_build(self) -> Page | Exception:
        try:
            return self._build()
        except Exception as error:  # noqa: BLE001 - the waiting requests raise it
            return error

    def _end(self, building: "asyncio.Future[Page]", built: Page | Exception) -> None:
        if isinstance(built, Exception):
            # For example too many open files. The next request tries again.
            self._building = None
            building.set_exception(built)
            building.exception()  # No request may be waiting.
        else:
            self._built = built
            building.set_result(built)
