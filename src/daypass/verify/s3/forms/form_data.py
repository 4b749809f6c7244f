"""Read the multipart/form-data body of an upload by an HTML form.

Owns the framing of the form: its fields, and the bytes of its file. Rules:
- the fields before the file have at most 64 KiB, and a name is given once;
- the file is the last part, and the body ends with its closing boundary and CR LF, as browsers and SDKs write it. Thus
  the length of the file follows from Content-Length before its first byte;
- a part in base64 or quoted-printable is refused.
Leaves the meaning of the fields to post_form.py. Source: RFC 7578; Amazon S3 API Reference, POST Object.
"""

import re
from collections.abc import Mapping

import msgspec

from daypass.verify.http_chunks import Piece
from daypass.verify.s3.bodies.body_transform import BodyTransform
from daypass.verify.s3.errors import S3Error, s3_error

MAX_FIELDS = 64 * 1024
"""The largest part of a form before its file, in bytes."""

_FILE = "file"
_BOUNDARY = re.compile(
    rb"multipart/form-data[ \t]*;[ \t]*boundary=(?:\"([0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-])\""
    rb"|([0-9A-Za-z'()+_./:=?-]{1,70}))[ \t]*",
    re.IGNORECASE,
)
_DISPOSITION = re.compile(rb"form-data((?:[ \t]*;[ \t]*[a-z*]{1,16}=(?:\"[^\"]*\"|[^\s\";]*))+)[ \t]*", re.IGNORECASE)
_PARAMETER = re.compile(rb";[ \t]*([a-z*]{1,16})=(?:\"([^\"]*)\"|([^\s\";]*))", re.IGNORECASE)
_PARAMETERS = frozenset({b"name", b"filename", b"filename*"})
_IDENTITY = frozenset({b"7bit", b"8bit", b"binary"})
_CRLF = b"\r\n"
_HEADERS_END = b"\r\n\r\n"


class FormFields(msgspec.Struct, frozen=True):
    """The fields before the file, by lower-case name, and the file's name.

    `file_length` is the number of bytes of the file; `rest` are those that were read already, and what follows them.
    """

    fields: Mapping[str, str]
    filename: str
    file_length: int
    rest: bytes


class FormReader:
    """Reads the fields of one form. `content_length` is that of the request."""

    def __init__(self, content_type: bytes, content_length: int | None) -> None:
        found = _BOUNDARY.fullmatch(content_type)
        if found is None:
            raise _malformed("the Content-Type does not have one boundary")
        if content_length is None:
            raise s3_error("MissingContentLength")
        self.boundary: bytes = found[1] or found[2]
        self._length = content_length
        self._data = bytearray()
        self._at = 0
        self._searched = 0
        self._part: tuple[str, str] | None = None  # name and file name of the part whose value comes
        self._fields: dict[str, str] = {}

    def feed(self, data: bytes) -> FormFields | None:
        """Return the fields when the file begins, else None. Raises S3Error."""
        self._data += data
        while True:
            if self._part is None:
                block = self._take_headers()
                if block is None:
                    return None
                self._part = _parse_headers(block)
            name, filename = self._part
            if name == _FILE:
                return self._found(filename)
            value = self._take(_CRLF + b"--" + self.boundary)
            if value is None:
                return None
            self._add(name, value)

    def _take_headers(self) -> bytes | None:
        """Return the headers of the next part, which begin behind the boundary."""
        block = self._take(_HEADERS_END)
        if block is None:
            return None
        start = _CRLF if self._fields else b"--" + self.boundary + _CRLF
        if not block.startswith(start):
            if block.startswith(b"--"):
                raise s3_error("IncorrectNumberOfFilesInPostRequest")
            raise _malformed("a boundary is malformed")
        return block.removeprefix(start)

    def _take(self, end: bytes) -> bytes | None:
        """Return the bytes before `end`, or None if it was not received yet."""
        # The search continues where the last one ended, so that single bytes do not cost a search of everything.
        found = self._data.find(end, max(self._at, self._searched - len(end) + 1))
        if max(found, 0) + len(end) > MAX_FIELDS or (found < 0 and len(self._data) > MAX_FIELDS):
            raise s3_error("MaxPostPreDataLengthExceededError")
        if found < 0:
            self._searched = len(self._data)
            if len(self._data) >= self._length:
                raise s3_error("IncorrectNumberOfFilesInPostRequest")
            return None
        taken = bytes(self._data[self._at : found])
        self._at = self._searched = found + len(end)
        return taken

    def _add(self, name: str, value: bytes) -> None:
        if name in self._fields:
            raise s3_error("InvalidArgument", "POST requires exactly one field of a name.", ArgumentName=name)
        try:
            self._fields[name] = value.decode()
        except UnicodeDecodeError as problem:
            raise _malformed("a field is not UTF-8") from problem
        self._part = None

    def _found(self, filename: str) -> FormFields:
        length = self._length - self._at - len(closing(self.boundary))
        if length < 0:
            raise _malformed("the body ends before the closing boundary")
        return FormFields(self._fields, filename, length, bytes(self._data[self._at :]))


