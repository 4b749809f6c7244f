"""The body of an upload by an HTML form, between the server and the judge.

Owns the two halves of the body: its fields, which decide, and its file, which is passed on while it is verified. Leaves
the meaning of the form to verify/s3/forms/post_form.py.
"""

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.plan import Body, HeaderPairs, Respond
from daypass.verify.http_chunks import Piece
from daypass.verify.s3.errors import s3_error
from daypass.verify.s3.forms.form_data import FormFields, FormReader
from daypass.verify.s3.forms.post_form import PostForm, post_answer


class FieldsOfForm:
    """Reads a body until its file begins. It passes nothing on."""

    __slots__ = ("_reader", "form")

    def __init__(self, reader: FormReader) -> None:
        self._reader = reader
        self.form: FormFields | None = None

    @property
    def boundary(self) -> bytes:
        """Return the boundary of the form."""
        return self._reader.boundary

    def is_read(self) -> bool:
        """Return whether the file has begun."""
        return self.form is not None

    def feed(self, data: bytes | memoryview) -> list[Piece]:
        """Take bytes of the body. Raises S3Error."""
        if self.form is None:
            self.form = self._reader.feed(bytes(data))
        else:
            # The server stops feeding when the file begins, except for the pieces that it holds already.
            self.form = FormFields(
                self.form.fields, self.form.filename, self.form.file_length, self.form.rest + bytes(data)
            )
        return []

    def finish(self) -> list[Piece]:
        """Take the end of the body. Raises S3Error if it does not have a file."""
        if self.form is None:
            raise s3_error("IncorrectNumberOfFilesInPostRequest")
        return []


class FileOfForm:
    """The file, as the body of a Forward.

    Its first bytes came with the fields.
    """

    __slots__ = ("_inner", "_rest")

    def __init__(self, inner: Body, rest: bytes) -> None:
        self._inner = inner
        self._rest = rest

    def feed(self, data: bytes | memoryview) -> list[Piece]:
        """Return the bytes that may be passed on now. Raises S3Error."""
        rest, self._rest = self._rest, b""
        return list(self._inner.feed(rest + bytes(data) if rest else bytes(data)))

    def finish(self) -> list[Piece]:
        """Return the held-back end, or raise S3Error."""
        out = self.feed(b"") if self._rest else []
        return [*out, *self._inner.finish()]


def answer_form(
    exchange: RequestExchange, form: PostForm, location: str, _status: int, headers: HeaderPairs, _body: bytes
) -> Respond:
    """Return the answer to the browser after the store's success."""
    etag = next((value for name, value in headers if name == b"etag"), b"").decode("latin-1")
    answer = post_answer(form, etag, location)
    return exchange.respond(answer.status, tuple(answer.headers.items()), answer.body)
