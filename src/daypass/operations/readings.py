"""What requests say, read and remembered: most clients send the same few bodies again and again.

Owns a bounded memory in the process. A reading is a pure function of the bytes that it is found by, so none can be
stale; who sent them, and whether they may have what they ask, is found out anew every time. What proves something, or
may hold what does, is not kept.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.operations.operation import AnyOperation, Touches
from daypass.wire.decode import Call
from daypass.wire.http import HttpRequest

_MOST = 1024
_LONGEST = 1024  # bytes of a body, and of the two headers that say how it is read
_LONGEST_HEADER = 128

_Key = tuple[bytes, bytes | None, bytes | None]


class Reading(msgspec.Struct, frozen=True):
    """A request's body as its operation understands it."""

    call: Call
    operation: AnyOperation
    parameters: Mapping[str, Any]
    asked: Any


class Readings:
    """Remembers what was read from small forms; the oldest leave when there are too many.

    `secret` are the parameters that are never kept.
    """

    def __init__(self, secret: frozenset[str]) -> None:
        self._secret = secret
        self._readings: dict[_Key, Reading] = {}

    def find(self, request: HttpRequest) -> Reading | None:
        """Return what a request says, if the same was read before."""
        # Only a whole form without a query is ever kept. A key holds all else that its reading was made from.
        if request.method != "POST" or request.query or request.truncated or len(request.body) > _LONGEST:
            return None
        return self._readings.get(_key(request))

    def keep(self, request: HttpRequest, reading: Reading) -> None:
        """Remember what a request says, where it is small, keeps no secret and will be served from the cache."""
        if request.method != "POST" or request.query or request.truncated or len(request.body) > _LONGEST:
            return
        key = _key(request)
        if any(header is not None and len(header) > _LONGEST_HEADER for header in key[1:]):
            return
        if reading.operation.touches(reading.asked) is not Touches.CACHE or self._secret & reading.parameters.keys():
            return
        while len(self._readings) >= _MOST:
            # Another thread may have taken the same oldest one out already.
            self._readings.pop(next(iter(self._readings), key), None)
        self._readings[key] = reading


def _key(request: HttpRequest) -> _Key:
    content_type = accept = None
    for name, value in request.headers:
        if name == b"content-type" and content_type is None:
            content_type = value
        elif name == b"accept" and accept is None:
            accept = value
    return request.body, content_type, accept
