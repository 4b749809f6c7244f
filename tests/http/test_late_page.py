"""A page that is built after the start of the server: requests wait for it, and it is built once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from daypass.http.late_page import THREAD, LatePage, Page

Given = Callable[[], Awaitable[Any]]


async def _page(scope: Mapping[str, Any], receive: Given, send: Callable[[Any], Awaitable[None]]) -> None:
    await send(scope["path"])


class _Build:
    """Builds the page when the test says so, and fails as often as it says."""

    def __init__(self, failures: int = 0) -> None:
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.threads: list[str] = []
        self._failures = failures

    def __call__(self) -> Page:
        self.threads.append(threading.current_thread().name)
        self.begun.set()
        assert self.go_on.wait(30)
        if len(self.threads) <= self._failures:
            raise OSError("too many open files")
        return _page


async def _ask(page: LatePage, path: str) -> Any:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    await page({"path": path}, receive, send)
    return sent


def test_requests_wait_for_one_building() -> None:
    """The event loop is free meanwhile, and a client that gives up changes nothing for the others."""

    async def steps() -> None:
        build = _Build()
        page = LatePage(build)
        asked = [asyncio.create_task(_ask(page, path)) for path in ("/a", "/b", "/c")]
        await asyncio.sleep(0)
        asked[0].cancel()
        await asyncio.wait(asked[:1])
        assert not any(each.done() for each in asked[1:])
        build.go_on.set()
        assert await asyncio.gather(*asked[1:]) == [["/b"], ["/c"]]
        assert await _ask(page, "/d") == ["/d"]
        assert build.threads == [THREAD]

    asyncio.run(steps())


def test_a_failure_is_retried() -> None:
    """Each waiting request fails; the next one builds the page."""

    async def steps() -> None:
        build = _Build(failures=1)
        build.go_on.set()
        page = LatePage(build)
        failed = await asyncio.gather(_ask(page, "/a"), _ask(page, "/b"), return_exceptions=True)
        assert [type(each) for each in failed] == [OSError, OSError]
        assert await _ask(page, "/c") == ["/c"]

    asyncio.run(steps())


def test_a_thread_that_cannot_start_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system at its limit of threads fails the request, and not all later ones."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def steps() -> None:
        build = _Build()
        build.go_on.set()
        page = LatePage(build)
        with monkeypatch.context() as limited:
            limited.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError):
                await _ask(page, "/a")
        assert await asyncio.wait_for(_ask(page, "/b"), 30) == ["/b"]

    asyncio.run(steps())


def test_the_page_is_built_without_a_request() -> None:
    """It is built soon after the start."""

    async def steps() -> None:
        build = _Build()
        build.go_on.set()
        LatePage(build).start()
        assert await asyncio.to_thread(build.begun.wait, 30)

    asyncio.run(steps())


def test_a_server_that_stops_does_not_begin_to_build() -> None:
    """A server may stop right after its start."""

    async def steps() -> list[str]:
        build = _Build()
        build.go_on.set()
        page = LatePage(build)
        page.start()
        page.stop()
        await asyncio.sleep(0.15)  # the page's own timer is earlier
        return build.threads

    assert asyncio.run(steps()) == []
