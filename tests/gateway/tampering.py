"""Uploads that were tampered with: a table of payload forms and mutations.

Each case of `cases()` is an upload that must not change an object. `send` sends one to the address of a gateway; tests
of the transforms use `headers` and `encoded` without a connection. A mutation of headers happens before the head is
signed, thus it stands for a client that is wrong; a mutation of the body happens afterwards, as on the way.
"""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from tests.gateway.uploads import CRLF, FORMS, ClientKey, EncodedBody, HeadSignature, UploadForm, http_chunks, sign_head

BODY = b"".join(sha256(b"%d" % number).digest() for number in range(6_408))
"""200 KiB and some bytes: several chunks, the last of them small."""
_TIMEOUT = 30
_DIGITS = re.compile(rb"[0-9a-f]+")

Headers = dict[str, str]


@dataclass(frozen=True)
class Mutation:
    """A change of the headers before they are signed, of the body, or of both."""

    name: str
    applies: Callable[[UploadForm], bool]
    body: Callable[[EncodedBody], None] = lambda _body: None
    headers: Callable[[Headers], None] = lambda _headers: None


@dataclass(frozen=True)
class TamperedUpload:
    """One case."""

    form: UploadForm
    mutation: Mutation

    def __str__(self) -> str:
        return f"{self.form.name}: {self.mutation.name}"

    def headers(self, body: bytes = BODY) -> Headers:
        """Return the headers to sign."""
        headers = self.form.headers(body)
        self.mutation.headers(headers)
        return headers

    def encoded(self, signature: HeadSignature, body: bytes = BODY) -> EncodedBody:
        """Return the changed body."""
        encoded = self.form.encode(body, signature)
        self.mutation.body(encoded)
        return encoded


def send(upload: TamperedUpload, address: tuple[str, int], path: str, key: ClientKey, timestamp: str) -> int | None:
    """Send an upload to a gateway or a store, and return the status of the answer.

    Return None if the connection was closed without an answer.
    """
    headers = {"host": f"{address[0]}:{address[1]}", **upload.headers()}
    signed, signature = sign_head(key, "PUT", path, headers, timestamp)
    encoded = upload.encoded(signature)
    wire = on_the_wire(upload.form, path, signed, encoded)
    with socket.create_connection(address, timeout=_TIMEOUT) as connection:
        try:
            connection.sendall(wire)
            if encoded.cut is not None:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer came before the end of the body
        return _read_status(connection)


def send_intact(
    form: UploadForm, body: bytes, address: tuple[str, int], path: str, key: ClientKey, timestamp: str
) -> int | None:
    """Send an upload that was not changed, and return the status of the answer."""
    headers = {"host": f"{address[0]}:{address[1]}", **form.headers(body)}
    signed, signature = sign_head(key, "PUT", path, headers, timestamp)
    with socket.create_connection(address, timeout=_TIMEOUT) as connection:
        connection.sendall(on_the_wire(form, path, signed, form.encode(body, signature)))
        return _read_status(connection)


def on_the_wire(form: UploadForm, path: str, signed: Headers, encoded: EncodedBody) -> bytes:
    """Return the request, cut where the case says so."""
    body = encoded.joined()
    framing = {"transfer-encoding": "chunked"} if form.chunked else {"content-length": str(len(body))}
    head = "".join([f"{name}: {value}\r\n" for name, value in (signed | framing).items()])
    if form.chunked:
        body = b"".join(http_chunks(body))
    cut = body if encoded.cut is None else body[: encoded.cut]
    return f"PUT {path} HTTP/1.1\r\n{head}\r\n".encode() + cut


def _read_status(connection: socket.socket) -> int | None:
    received = b""
    while CRLF not in received:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            return None
        received += data
    return int(received.split(b" ", 2)[1])


def cases() -> list[TamperedUpload]:
    """Return every case: each mutation of each form to which it applies."""
    return [TamperedUpload(form, mutation) for form in FORMS for mutation in MUTATIONS if mutation.applies(form)]


def _flip(chunk: int, at: int) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        data = bytearray(body.chunks[chunk][1])
        data[at] ^= 1
        body.chunks[chunk][1] = bytes(data)

    return change


def _cut(at: int) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        body.cut = at

    return change


def _cut_before_last(body: EncodedBody) -> None:
    body.cut = len(body.joined()) - len(body.last) - sum(map(len, body.trailer)) - len(body.end)


def _line(chunk: int, rewrite: Callable[[bytes], bytes]) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        if chunk < 0:
            body.last = rewrite(body.last)
        else:
            body.chunks[chunk][0] = rewrite(body.chunks[chunk][0])

    return change


def _resize(difference: int, size: bytes | None = None) -> Callable[[bytes], bytes]:
    def rewrite(line: bytes) -> bytes:
        digits = _DIGITS.match(line)
        assert digits is not None
        changed = b"%x" % (int(digits[0], 16) + difference) if size is None else size
        return changed + line[digits.end() :]

    return rewrite


