"""Read a request's body within bounds of size, of time and of memory for all requests together.

Owns the limits. A body over the limit is not read to its end: the request says `truncated` and is refused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from daypass.federation.oidc.shares import FairLane, Turn

Receive = Callable[[], Awaitable[Any]]
Headers = Iterable[tuple[bytes, bytes]]

LARGEST = 10_000_000  # bytes; what AWS reads
# Bytes; bodies up to this size are not counted. The longest assertion fits, so that whoever occupies all places of the
# large ones, byte by byte, keeps nobody from signing in.
_SMALL = 131_072
_LARGE_AT_ONCE = 8
_PATIENCE = 30.0  # seconds for the whole body to arrive


class ClientGone(Exception):  # noqa: N818 - an event, no fault
    """The client closed the connection before its request was whole."""


class TooSlow(Exception):  # noqa: N818 - an event, no fault
    """The body did not arrive in time."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Whose body it is, and how long its place is kept. `peer` is the network that its client is counted under."""

    peer: str
    place: AsyncExitStack


class BodyReader:
    """Reads bodies. At most a few large ones are held in memory at a time; the others wait their turn.

    One peer has half of the places at most, so that its slow uploads leave places to others. A large body keeps its
    place until the stack of its Upload is closed: when the request was answered, since it may wait for a worker thread.
    """

    def __init__(self) -> None:
        self._large = FairLane(_LARGE_AT_ONCE)

    def whole(self, message: Any) -> bytes | None:
        """Return the body where the first message holds all of it, else None. Raises ClientGone."""
        if message["type"] != "http.request":
            raise ClientGone
        body: bytes = message.get("body", b"")
        return None if message.get("more_body", False) or len(body) > LARGEST else body

    async def rest(self, message: Any, receive: Receive, headers: Headers, upload: Upload) -> bytes | None:
        """Return the body that begins with `message`, or None when it is too large. Raises ClientGone, TooSlow."""
        announced = _announced(headers)
        if announced is not None and announced > LARGEST:
            return None
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False):
            return None  # whole, and too large
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._read_on(receive, body, upload)
        except TimeoutError as late:
            raise TooSlow from late

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
        raise ClientGone
    body += message.get("body", b"")
    return bool(message.get("more_body", False))


def _announced(headers: Headers) -> int | None:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None
