"""The head of the request for the store, signed with the store's key.

Owns the list of headers that go to a store, and the signature. Leaves the headers of the body to bodies.py and the
connection to the gateway.

- Only headers that the operation has in S3's model go to the store, and the few of ALWAYS. Thus a store never sees
  X-Forwarded-*, Forwarded, a method override, a header that Connection names, or the client's signature.
- Access control lists do not go to the store, and expectations about the owner are checked here.
- The path is in path style. Path, query and copy source have one spelling.
- Every header is signed except those of the framing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import msgspec

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey, signing_key
from daypass.bounded_memory import BoundedMemory
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.s3.bodies.bodies import is_body_header
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed
from daypass.verify.s3.operations.copy_source import COPY_SOURCE_HEADER
from daypass.verify.s3.operations.headers import METADATA_PREFIX, REFUSED_HEADERS
from daypass.verify.s3.operations.object_keys import encode_text
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT, PREFLIGHT

_ALGORITHM = "AWS4-HMAC-SHA256"

ALWAYS = frozenset({b"content-type", b"if-range", b"origin"})
"""Headers that go to a store with any operation."""

_PREFLIGHT = frozenset({b"origin", b"access-control-request-headers", b"access-control-request-method"})
_NEVER = REFUSED_HEADERS | {b"x-amz-acl", b"x-amz-expected-bucket-owner", b"x-amz-source-expected-bucket-owner"}
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


def _forwarded(name: str) -> frozenset[bytes]:
    if name == PREFLIGHT:
        return _PREFLIGHT
    members = OPERATIONS["PutObject" if name == POST_OBJECT else name].headers
    kept = {header for header in members if not header.startswith(b"x-amz-grant-") and not is_body_header(header)}
    return frozenset(kept - _NEVER) | ALWAYS


FORWARDED: Mapping[str, frozenset[bytes]] = MappingProxyType({name: _forwarded(name) for name in OPERATIONS})
"""The headers of each operation that go to a store, beside metadata and the headers of the body."""

_WITH_METADATA = frozenset(name for name, operation in OPERATIONS.items() if operation.has_metadata)


class BackendKey(msgspec.Struct, frozen=True):
    """The access key with which the gateway signs requests to one store."""

    access_key_id: str
    secret: str
    region: str

    def __repr__(self) -> str:
        return "<secret>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Hide the members from the tracebacks of rich too."""
        return []


class BackendAddress(msgspec.Struct, frozen=True):
    """The Host header of a store, the path before every bucket, and the key.

    `path_prefix` is empty, or begins with a slash and does not end with one; it is percent-encoded.
    """

    host: bytes
    key: BackendKey
    path_prefix: bytes = b""


class SignedHead(msgspec.Struct, frozen=True):
    """The head for the store, with the empty line at its end.

    The signatures of chunks start from `seed`. `signature` and `moment` are those of the head.
    """

    head: bytes
    signature: str
    moment: "_Moment"

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr

    @property
    def seed(self) -> ChunkSeed:
        """The start of the signatures of chunks, which few requests have."""
        moment = self.moment
        return ChunkSeed(self.signature, moment.timestamp, moment.scope, moment.signer)


def sign_for_backend(
    request: S3Request, *, backend: BackendAddress, payload: str, body_headers: Mapping[bytes, bytes], now: datetime
) -> SignedHead:
    """Return the signed head of a request for the store.

    `payload` and `body_headers` are those of the BodyPlan.
    """
    operation, headers = request.operation, request.headers
    method = b"PUT" if operation == POST_OBJECT else request.method.encode()
    if request.copy_source is not None:
        headers = {**headers, COPY_SOURCE_HEADER: request.copy_source.header}
    form = head_form(operation, tuple(headers), tuple(body_headers))
    values = [headers[kept] for kept in form.kept] if form.kept else []
    if form.of_body:
        values += [body_headers[kept] for kept in form.of_body]
    path = backend.path_prefix + request.canonical_path
    query = _encode_query(request.parameters) if request.parameters else b""
    return _sign(form, method, path, query, values, backend, payload.encode(), now)


def sign_read(
    form: "HeadForm", method: bytes, path: bytes, headers: Mapping[bytes, bytes], backend: BackendAddress, now: datetime
) -> bytes:
    """Return the signed head of a request without a query and a body.

    `form` is that of the operation and the names of `headers`. The result is that of sign_for_backend.
    """
    values = [headers[kept] for kept in form.kept] if form.kept else []
    payload = headers[b"x-amz-content-sha256"]
    return _sign(form, method, backend.path_prefix + path, b"", values, backend, payload, now).head