def closing(boundary: bytes) -> bytes:
    """Return the end of a form."""
    return _CRLF + b"--" + boundary + b"--" + _CRLF


def _parse_headers(block: bytes) -> tuple[str, str]:
    headers: dict[bytes, bytes] = {}
    for line in block.split(_CRLF):
        name, colon, value = line.partition(b":")
        if not colon or name.lower() in headers:
            raise _malformed("the headers of a part are malformed")
        headers[name.lower()] = value.strip(b" \t")
    if headers.get(b"content-transfer-encoding", b"binary").lower() not in _IDENTITY:
        raise _malformed("a part has a transfer encoding")
    return _parse_disposition(headers.get(b"content-disposition", b""))


def _parse_disposition(value: bytes) -> tuple[str, str]:
    found = _DISPOSITION.fullmatch(value)
    if found is None:
        raise _malformed("a Content-Disposition is malformed")
    parameters: dict[bytes, bytes] = {}
    for name, quoted, token in _PARAMETER.findall(found[1]):
        if name.lower() in parameters or name.lower() not in _PARAMETERS:
            raise _malformed("a Content-Disposition has another parameter, or one twice")
        parameters[name.lower()] = quoted or token
    try:
        name_of_field = parameters.get(b"name", b"").decode().lower()
        filename = parameters.get(b"filename", b"").decode()
    except UnicodeDecodeError as problem:
        raise _malformed("a name is not UTF-8") from problem
    if not name_of_field or not (name_of_field + filename).isprintable():
        raise _malformed("a part does not have a name, or one with a control character")
    return name_of_field, filename


class FormFileBody:
    """The BodyTransform of a form's file: it removes the closing boundary.

    `inner` is the transform of the object's bytes, or None if the file is empty. A boundary inside the file is refused,
    because another reader would end the file there.
    """

    def __init__(self, inner: BodyTransform | None, length: int, boundary: bytes) -> None:
        self._inner = inner
        self._left = length
        self._closing = closing(boundary)
        self._delimiter = _CRLF + b"--" + boundary
        self._tail = b""
        self._end = b""
        self._closed = False

    def feed(self, data: bytes) -> list[Piece]:
        """Return the bytes that may go to the store now. Raises S3Error."""
        self._close()
        out = self._feed(data)
        self._closed = False
        return out

    def _close(self) -> None:
        # As in bodies.py: a transform that raised an error never returns bytes again.
        if self._closed:
            raise s3_error("InternalError", detail="the form was refused or has ended before")
        self._closed = True

    def _feed(self, data: bytes) -> list[Piece]:
        file, rest = data[: self._left], data[self._left :]
        self._left -= len(file)
        self._end += rest
        if len(self._end) > len(self._closing):
            raise _malformed("bytes follow the closing boundary")
        if not file:
            return []
        self._refuse_boundary(file)
        return [] if self._inner is None else self._inner.feed(file)

    def _refuse_boundary(self, file: bytes) -> None:
        overlap = len(self._delimiter) - 1
        joint = self._tail + file[:overlap]
        if self._delimiter in file or self._delimiter in joint:
            raise _malformed("the file is not the last part, or contains the boundary")
        self._tail = (self._tail + file[-overlap:])[-overlap:]

    def finish(self) -> list[Piece]:
        """Return the end of the object. Raises S3Error."""
        self._close()
        if self._left or self._end != self._closing:
            raise _malformed("the closing boundary is missing")
        return [] if self._inner is None else self._inner.finish()


def _malformed(detail: str) -> S3Error:
    return s3_error("MalformedPOSTRequest", detail=detail)
