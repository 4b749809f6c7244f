"""Parse the head of an HTTP/1.1 request, and refuse every ambiguous one.

Owns the rules that give the bytes of a head exactly one meaning. A proxy in front and a store behind may read a head in
other ways, and each difference lets one request hide inside another (request smuggling) or lets an unsigned value
replace a signed one. So this parser refuses what RFC 9112 merely tolerates:

- The version is HTTP/1.1 and the target is in origin form, without a fragment, spaces or bytes beyond ASCII (RFC 9112
  section 3). Each percent sign begins an escape.
- Lines end with CR LF. Other control characters do not occur, save tabs in values (section 2.2, RFC 9110 section 5.5).
- A name is a token without `_`, directly before its colon (section 5.1): some servers read X_Amz_Acl as X-Amz-Acl. Only
  the names of object metadata, x-amz-meta-…, may contain it after that prefix. Folded lines are refused (section 5.2).
- A header occurs once, except the lists of `_REPEATABLE`, cookies and metadata. Exactly one Host names a valid host.
- A body has one Content-Length, or `Transfer-Encoding: chunked` and no other (section 6.1). The length is in decimal
  without a sign or leading zeros. Tabs beside these values and beside Host are refused: parsers disagree about them.
- The only expectation is 100-continue (RFC 9110 section 10.1.1).

Leaves the body to its reader.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import repeat

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.verify.hidden_members import hidden_rich_repr
from daypass.verify.refusals import HeadError, VerifyReason

__all__ = ["LONGEST_HEAD", "MOST_HEADER_LINES", "HeadError", "RequestHead", "build_head", "parse_head"]

LONGEST_HEAD = 65_536
"""The largest head, in bytes. A presigned URL with a session token of 4 KiB is about 12 KiB."""
MOST_HEADER_LINES = 256

# RFC 9112 section 3: a method in capital letters, and a target in origin form of visible ASCII without "#".
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]{0,23}) (/[!\"$-~]*) HTTP/1\.1")
_METHOD = re.compile(rb"[A-Z][A-Z-]{0,23}")
_TARGET = re.compile(rb"/[!\"$-~]*")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(rb"(?:x-amz-meta-[!#$%&'*+.^`|~0-9a-z_-]+|[!#$%&'*+.^`|~0-9a-z-]+)")
# RFC 3986 section 3.2.2, without a comma: a list of hosts is not a host.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~%!$&'()*+;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,17}")
_NOT_CONTROLS = bytes([*range(32, 127), *range(128, 256)])
_FRAMING = frozenset({b"content-length", b"host", b"transfer-encoding"})
_CONTROLS = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_LONGEST_HOST = 300  # bytes; a name has at most 253

_REPEATABLE = frozenset(
    {
        b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"cache-control", b"connection",
        b"forwarded", b"keep-alive", b"pragma", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto",
    }
)  # fmt: skip
_METADATA = b"x-amz-meta-"


class HeaderOutline(msgspec.Struct, frozen=True, eq=False):
    """The names of a head's headers, in lower case. No name is in it twice.

    Heads with the same names in the same order and spelling share one outline, so that later steps can keep what
    depends on the names alone. `is_bare`: the names do not announce a body, and no expectation.
    """

    names: tuple[bytes, ...]
    is_bare: bool


class RequestHead(msgspec.Struct, frozen=True):
    """One head. `path` and `query` are the target's, percent-encoded as sent.

    `headers` maps lower-case names to trimmed values. Repeated headers are joined by a comma; a head that repeats a
    header with a single value is refused. `content_length` is None if it is not announced. `outline` is None if the
    head is not a usual one.
    """

    method: str
    target: bytes
    path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    content_length: int | None
    chunked: bool
    outline: HeaderOutline | None = None

    def __repr__(self) -> str:
        # Without headers and query, which may contain a session token.
        return f"<{self.method} {self.path.decode('ascii', 'replace')}>"

    __rich_repr__ = hidden_rich_repr


def parse_head(block: bytes) -> RequestHead:
    r"""Return the head. `block` ends before the empty line.

    Raises HeadError, after which the connection must be closed: the end of the request is unknown.

    >>> parse_head(b"GET /items?color=red HTTP/1.1\r\nHost: inventory.example").query
    b'color=red'
    """
    if len(block) > LONGEST_HEAD:
        raise HeadError("The head of the request is too large.", VerifyReason.HEAD_TOO_LARGE)
    lines = block.split(b"\r\n")
    # Fast: the control characters that remain are those of the line ends, unless a line contains one.
    if len(block.translate(None, _NOT_CONTROLS)) != 2 * (len(lines) - 1):
        _check_controls(lines)
    first = _REQUEST_LINE.fullmatch(lines[0])
    if first is None:
        raise _line_error(lines[0])
    if len(lines) > MOST_HEADER_LINES:
        raise HeadError(f"The request has more than {MOST_HEADER_LINES - 1} headers.", VerifyReason.HEAD_TOO_LARGE)
    del lines[0]
    method, target = first.groups()
    outline, headers = _usual_headers(lines) or (None, _headers(lines))
    return _finish(method.decode(), target, headers, outline)


def _check_controls(lines: list[bytes]) -> None:
    """Refuse control characters but tabs, and tabs in headers of framing."""
    if any(map(_CONTROLS.search, lines)):
        raise HeadError("The head of the request contains a control character, or a line that does not end with CR LF.")
    for line in lines:
        if b"\t" in line:
            _check_tabs(line.partition(b":")[0])


def _check_tabs(name: bytes) -> None:
    """Refuse a tab in the header `name` if it belongs to framing."""
    if name.lower() in _FRAMING:
        raise HeadError(f"The {name.decode()} header must not contain a tab.")


_LONGEST_OUTLINE = 1_024  # bytes
_MOST_NAMES = 48  # the memory of an outline is mostly that of its names as objects
_outlines: BoundedMemory[tuple[bytes, ...], HeaderOutline] = BoundedMemory(1024)  # by the names as they were sent
_OF_BODY = frozenset({b"content-length", b"expect", b"transfer-encoding"})


def _usual_headers(lines: list[bytes]) -> tuple[HeaderOutline, dict[bytes, bytes]] | None:
    """Return the headers of `lines` and their outline, or None if a name is not valid or occurs twice.

    Also None if the names are too many or too long to be kept: what others keep of an outline must be small too.
    Without a loop over the lines, because every request comes here.
    """
    try:
        names, values = zip(*map(bytes.split, lines, repeat(b":"), repeat(1)), strict=True)
    except ValueError:  # no line, or a line without a colon
        return None
    outline = _outlines.get(names) or _outline_of(names)
    # The only control character in a value is the tab, so strip() removes spaces and tabs alone.
    return None if outline is None else (outline, dict(zip(outline.names, map(bytes.strip, values), strict=True)))


def _outline_of(raw_names: tuple[bytes, ...]) -> HeaderOutline | None:
    if len(raw_names) > _MOST_NAMES or sum(map(len, raw_names)) > _LONGEST_OUTLINE:
        return None
    names = tuple([name for name in map(_find_name, raw_names) if name is not None])
    if len(set(names)) != len(raw_names):
        return None
    return _outlines.put(raw_names, HeaderOutline(names, _OF_BODY.isdisjoint(names)))


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        name, value = _find_name(raw_name), raw_value.strip(b" \t")
        if not colon or name is None:
            raise _header_error(line)
        headers[name] = _join(name, headers[name], value) if name in headers else value
    return headers


def build_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """Return the head that another HTTP server has parsed.

    The same rules apply, as far as that server's parser has left the evidence. Raises HeadError.
    """
    if not _METHOD.fullmatch(method.encode()) or not _TARGET.fullmatch(target):
        raise HeadError("The method or the target of the request is not valid.")
    found: dict[bytes, bytes] = {}
    for raw_name, raw_value in headers:
        name, value = _find_name(raw_name), raw_value.strip(b" \t")
        if name is None or _CONTROLS.search(value):
            raise _header_error(raw_name)
        if b"\t" in raw_value:
            _check_tabs(name)
        found[name] = _join(name, found[name], value) if name in found else value
    return _finish(method, target, found)


def _finish(
    method: str, target: bytes, headers: dict[bytes, bytes], outline: HeaderOutline | None = None
) -> RequestHead:
    host = headers.get(b"host", b"")
    if len(host) > _LONGEST_HOST or not _is_host(host):
        raise HeadError("The request must have exactly one Host header, with a valid host.")
    if b"%" in target and _BAD_ESCAPE.search(target):
        raise HeadError("A percent sign in the target of the request does not begin an escape.", VerifyReason.TARGET)
    if method == "CONNECT":
        raise HeadError("CONNECT is not supported.")
    path, _, query = target.partition(b"?")
    if outline is not None and outline.is_bare:
        return RequestHead(method, target, path, query, headers, None, False, outline)  # noqa: FBT003 - the hot path
    length, chunked = _find_framing(headers)
    return RequestHead(method, target, path, query, headers, length, chunked, outline)


def _find_framing(headers: Mapping[bytes, bytes]) -> tuple[int | None, bool]:
    """Return the announced length of the body, and whether it is chunked."""
    expectation = headers.get(b"expect")
    if expectation is not None and expectation.lower() != b"100-continue":
        raise HeadError("The only supported Expect header is 100-continue.", VerifyReason.EXPECTATION)
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if coding is not None:
        if coding != b"chunked":
            raise HeadError("The only supported Transfer-Encoding is chunked.")
        if length is not None:
            raise HeadError("Transfer-Encoding cannot be used with Content-Length.")
        return None, True
    if length is None:
        return None, False
    if not _LENGTH.fullmatch(length):
        raise HeadError("The Content-Length is not a whole number.")
    return int(length), False


def _find_name(raw: bytes) -> bytes | None:
    """Return the lower-case name, or None if it is not valid."""
    name = raw.lower()
    return name if _NAME.fullmatch(name) else None


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _join(name: bytes, before: bytes, value: bytes) -> bytes:
    """Return the joined value of a header that is repeated."""
    if name in _REPEATABLE or name.startswith(_METADATA):
        return before + b"," + value
    if name == b"cookie":
        return before + b"; " + value  # RFC 9113 section 8.2.3
    raise HeadError(f"The request has more than one {name.decode()} header.")


def _line_error(line: bytes) -> HeadError:
    if line.endswith((b" HTTP/1.0", b" HTTP/2.0", b" HTTP/3.0")):
        return HeadError("The request must be HTTP/1.1.", VerifyReason.HTTP_VERSION)
    if b"#" in line:
        return HeadError("The target of the request must not have a fragment.")
    return HeadError("The request line must be a method, a path and HTTP/1.1, with one space between them.")


def _header_error(line: bytes) -> HeadError:
    name = line.partition(b":")[0]
    if b"_" in name:
        return HeadError("The name of a header must not contain an underscore.")
    return HeadError("A header is not a name, a colon and a value in one line.")