def _trailer(rewrite: Callable[[list[bytes]], list[bytes]]) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        body.trailer = rewrite(body.trailer)

    return change


def _chunks(rewrite: Callable[[list[list[bytes]]], list[list[bytes]]]) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        body.chunks = rewrite(body.chunks)

    return change


def _append(extra: bytes) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        body.end += extra

    return change


def _empty(body: EncodedBody) -> None:
    body.chunks, body.last, body.trailer, body.end = [], b"", [], b""


def _shorten(body: EncodedBody) -> None:
    body.chunks[-1][1] = body.chunks[-1][1][:-1]


def _end(value: bytes) -> Callable[[EncodedBody], None]:
    def change(body: EncodedBody) -> None:
        body.end = value

    return change


def _set(name: str, value: str) -> Callable[[Headers], None]:
    def change(headers: Headers) -> None:
        headers[name] = value

    return change


def _drop(name: str) -> Callable[[Headers], None]:
    def change(headers: Headers) -> None:
        del headers[name]

    return change


def _add_to_length(number: int) -> Callable[[Headers], None]:
    def change(headers: Headers) -> None:
        headers["x-amz-decoded-content-length"] = str(int(headers["x-amz-decoded-content-length"]) + number)

    return change


def _any(_form: UploadForm) -> bool:
    return True


def _verified(form: UploadForm) -> bool:
    return form.verified


def _plain_verified(form: UploadForm) -> bool:
    return form.verified and not form.streaming


def _streaming(form: UploadForm) -> bool:
    return form.streaming


def _signed(form: UploadForm) -> bool:
    return form.signed


def _with_trailer(form: UploadForm) -> bool:
    return form.trailer


def _signed_trailer(form: UploadForm) -> bool:
    return form.trailer and form.signed


def _hash(form: UploadForm) -> bool:
    return form.payload == "hash"


def _md5(form: UploadForm) -> bool:
    return form.md5


def _checksum_header(form: UploadForm) -> bool:
    return bool(form.checksum) and not form.trailer


def _checksum_of(value: str) -> Callable[[Headers], None]:
    def change(headers: Headers) -> None:
        for name in [each for each in headers if each.startswith("x-amz-checksum-")]:
            headers[name] = value

    return change


