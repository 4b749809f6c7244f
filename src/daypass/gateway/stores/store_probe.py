"""Requests with which `daypass gateway check` tests a store.

Owns a small blocking client: signed requests with odd keys, with bodies in every form, and with bodies that are cut
off. Every request has its own connection, a limit of time and a bounded answer. Leaves the meaning to check.py.
"""

import html
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from http.client import HTTPException, HTTPResponse
from types import MappingProxyType
from urllib.parse import unquote_plus

import msgspec

from daypass.gateway.stores.backend_calls import CalledBackend
from daypass.verify.payload import EMPTY_SHA256, PayloadKind
from daypass.verify.s3.bodies.checksums import ChecksumAlgorithm
from daypass.verify.s3.bodies.chunk_signatures import ChunkSignatures
from daypass.verify.s3.bodies.chunk_writer import ChunkWriter, encoded_length
from daypass.verify.s3.bodies.chunks import Decoded
from daypass.verify.s3.operations.object_keys import encode_path
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.resign import SignedHead, sign_for_backend

_SECONDS = 10.0
_APART = 0.05  # seconds between two packets
_LARGEST_ANSWER = 1024 * 1024
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,100})</Code>")
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_NOTHING: Mapping[str, str] = MappingProxyType({})
# The operation selects the headers that go to the store.
_OPERATIONS: Mapping[tuple[str, bool], str] = MappingProxyType(
    {
        ("GET", False): "ListObjectsV2",
        ("PUT", False): "CreateBucket",
        ("DELETE", False): "DeleteBucket",
        ("GET", True): "GetObject",
        ("PUT", True): "PutObject",
        ("DELETE", True): "DeleteObject",
        ("POST", True): "CreateMultipartUpload",
    }
)


class ProbeError(Exception):
    """The store cannot be reached, or its answer cannot be read."""


class ProbeAnswer(msgspec.Struct, frozen=True):
    """An answer of the store.

    `status` is 0 if the store closed the connection without one.
    """

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004

    def __str__(self) -> str:
        code = _CODE.search(self.body)
        return f"{self.status} {code[1].decode()}" if code else str(self.status)


