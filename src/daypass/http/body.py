"""Read a request's body within limits of size, time and memory.

The limit of memory is for all requests together. A body over the limit is not read to its end: the request is marked
`truncated` and refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from daypass.federation.oidc.shares import FairLane, Turn

Receive = Callable[[], Awaitable[Any]]
Headers = Iterable[tuple[bytes, bytes]]

LARGEST = 10_000_000  # bytes; AWS's limit
# Bytes. Bodies up to this size are not counted. The longest assertion fits, so slow uploads of large bodies cannot keep
# others from signing in.
_SMALL = 131_072
_LARGE_AT_ONCE = 8
_PATIENCE = 30.0  # seconds for the whole body to arrive


class ClientDisconnectedError(Exception):
    """The client closed the connection before its request was complete."""


class BodyTimeoutError(Exception):
    """The body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The client of an upload, and the stack that holds its slot.

    `peer` is the network that it counts for.
    """

    peer: str
    place: AsyncExitStack


class BodyReader:
    """Reads bodies. At most a few large ones are in memory at a time.

    Others wait for a slot. One peer gets at most half of them, so that its slow uploads leave slots for others. A large
    body keeps its slot until the stack of its Upload is closed after the response, because the request may wait for a
    worker thread.
    """

    def __init__(self) -> None:
        self._large = FairLane(_LARGE_AT_ONCE)

    @property
    def waiting(self) -> int:
        """The number of bodies that wait for a slot."""
        return self._large.waiting

    def whole(self, message: Any) -> bytes | None:
        """Return the body if the first message contains all of it, else None.

        Raises ClientDisconnectedError.
        """
        if message["type"] != "http.request":
            raise ClientDisconnectedError
        body: bytes = message.get("body", b"")
        return None if message.get("more_body", False) or len(body) > LARGEST else body

    def is_too_large(self, headers: Headers) -> bool:
        """Return whether the announced body is over the limit."""
        announced = _announced(headers)
        return announced is not None and announced > LARGEST

    async def rest(self, message: Any, receive: Receive, headers: Headers, upload: Upload) -> bytes | None:
        """Return the body that begins with `message`, or None if it is too large.

        Raises ClientDisconnectedError and BodyTimeoutError.
        """
        if self.is_too_large(headers):
            return None
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return None  # complete, but too large
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._read_on(receive, body, upload)
        except TimeoutError as late:
            raise BodyTimeoutError from late

    async def _read_on(self, receive: Receive, begun: bytes, upload: Upload) -> bytes | None:
        body = bytearray(begun)
        more = True
        while more and len(body) <= _SMALL:
            more = await _append(receive, body)
        if not more and len(body) <= _SMALL:
            return bytes(body)
        await upload.place.enter_async_context(self._large.enter(Turn({upload.peer})))
        while more and len(body) <= LARGEST:
            more = await _append(receive, body)
        return None if len(body) > LARGEST else bytes(body)


async def _append(receive: Receive, body: bytearray) -> bool:
    message = await receive()
    if message["type"] != "http.request":
        raise ClientDisconnectedError
    body += message.get("body", b"")
    return bool(message.get("more_body", False))


def _announced(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None
