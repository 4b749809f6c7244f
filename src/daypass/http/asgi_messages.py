"""Sends a response as messages of ASGI.

A response always has a Content-Length, so it is never chunked.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from daypass.wire.http import HttpResponse

Send = Callable[[Any], Awaitable[None]]


async def send_answer(send: Send, response: HttpResponse) -> None:
    """Send a whole response."""
    length = (b"content-length", b"%d" % len(response.body))
    await send({"type": "http.response.start", "status": response.status, "headers": (*response.headers, length)})
    await send({"type": "http.response.body", "body": response.body})
