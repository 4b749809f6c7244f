"""The two values that cross the edge: a request as the server read it, an answer as it will send it.

Nothing here is decoded or judged: signatures are made over these very bytes. Reading the socket and finding
the real client address are http/'s work.
"""

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class HttpRequest(msgspec.Struct, frozen=True):
    """One request. Header names are lower case, in the order received, duplicates kept, as ASGI gives them.

    `peer` is the vetted client address. `truncated` says that the body was longer than the server reads; it
    is then empty.
    """

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    peer: str
    secure: bool
    truncated: bool = False

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that lower-case name, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class HttpResponse(msgspec.Struct, frozen=True):
    """One answer. Framing it (Content-Length, keep-alive) is the server's work."""

    status: int
    headers: Headers
    body: bytes
