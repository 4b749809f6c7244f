"""Requests of the gateway itself to its stores.

Owns a small blocking client: look-ups of tags, lists of buckets, and the steps of CreateBucket and DeleteBucket. Each
call opens its own connection, has a time limit, and reads a bounded answer. Requests of clients do not come here.
"""

import http.client
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from daypass.gateway.buckets.bucket_lifecycle import BackendAnswer, BackendUnavailableError
from daypass.gateway.plan import Backend
from daypass.verify.payload import EMPTY_SHA256
from daypass.verify.s3.operations.object_keys import encode_path
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.resign import BackendAddress, sign_for_backend

_SECONDS = 10.0
_LARGEST_ANSWER = 8 * 1024 * 1024
# The operation selects the headers that go to the store.
_OPERATIONS: Mapping[tuple[str, bool], str] = MappingProxyType(
    {
        ("GET", False): "ListObjectsV2",
        ("HEAD", False): "HeadBucket",
        ("PUT", False): "CreateBucket",
        ("DELETE", False): "DeleteBucket",
        ("GET", True): "GetObject",
        ("HEAD", True): "HeadObject",
    }
)
_WITH_LENGTH = frozenset({"PUT", "POST"})


class CalledBackend(msgspec.Struct, frozen=True):
    """A store: where to connect to, and how to sign."""

    backend: Backend
    address: BackendAddress


class StoreCalls:
    """The requests of a gateway to its stores."""

    def __init__(self, backends: Mapping[str, CalledBackend], now: Callable[[], datetime]) -> None:
        self._backends = backends
        self._now = now
        self._contexts = {
            name: ssl.create_default_context(cafile=called.backend.ca_bundle or None)
            for name, called in backends.items()
            if called.backend.secure
        }

    def send(
        self,
        backend: str,
        method: str,
        bucket: str,
        *,
        key: str = "",
        query: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> BackendAnswer:
        """Send a request without a body, and return its answer.

        Raises BackendUnavailableError.
        """
        called = self._backends.get(backend)
        if called is None:
            raise BackendUnavailableError(f"the backend {backend} is not in the settings")
        request = S3Request(
            operation=_OPERATIONS[method, bool(key)] if bucket else "ListBuckets",
            method=method,
            bucket=bucket,
            key=key,
            parameters=query,
            headers=headers,
            copy_source=None,
            canonical_path=encode_path(bucket, key) if bucket else b"/",
        )
        body_headers = {b"content-length": b"0"} if method in _WITH_LENGTH else {}
        signed = sign_for_backend(
            request, backend=called.address, payload=EMPTY_SHA256, body_headers=body_headers, now=self._now()
        )
        try:
            return self._exchange(backend, called.backend, signed.head)
        except (OSError, http.client.HTTPException) as problem:
            raise BackendUnavailableError(f"the backend {backend}: {type(problem).__name__}") from problem

    def _exchange(self, name: str, backend: Backend, head: bytes) -> BackendAnswer:
        line, *fields = head[:-4].split(b"\r\n")
        method, target, _ = line.decode("latin-1").split(" ", 2)
        connection: http.client.HTTPConnection
        if backend.secure:
            connection = http.client.HTTPSConnection(
                backend.host, backend.port, timeout=_SECONDS, context=self._contexts[name]
            )
        else:
            connection = http.client.HTTPConnection(backend.host, backend.port, timeout=_SECONDS)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for field in fields:
                header, _, value = field.partition(b": ")
                connection.putheader(header.decode("latin-1"), value)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read(_LARGEST_ANSWER + 1)
            if len(body) > _LARGEST_ANSWER:
                raise http.client.HTTPException("the answer is too long")
            return BackendAnswer(answer.status, body)
        finally:
            connection.close()