class StoreProbe:
    """Sends requests about one bucket of a store."""

    def __init__(self, called: CalledBackend, bucket: str, now: Callable[[], datetime]) -> None:
        self._called = called
        self._bucket = bucket
        self._now = now
        backend = called.backend
        self._tls = ssl.create_default_context(cafile=backend.ca_bundle or None) if backend.secure else None

    def send(
        self, method: str, key: str = "", *, query: Mapping[str, str] = _NOTHING, body: bytes = b""
    ) -> ProbeAnswer:
        """Send a request, and return its answer. Raises ProbeError."""
        payload = sha256(body).hexdigest() if body else EMPTY_SHA256
        headers = {b"content-length": b"%d" % len(body)} if method in {"PUT", "POST"} else {}
        signed = self._sign(method, key, query, payload, headers)
        return self._exchange(signed.head + body, method)

    def get(self, key: str) -> bytes | None:
        """Return the content of an object, or None."""
        answer = self.send("GET", key)
        return answer.body if answer.is_success else None

    def listed(self) -> frozenset[str]:
        """Return the first thousand keys of the bucket. Raises ProbeError."""
        answer = self.send("GET", query={"list-type": "2", "encoding-type": "url"})
        if not answer.is_success:
            raise ProbeError(f"the list of objects failed: {answer}")
        return frozenset(unquote_plus(html.unescape(key.decode())) for key in _KEY.findall(answer.body))

    def begin_upload(self, key: str) -> str | None:
        """Begin a multipart upload, and return its ID.

        None means that the store does not have such uploads.
        """
        answer = self.send("POST", key, query={"uploads": ""})
        found = _UPLOAD_ID.search(answer.body) if answer.is_success else None
        return None if found is None else html.unescape(found[1].decode())

    def cut(self, key: str, body: bytes, sent: int) -> ProbeAnswer:
        """Send an upload that ends after `sent` bytes of its body."""
        headers = {b"content-length": b"%d" % len(body)}
        signed = self._sign("PUT", key, _NOTHING, PayloadKind.UNSIGNED.value, headers)
        return self._exchange(signed.head + body[:sent], "PUT", cut=True)

    def upload_chunks(
        self, key: str, body: bytes, kind: PayloadKind, trailer: ChecksumAlgorithm | None, *, cut: bool = False
    ) -> ProbeAnswer:
        """Send an upload in chunks. With `cut`, it ends before its last chunk."""
        value = b"" if trailer is None else _checksum(trailer, body)
        name = b"" if trailer is None else trailer.header
        is_signed = kind is not PayloadKind.UNSIGNED_TRAILER
        length = encoded_length(len(body), signed=is_signed, trailer=name, value_length=len(value))
        headers = {b"x-amz-decoded-content-length": b"%d" % len(body), b"content-length": b"%d" % length}
        if name:
            headers[b"x-amz-trailer"] = name
        signed = self._sign("PUT", key, _NOTHING, kind.value, headers)
        writer = ChunkWriter(len(body), ChunkSignatures(signed.seed) if is_signed else None, name)
        out: list[bytes | memoryview] = []
        writer.write(Decoded([body], len(body), ""), out)
        sent = b"".join(out)
        rest = b"".join(writer.finish(value))
        # The last chunk is the empty one. Its line begins after the last content of the object.
        sent += rest[: rest.rfind(b"\r\n0;chunk-signature" if is_signed else b"\r\n0\r\n") + 2] if cut else rest
        return self._exchange(signed.head + sent, "PUT", cut=cut)

    def _sign(
        self, method: str, key: str, query: Mapping[str, str], payload: str, headers: Mapping[bytes, bytes]
    ) -> SignedHead:
        request = S3Request(
            operation=_OPERATIONS[method, bool(key)],
            method=method,
            bucket=self._bucket,
            key=key,
            parameters=query,
            headers={},
            copy_source=None,
            canonical_path=encode_path(self._bucket, key),
        )
        return sign_for_backend(
            request, backend=self._called.address, payload=payload, body_headers=headers, now=self._now()
        )

    def _exchange(self, request: bytes, method: str, *, cut: bool = False) -> ProbeAnswer:
        backend = self._called.backend
        try:
            with socket.create_connection((backend.host, backend.port), timeout=_SECONDS) as plain:
                connection = plain
                if self._tls is not None:
                    connection = self._tls.wrap_socket(plain, server_hostname=backend.host)
                with connection:
                    if not cut:
                        connection.sendall(request)
                        return _read(connection, method)
                    # A network may deliver the head alone, and some stores then store an empty object.
                    head, end, body = request.partition(b"\r\n\r\n")
                    connection.sendall(head + end)
                    time.sleep(_APART)
                    connection.sendall(body)
                    if self._tls is not None:
                        return _CLOSED  # TLS cannot end one direction alone
                    connection.shutdown(socket.SHUT_WR)
                    return _read(connection, method)
        except (OSError, HTTPException) as problem:
            if cut:
                return _CLOSED
            raise ProbeError(f"{type(problem).__name__}: {problem}") from problem


_CLOSED = ProbeAnswer(0, b"")


def _read(connection: socket.socket, method: str) -> ProbeAnswer:
    answer = HTTPResponse(connection, method=method)
    answer.begin()
    body = answer.read(_LARGEST_ANSWER + 1)
    if len(body) > _LARGEST_ANSWER:
        raise HTTPException("the answer is too long")
    return ProbeAnswer(answer.status, body)


def _checksum(algorithm: ChecksumAlgorithm, body: bytes) -> bytes:
    checksum = algorithm.start()
    checksum.update(body)
    return b64encode(checksum.digest())