def _sign(  # noqa: PLR0913, PLR0917 - the parts of a request
    form: "HeadForm",
    method: bytes,
    path: bytes,
    query: bytes,
    values: list[bytes],
    backend: BackendAddress,
    payload: bytes,
    now: datetime,
) -> SignedHead:
    moment = _moment(backend.key, int(now.timestamp()))
    values += (backend.host, payload, moment.stamp)  # in the order of _OWN
    target = path + b"?" + query if query else path
    signed = form.signed(values)
    canonical = form.canonical % (method, path, query, *signed, payload)
    if b" " in canonical or b"\t" in canonical:
        signed = tuple([b" ".join(value.split()) for value in signed])
        canonical = form.canonical % (method, path, query, *signed, payload)
    signature = moment.signer.sign(moment.to_sign + sha256(canonical).hexdigest().encode())
    head = form.head % (method, target, *values, moment.credential, signature.encode())
    return SignedHead(head, signature, moment)


class _Moment(msgspec.Struct, frozen=True):
    """The parts of a signature that are the same for one key and second."""

    timestamp: str
    stamp: bytes
    scope: str
    to_sign: bytes
    credential: bytes
    signer: SigV4SigningKey

    def __repr__(self) -> str:
        return "<secret>"

    __rich_repr__ = hidden_rich_repr


@lru_cache(maxsize=64)
def _moment(key: BackendKey, second: int) -> _Moment:
    timestamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{timestamp[:8]}/{key.region}/s3/aws4_request"
    return _Moment(
        timestamp,
        timestamp.encode(),
        scope,
        f"{_ALGORITHM}\n{timestamp}\n{scope}\n".encode(),
        f"{_ALGORITHM} Credential={key.access_key_id}/{scope}".encode(),
        _signing_key(key, timestamp[:8]),
    )


class HeadForm(msgspec.Struct, frozen=True):
    """A head and its canonical request, with places for the values.

    The values of a head are those of `kept` in the headers of the request, of `of_body` in the headers of the body, and
    of _OWN. `signed` returns those of the canonical request, in its order.
    """

    kept: tuple[bytes, ...]
    of_body: tuple[bytes, ...]
    signed: Callable[[Sequence[bytes]], tuple[bytes, ...]]
    canonical: bytes
    head: bytes


_OWN = (b"host", b"x-amz-content-sha256", b"x-amz-date")
_LONGEST_FORM = 2_048
# A form depends on the names alone. Requests have few sets of names; longer ones, with much metadata, are not kept.
_forms: BoundedMemory[tuple[str, tuple[bytes, ...], tuple[bytes, ...]], HeadForm] = BoundedMemory(512)


def head_form(operation: str, names: tuple[bytes, ...], body_names: tuple[bytes, ...]) -> HeadForm:
    """Return the form of the head of an operation with these headers."""
    return _forms.get((operation, names, body_names)) or _form_of(operation, names, body_names)


def _form_of(operation: str, names: tuple[bytes, ...], body_names: tuple[bytes, ...]) -> HeadForm:
    of_body = tuple(name for name in body_names if name not in _OWN)
    kept = tuple(name for name in _names_to_forward(operation, names) if name not in of_body and name not in _OWN)
    sent = (*kept, *of_body, *_OWN)
    signed = sorted([name for name in sent if name not in _FRAMING])
    # The names of metadata may contain a percent sign.
    listed = b";".join(signed).replace(b"%", b"%%")
    lines = b"".join([name.replace(b"%", b"%%") + b":%b\n" for name in signed])
    canonical = b"%b\n%b\n%b\n" + lines + b"\n" + listed + b"\n%b"
    fields = b"".join([name.replace(b"%", b"%%") + b": %b\r\n" for name in sent])
    head = b"%b %b HTTP/1.1\r\n" + fields + b"authorization: %b, SignedHeaders=" + listed + b", Signature=%b\r\n\r\n"
    form = HeadForm(kept, of_body, itemgetter(*map(sent.index, signed)), canonical, head)
    is_short = len(head) <= _LONGEST_FORM and sum(map(len, names)) <= _LONGEST_FORM
    return _forms.put((operation, names, body_names), form) if is_short else form


def _names_to_forward(operation: str, names: tuple[bytes, ...]) -> tuple[bytes, ...]:
    allowed = FORWARDED[operation]
    found = tuple(name for name in names if name in allowed)
    if operation in _WITH_METADATA:
        found += tuple(name for name in names if name[:11] == METADATA_PREFIX)
    return found


def _encode_query(parameters: Mapping[str, str]) -> bytes:
    pairs = sorted([(encode_text(name), encode_text(value)) for name, value in parameters.items()])
    return "&".join([f"{name}={value}" for name, value in pairs]).encode()


@lru_cache(maxsize=64)
def _signing_key(key: BackendKey, date: str) -> SigV4SigningKey:
    return signing_key(key.secret, date, key.region, "s3")
