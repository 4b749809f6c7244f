"""Read a call that arrives complete and in its plain form. Pure.

SDKs send nearly all calls in one form, and nearly all arrive in one piece. This module reads that form alone, in one
pass. For any other piece of bytes it returns None: framing.py reads it, and makes every refusal. A plain call is
exactly one request:

- The request line is `POST / HTTP/1.1`. The length of the body is the Content-Length, in decimal without zeros in
  front, and no byte follows. Or it is `GET /federation/credentials?...`, the call of GetRoleCredentials, with a query
  of unreserved characters and escapes, without a body and a Content-Length.
- A header line is one of `_NAMES`, a colon, one space and a value. No name occurs twice in any spelling.
- The names do not include those that affect the framing (Transfer-Encoding, Expect) or the connection (Upgrade). A
  Connection header is exactly `keep-alive`, which HTTP/1.1 means anyway.
- A value consists of words of visible ASCII with single spaces between them. All parsers read the same value there, and
  it is its own canonical form in a signature.
- Host is valid, by the rule of head.py.

tests/http/test_plain_calls.py compares this form with what framing.py reads from the same bytes.
"""

import re
from collections.abc import Awaitable, Iterable, Mapping
from typing import Protocol

from daypass.http.head import is_host
from daypass.wire.http import Headers, HttpResponse

ROLE_CREDENTIALS = b"/federation/credentials"
LONGEST = 32_768  # bytes of a whole call; the parser of framing.py allows more

# No part of a line can match in two ways, so a mismatch is found in time linear in the bytes. Possessive groups would
# say the same, but Python before 3.11.5 matches them wrongly (gh-106052); possessive sets are right.
_CALL = re.compile(
    rb"(?:POST /|GET /federation/credentials\?([A-Za-z0-9._~%&=+-]++)) HTTP/1\.1\r\n"
    rb"((?:[A-Za-z0-9_-]++: [!-~]++(?: [!-~]++)*\r\n)+)\r\n"
)
_KEEP_ALIVE = frozenset({None, b"keep-alive", b"Keep-Alive"})


def _spellings(names: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the names in lower case by their usual spellings."""
    spelled = {name: name for name in names}
    return spelled | {name.title(): name for name in names} | {b"X-Amz-Content-SHA256": b"x-amz-content-sha256"}


# Headers that clients and proxies send with a call. None of them affects the framing. With any other header, a call is
# not plain.
_NAMES: Mapping[bytes, bytes] = _spellings(
    (
        b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"amz-sdk-invocation-id",
        b"amz-sdk-request", b"amz-sdk-retry", b"authorization", b"cache-control", b"connection",
        b"content-length", b"content-type", b"date", b"forwarded", b"host", b"origin", b"pragma", b"referer",
        b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site", b"traceparent", b"tracestate", b"user-agent", b"via",
        b"x-amz-content-sha256", b"x-amz-date", b"x-amz-security-token", b"x-amz-sso_bearer_token",
        b"x-amz-user-agent", b"x-amzn-trace-id",
        b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-real-ip",
        b"x-request-id",
    )
)  # fmt: skip


# Headers (names in lower case, in the order received), the same by name, the body, and the query of a GET or None.
PlainCall = tuple[Headers, Mapping[bytes, bytes], bytes, bytes | None]


class AnswerCall(Protocol):
    """Returns the response to a plain call, or an awaitable of it."""

    def __call__(
        self,
        headers: Headers,
        by_name: Mapping[bytes, bytes],
        body: bytes,
        peer: str,
        *,
        secure: bool,
        query: bytes | None,
    ) -> HttpResponse | Awaitable[HttpResponse]:
        """Answer the call of a peer, whose own connection may be secure."""
        ...


def read_plain_call(data: bytes) -> PlainCall | None:
    """Return the call if `data` is exactly one plain call, or None."""
    found = _CALL.match(data) if len(data) <= LONGEST else None
    if found is None:
        return None
    query, head = found.groups()
    lines = head.splitlines()
    by_name: dict[bytes, bytes] = {}
    try:
        for line in lines:
            name, _, value = line.partition(b": ")
            by_name[_NAMES[name]] = value
    except KeyError:
        return None
    body = data[found.end() :]
    length = b"%d" % len(body) if query is None else None
    if (
        len(by_name) != len(lines)  # A name occurs twice.
        or by_name.get(b"content-length") != length
        or by_name.get(b"connection") not in _KEEP_ALIVE
        or not is_host(by_name.get(b"host", b""))
        or (query is not None and body)
    ):
        return None
    return tuple(by_name.items()), by_name, body, query