_ZEROS = "0" * 64
MUTATIONS = (
    Mutation("first byte changed", _verified, _flip(0, 0)),
    Mutation("middle byte changed", _verified, _flip(0, 5000)),
    Mutation("last byte changed", _verified, _flip(-1, -1)),
    Mutation("last byte dropped", _verified, _shorten),
    Mutation("no body", _plain_verified, _empty),
    Mutation("no body", _streaming, _empty),
    Mutation("a byte appended", _plain_verified, _append(b"x")),
    Mutation("cut before the body", _any, _cut(0)),
    Mutation("cut after 1 byte", _any, _cut(1)),
    Mutation("cut after 1000 bytes", _any, _cut(1000)),
    Mutation("cut after 100000 bytes", _any, _cut(100_000)),
    Mutation("cut before the last byte", _any, _cut(-1)),
    Mutation("cut before the last 2 bytes", _any, _cut(-2)),
    Mutation("cut before the last chunk", _streaming, _cut_before_last),
    Mutation("another hash", _hash, headers=_set("x-amz-content-sha256", "1" * 64)),
    Mutation("a hash of zeros", _hash, headers=_set("x-amz-content-sha256", _ZEROS)),
    Mutation("wrong md5", _md5, headers=_set("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")),
    Mutation("malformed md5", _md5, headers=_set("content-md5", "AAAA")),
    Mutation("wrong checksum", _checksum_header, headers=_checksum_of("AAAAAA==")),
    Mutation("malformed checksum", _checksum_header, headers=_checksum_of("!")),
    Mutation("second checksum", _checksum_header, headers=_set("x-amz-checksum-sha1", "A" * 27 + "=")),
    Mutation("second checksum in a header", _with_trailer, headers=_set("x-amz-checksum-sha1", "A" * 27 + "=")),
    Mutation("unknown checksum", _any, headers=_set("x-amz-checksum-crc8", "AA==")),
    Mutation("decoded length too large", _streaming, headers=_add_to_length(1)),
    Mutation("decoded length too small", _streaming, headers=_add_to_length(-1)),
    Mutation("decoded length of zero", _streaming, headers=_set("x-amz-decoded-content-length", "0")),
    Mutation("decoded length negative", _streaming, headers=_set("x-amz-decoded-content-length", "-1")),
    Mutation("decoded length malformed", _streaming, headers=_set("x-amz-decoded-content-length", "1e3")),
    Mutation("decoded length missing", _streaming, headers=_drop("x-amz-decoded-content-length")),
    Mutation("chunk dropped", _streaming, _chunks(lambda chunks: chunks[1:])),
    Mutation("chunk repeated", _streaming, _chunks(lambda chunks: [chunks[0], *chunks])),
    Mutation("chunks swapped", _streaming, _chunks(lambda chunks: [chunks[1], chunks[0], *chunks[2:]])),
    Mutation("last chunk missing", _streaming, _line(-1, lambda _line: b"")),
    Mutation("last chunk repeated", _streaming, _line(-1, lambda line: line + CRLF + line)),
    Mutation("bytes after the end", _streaming, _append(b"x")),
    Mutation("line after the end", _streaming, _append(b"x\r\n")),
    Mutation("empty line after the end", _streaming, _append(CRLF)),
    Mutation("chunks after the end", _streaming, _append(b"5\r\nhello\r\n0\r\n\r\n")),
    Mutation("end missing", _streaming, _end(b"")),
    Mutation("end with LF", _streaming, _end(b"\n")),
    Mutation("size with LF", _streaming, _line(0, lambda line: line[:-2] + b"\n")),
    Mutation("size too large", _streaming, _line(0, _resize(16))),
    Mutation("size too small", _streaming, _line(0, _resize(-16))),
    Mutation("size with a sign", _streaming, _line(0, lambda line: b"+" + line)),
    Mutation("size negative", _streaming, _line(0, lambda line: b"-" + line)),
    Mutation("size with 0x", _streaming, _line(0, lambda line: b"0x" + line)),
    Mutation("size with a space", _streaming, _line(0, lambda line: b" " + line)),
    Mutation("size of 9 digits", _streaming, _line(0, lambda line: line[:1] * 9 + line)),
    Mutation("size above 16 MiB", _streaming, _line(0, _resize(0, b"1000001"))),
    Mutation("size empty", _streaming, _line(0, _resize(0, b""))),
    Mutation("line too long", _streaming, _line(0, lambda line: b"0" * 5000 + line)),
    Mutation("unknown extension", _streaming, _line(0, lambda line: line[:-2] + b";x=y\r\n")),
    Mutation("unknown extension of the last chunk", _streaming, _line(-1, lambda line: line[:-2] + b";x=y\r\n")),
    Mutation("data end missing", _streaming, _chunks(lambda chunks: [[*chunks[0][:2], b""], *chunks[1:]])),
    Mutation("data end with LF", _streaming, _chunks(lambda chunks: [[*chunks[0][:2], b"\n"], *chunks[1:]])),
    Mutation("chunk signature wrong", _signed, _line(0, lambda line: line[:-66] + _ZEROS.encode() + CRLF)),
    Mutation("chunk signature in upper case", _signed, _line(0, lambda line: line[:-66] + line[-66:].upper())),
    Mutation("chunk signature missing", _signed, _line(0, lambda line: line.split(b";")[0] + CRLF)),
    Mutation("chunk signature empty", _signed, _line(0, lambda line: line[:-66] + CRLF)),
    Mutation("chunk signature repeated", _signed, _line(0, lambda line: line[:-2] + line[line.find(b";") :])),
    Mutation("last signature wrong", _signed, _line(-1, lambda line: line[:-66] + _ZEROS.encode() + CRLF)),
    Mutation("last signature missing", _signed, _line(-1, lambda line: line.split(b";")[0] + CRLF)),
    Mutation("trailer missing", _with_trailer, _trailer(lambda _lines: [])),
    Mutation("trailer wrong", _with_trailer, _trailer(lambda lines: [lines[0].split(b":")[0] + b":AAAAAA==\r\n"])),
    Mutation("trailer malformed", _with_trailer, _trailer(lambda lines: [b"x-amz-checksum-crc32\r\n", *lines[1:]])),
    Mutation("trailer repeated", _with_trailer, _trailer(lambda lines: [lines[0], *lines])),
    Mutation("trailer of an ACL", _with_trailer, _trailer(lambda lines: [b"x-amz-acl:public-read\r\n", *lines])),
    Mutation("ACL after the trailer", _with_trailer, _trailer(lambda lines: [*lines, b"x-amz-acl:public-read\r\n"])),
    Mutation("trailer of another checksum", _with_trailer, headers=_set("x-amz-trailer", "x-amz-checksum-sha1")),
    Mutation("trailer of no checksum declared", _with_trailer, headers=_set("x-amz-trailer", "x-amz-acl")),
    Mutation("trailer not declared", _with_trailer, headers=_drop("x-amz-trailer")),
    Mutation("trailer that the form lacks", _streaming, _append(b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n")),
    Mutation("trailer signature missing", _signed_trailer, _trailer(lambda lines: lines[:1])),
    Mutation("trailer signature first", _signed_trailer, _trailer(lambda lines: lines[::-1])),
    Mutation(
        "trailer signature wrong",
        _signed_trailer,
        _trailer(lambda lines: [lines[0], lines[1][:-66] + _ZEROS.encode() + CRLF]),
    ),
)  # fmt: skip
