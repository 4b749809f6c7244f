"""An answer as the messages of ASGI. Owns its framing: the length is told, so that nothing is sent in chunks."""

from collections.abc import Awaitable, Callable
from typing import Any

from daypass.wire.http import HttpResponse

Send = Callable[[Any], Awaitable[None]]


async def send_answer(send: Send, response: HttpResponse) -> None:
    """Send a whole answer."""
    length = (b"content-length", b"%d" % len(response.body))
    await send({"type": "http.response.start", "status": response.status, "headers": (*response.headers, length)})
    await send({"type": "http.response.body", "body": response.body})
