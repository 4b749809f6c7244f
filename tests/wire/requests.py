"""Requests as a client sends them, for the tests of the wire format."""

from daypass.wire.http import HttpRequest

FORM = b"application/x-www-form-urlencoded; charset=utf-8"


def post(body: bytes | str, *, query: bytes = b"", content_type: bytes | None = FORM, **headers: str) -> HttpRequest:
    """Return a POST, by default with a form."""
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    if content_type is not None:
        given.append((b"content-type", content_type))
    raw = body.encode() if isinstance(body, str) else body
    return HttpRequest("POST", b"/", query, ((b"host", b"sts"), *given), raw, "127.0.0.1", secure=False)


def get(query: bytes, *, content_type: bytes | None = None) -> HttpRequest:
    """Return a GET."""
    headers = ((b"content-type", content_type),) if content_type else ()
    return HttpRequest("GET", b"/", query, headers, b"", "127.0.0.1", secure=False)
