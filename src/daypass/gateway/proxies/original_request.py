"""Rebuild the request that a proxy asks about from the proxy's question.

Owns the three ways in which proxies describe it, and the rule that each fact comes once:

- `/verify` with X-Original-Method, -URI, -Host (nginx, in our configuration), and with -Content-Length and
  -Transfer-Encoding if the request has a body.
- `/verify` with X-Forwarded-Method, -Uri, -Host (Caddy, Traefik).
- `/verify/…` with the method, the host and the rest of the path of the question itself (Envoy).

A fact in two of these places is refused: a client could have sent one of them, and the proxy would serve the other. So
is a header X-Daypass-…, because services take those from the proxy as the truth, and an Upgrade to another protocol
than WebSocket: what follows in HTTP/2 would reach the service without a question. The result goes through the same
strict rules as a head that arrives on a connection. Leaves the client's address to http/peer.py.
Source: nginx, ngx_http_auth_request_module; Caddy, forward_auth; Traefik, ForwardAuth; Envoy, ext_authz
(authorization_request, path_prefix).
"""

from collections.abc import Mapping

import msgspec

from daypass.verify.head import RequestHead, build_head
from daypass.verify.refusals import HeadError

PATH = b"/verify"
DENIED_PATH = b"/denied"
_OURS = b"x-daypass-"
_ORIGINAL = (b"x-original-method", b"x-original-uri", b"x-original-host")
_FORWARDED = (b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host")
_WEBSOCKET = b"websocket"
_LENGTH, _CODING = b"x-original-content-length", b"x-original-transfer-encoding"
# Headers of the question and not of the request: the proxy wrote them.
_OF_QUESTION = frozenset(
    {
        *_ORIGINAL,
        *_FORWARDED,
        _LENGTH,
        _CODING,
        b"connection",
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
    }
)


class OriginalRequest(msgspec.Struct, frozen=True):
    """The head of the client's request.

    `has_known_length` is whether the proxy said whether it has a body.
    """

    head: RequestHead
    has_known_length: bool


def rebuild(question: RequestHead) -> OriginalRequest:
    """Return the request that a proxy asks about. Raises HeadError."""
    headers = question.headers
    for name in headers:
        if name.startswith(_OURS):
            raise HeadError("The headers X-Daypass-… are reserved for the proxy.")
    if headers.get(b"upgrade", _WEBSOCKET).lower() != _WEBSOCKET:
        raise HeadError("The only supported Upgrade is websocket.")
    method, target, host, is_original = _facts(question)
    kept = [(name, value) for name, value in headers.items() if name not in _OF_QUESTION]
    length = _body_headers(headers, is_original=is_original)
    head = build_head(method, target, [(b"host", host), *kept, *length])
    # Envoy sends Content-Length: 0, whatever the request has.
    return OriginalRequest(head, has_known_length=is_original)


def _facts(question: RequestHead) -> tuple[str, bytes, bytes, bool]:
    """Return method, target and host, and whether they came from X-Original-…."""
    headers = question.headers
    original = [name for name in _ORIGINAL if name in headers]
    forwarded = [name for name in _FORWARDED if name in headers]
    if question.path != PATH:
        # An X-Forwarded-Host alone is what proxies add to every request.
        if original or (set(forwarded) - {b"x-forwarded-host"}):
            raise HeadError("The method, host or path of the request is given twice.")
        target = question.target.removeprefix(PATH)
        if not question.target.startswith(PATH + b"/"):
            raise HeadError("A question begins with /verify.")
        return question.method, target, headers[b"host"], False
    if original and set(forwarded) - {b"x-forwarded-host"}:
        raise HeadError("The method, host or path of the request is given twice.")
    names = _ORIGINAL if original else _FORWARDED
    if any(name not in headers for name in names):
        raise HeadError("The proxy must send the method, the path and the host of the request.")
    method, target, host = (headers[name] for name in names)
    if b"," in host:
        raise HeadError("The host of the request is given twice.")
    return method.decode("latin-1"), target, host, bool(original)


def _body_headers(headers: Mapping[bytes, bytes], *, is_original: bool) -> list[tuple[bytes, bytes]]:
    """Return the framing headers of the request, as far as the proxy tells them."""
    if not is_original:
        length = headers.get(b"content-length")
        return [] if length is None else [(b"content-length", length)]
    found = []
    for name, source in ((b"content-length", _LENGTH), (b"transfer-encoding", _CODING)):
        if headers.get(source):
            found.append((name, headers[source]))
    return found
