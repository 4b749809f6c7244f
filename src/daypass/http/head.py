"""The rules for the head of a request, from RFC 9110 and RFC 9112. Pure.

They decide whether the request is served, how long its body is, and whether another request may follow:

- The version is HTTP/1.0 or HTTP/1.1 (RFC 9112 section 2.3), and the method is not CONNECT.
- A head has at most `MOST_HEADERS` headers.
- An HTTP/1.1 request has exactly one Host header with a valid value (RFC 9112 section 3.2). An empty value does not
  name a server (RFC 9110 section 4.2.1), so it counts as a missing header. HTTP/1.0 requests may omit Host only for the
  two health pages, as health checks of proxies do.
- A target does not contain a fragment (RFC 9112 section 3.2). A parser of URLs would drop it, and a proxy may not, so
  that the two would see different paths.
- A target in absolute form must have the scheme of the connection, and its authority replaces Host (RFC 9112 3.2.2).
- A body has one Content-Length, or the transfer coding `chunked` and no other (RFC 9112 section 6.1).
- The only expectation is `100-continue` (RFC 9110 section 10.1.1). A proxy may find that word in a list and hold the
  body back, so a list with any other element is refused.
- A request that asks for another protocol is served as if it had not (RFC 9110 section 7.8), and it is the last
  of its connection: some parsers and proxies treat its body as data of the other protocol.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

MOST_HEADERS = 256
CHUNKED = -1  # the length of a body that is not announced

Headers = Sequence[tuple[bytes, bytes]]

_VERSIONS = frozenset({"1.0", "1.1"})
_HEALTH_PAGES = frozenset({b"/healthz", b"/readyz"})
# RFC 3986 section 3.2.2 without the comma: a list of hosts is not a host.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+;=-]+|\[[0-9A-Za-z:._~%-]+\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_LONGEST_HOST = 300  # bytes; a name has at most 253
_LONGEST_LENGTH = 18  # digits
# Most requests lack these headers, and skip the further checks.
_UNUSUAL = frozenset({b"connection", b"upgrade", b"http2-settings", b"transfer-encoding"})
_SWITCHING = frozenset({b"upgrade", b"http2-settings"})
_ENDING = frozenset({b"close", b"upgrade"})

_NEEDS_ONE_HOST = "The request must have exactly one Host header."


class RefusedHeadError(Exception):
    """A refused head. The message is ASCII and is sent to the client."""


class AbsoluteTarget(NamedTuple):
    """The parts of a target in absolute form."""

    authority: bytes
    origin_form: bytes


def read_framing(method: bytes, target: bytes, version: str, headers: Headers) -> tuple[int, bool]:
    """Return the body's length (or CHUNKED), and whether the connection ends.

    The connection ends after the response. Header names are lower case. Raises RefusedHeadError.
    """
    if version not in _VERSIONS:
        raise RefusedHeadError("The request must be HTTP/1.0 or HTTP/1.1.")
    if method == b"CONNECT":
        raise RefusedHeadError("CONNECT is not supported.")
    if b"#" in target:
        raise RefusedHeadError("The target of the request must not have a fragment.")
    if len(headers) > MOST_HEADERS:
        raise RefusedHeadError(f"The request has more than {MOST_HEADERS} headers.")
    names = [name for name, _ in headers]
    if names.count(b"host") != 1 or not is_host(headers[names.index(b"host")][1]):
        _check_missing_host(target, version, names, headers)
    if _UNUSUAL.isdisjoint(names):
        return _content_length(names, headers), version == "1.0"
    chunked = b"transfer-encoding" in names
    length = _check_coding(version, names, headers) if chunked else _content_length(names, headers)
    return length, version == "1.0" or _ends_connection(names, headers)


def find_absolute_target(target: bytes, scheme: str) -> AbsoluteTarget | None:
    """Return the parts of a target in absolute form, or None for other forms.

    `scheme` is the connection's own, "http" or "https". Raises RefusedHeadError.
    """
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        return None
    # RFC 9110 section 7.4: an https target must not be served on an unencrypted connection.
    if absolute[1].lower() != scheme.encode():
        raise RefusedHeadError(f"The target of the request must be a path or begin with {scheme}://.")
    authority, rest = absolute[2], absolute[3]
    if not is_host(authority):
        raise RefusedHeadError("The target of the request must name a host.")
    return AbsoluteTarget(authority, rest if rest.startswith(b"/") else b"/" + rest)


def expects_continue(version: str, headers: Headers) -> bool:
    """Return whether the client waits for 100-continue to send its body.

    An HTTP/1.0 client does not understand that response, so its expectation is ignored. Raises
    RefusedHeadError for any other expectation.
    """
    if version == "1.0":
        return False
    values = b",".join([value for name, value in headers if name == b"expect"]).lower().split(b",")
    expected = {value.strip(b" \t") for value in values} - {b""}
    if expected - {b"100-continue"}:
        raise RefusedHeadError("The only supported Expect header is 100-continue.")
    return bool(expected)


def is_host(value: bytes) -> bool:
    """Return whether a value of Host names a server."""
    return len(value) <= _LONGEST_HOST and _is_short_host(value)


@lru_cache(maxsize=256)
def _is_short_host(value: bytes) -> bool:
    return _HOST.fullmatch(value.strip(b" \t")) is not None


def _check_missing_host(target: bytes, version: str, names: list[bytes], headers: Headers) -> None:
    """Raise RefusedHeadError unless Host is absent and may be absent."""
    if names.count(b"host") > 1:
        raise RefusedHeadError(_NEEDS_ONE_HOST)
    if any(value.strip() for name, value in headers if name == b"host"):
        raise RefusedHeadError("The Host header is not valid.")
    if version != "1.0" or target.partition(b"?")[0] not in _HEALTH_PAGES:
        raise RefusedHeadError(_NEEDS_ONE_HOST)


def _check_coding(version: str, names: list[bytes], headers: Headers) -> int:
    values = [value for name, value in headers if name == b"transfer-encoding"]
    if len(values) > 1 or values[0].strip(b" \t").lower() != b"chunked":
        raise RefusedHeadError("The only supported Transfer-Encoding is chunked.")
    if version == "1.0" or b"content-length" in names:
        raise RefusedHeadError("Transfer-Encoding cannot be used in HTTP/1.0 or with Content-Length.")
    return CHUNKED


def _content_length(names: list[bytes], headers: Headers) -> int:
    found = names.count(b"content-length")
    if not found:
        return 0
    value = headers[names.index(b"content-length")][1].strip(b" \t")
    if found > 1 or not value.isdigit() or len(value) > _LONGEST_LENGTH:
        raise RefusedHeadError("The request must have one Content-Length that is a whole number.")
    return int(value)


def _ends_connection(names: list[bytes], headers: Headers) -> bool:
    if not _SWITCHING.isdisjoint(names):
        return True
    tokens = b",".join([value for name, value in headers if name == b"connection"]).lower().split(b",")
    return any(token.strip(b" \t") in _ENDING for token in tokens)
