"""A strict parser of HTTP/1.1 for comparison with a server.

It shares no code with the server's parser. Owns the plain grammar of RFC 9112. It stops at the first byte outside that
grammar, and returns the requests before it; a lenient server may continue. It also parses a server's responses, which
must be complete.
"""

import hashlib
import re
from dataclasses import dataclass

Headers = tuple[tuple[bytes, bytes], ...]
_LINE = re.compile(rb"(GET|POST|PUT|HEAD|OPTIONS|DELETE) (/[!\x22$-~]*) HTTP/1\.1\r\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r\n")
_HOST = re.compile(rb"[A-Za-z0-9.-]{1,64}(?::[0-9]{1,5})?")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,7})\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [ -~]*\r\n")


@dataclass(frozen=True)
class Message:
    """A request: the fields of its head, and its body."""

    method: str
    target: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class Found:
    """The requests of a stream.

    `ended`: no request may be read after these. `complete`: each of them gets a response.
    """

    messages: tuple[Message, ...]
    ended: bool
    complete: bool


class NotPlainError(Exception):
    """The stream leaves the plain grammar, or it ends inside a request."""


def digest(message: Message) -> bytes:
    """Return a short string that distinguishes requests."""
    fields = sorted((name.lower(), value.strip(b" \t")) for name, value in message.headers)
    parts = [message.method.encode(), message.target, *(b"%b:%b" % each for each in fields), message.body]
    return hashlib.sha256(b"\0".join(b"%d %b" % (len(part), part) for part in parts)).hexdigest().encode()


def read_requests(stream: bytes) -> Found:
    """Return the requests at the front of a stream."""
    messages: list[Message] = []
    at = 0
    while at < len(stream):
        try:
            message, at = _read_request(stream, at)
        except NotPlainError:
            return Found(tuple(messages), ended=False, complete=False)
        names = {name.lower() for name, _ in message.headers}
        if b"upgrade" in names or b"expect" in names:
            # RFC 9110, section 7.8: a server may ignore it. In both cases, no byte of this request belongs to another
            # one.
            return Found((*messages, message), ended=_is_last(stream, at), complete=False)
        messages.append(message)
        connection = b",".join(value for name, value in message.headers if name.lower() == b"connection")
        if connection.strip():
            return Found(tuple(messages), ended=b"close" in connection.lower().split(b","), complete=False)
    return Found(tuple(messages), ended=True, complete=True)


def _is_last(stream: bytes, at: int) -> bool:
    return at >= len(stream)


def _read_request(stream: bytes, at: int) -> tuple[Message, int]:
    line = _LINE.match(stream, at)
    if line is None:
        raise NotPlainError
    at = line.end()
    headers, at = _read_headers(stream, at)
    hosts = [value.strip(b" \t") for name, value in headers if name.lower() == b"host"]
    if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
        raise NotPlainError  # RFC 9112, section 3.2: such a request is refused
    body, at = _read_body(stream, at, headers)
    return Message(line[1].decode(), line[2], headers, body), at


def _read_headers(stream: bytes, at: int) -> tuple[Headers, int]:
    headers: list[tuple[bytes, bytes]] = []
    while not stream.startswith(b"\r\n", at):
        header = _HEADER.match(stream, at)
        if header is None:
            raise NotPlainError
        headers.append((header[1], header[2]))
        at = header.end()
    return tuple(headers), at + 2


def _read_body(stream: bytes, at: int, headers: Headers) -> tuple[bytes, int]:
    lengths = [value.strip(b" \t") for name, value in headers if name.lower() == b"content-length"]
    codings = [value.strip(b" \t").lower() for name, value in headers if name.lower() == b"transfer-encoding"]
    if codings:
        if lengths or codings != [b"chunked"]:
            raise NotPlainError
        return _read_chunks(stream, at)
    if not lengths:
        return b"", at
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,7}", lengths[0]):
        raise NotPlainError
    end = at + int(lengths[0])
    if end > len(stream):
        raise NotPlainError
    return stream[at:end], end


def _read_chunks(stream: bytes, at: int) -> tuple[bytes, int]:
    body = b""
    while True:
        size = _CHUNK.match(stream, at)
        if size is None:
            raise NotPlainError
        at, length = size.end(), int(size[1], 16)
        if not length:
            # RFC 9110, section 6.5.1: trailer fields are not merged into the head.
            _, at = _read_headers(stream, at)
            return body, at
        body += stream[at : at + length]
        at += length
        if not stream.startswith(b"\r\n", at):
            raise NotPlainError
        at += 2


def read_answers(written: bytes) -> list[tuple[int, bytes]]:
    """Return status and echo of each response.

    Interim responses are omitted; each response must be complete.
    """
    answers: list[tuple[int, bytes]] = []
    at = 0
    while at < len(written):
        status = _STATUS.match(written, at)
        assert status is not None, written[at : at + 80]
        headers, at = _read_headers(written, status.end())
        fields = {name.lower(): value.strip() for name, value in headers}
        if status[1] == b"100":
            continue
        body, at = _read_answer_body(written, at, fields)
        answers.append((int(status[1]), fields.get(b"x-request", body)))
    return answers


def _read_answer_body(written: bytes, at: int, fields: dict[bytes, bytes]) -> tuple[bytes, int]:
    if fields.get(b"transfer-encoding") == b"chunked":
        return _read_chunks(written, at)
    if b"content-length" in fields:
        end = at + int(fields[b"content-length"])
        assert end <= len(written), "an answer is cut off"
        return written[at:end], end
    assert fields.get(b"connection") == b"close", fields
    return written[at:], len(written)
