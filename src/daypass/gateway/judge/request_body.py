"""The body of a request, as the judge plans it.

Owns the choice between no body, a body that is passed on while it is verified, and a body that is collected because its
content decides. Leaves the verification to verify/s3/bodies/bodies.py.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.verify.head import RequestHead
from daypass.verify.http_chunks import HttpChunkReader
from daypass.verify.payload import EMPTY_SHA256, UNSIGNED, PayloadForm, PayloadKind, find_payload_form
from daypass.verify.s3.bodies.bodies import BodyPlan, BodyProfile, claim_body, is_body_header, plan_body
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed
from daypass.verify.s3.errors import s3_error
from daypass.verify.s3.operations.request import S3Request
from daypass.verify.s3.operations.routes import KNOWN_HEADERS
from daypass.verify.signature import VerifiedRequest

COLLECTED = BodyProfile()
"""The profile for a body that is collected: it does not matter, because no store gets this form."""

UNUSED_SEED = ChunkSeed("", "", "", signing_key("", "", "", ""))
"""The seed for a body that is collected: it is not signed in chunks."""

_PAYLOAD = b"x-amz-content-sha256"
_READS = frozenset({"GET", "HEAD"})
_BODY_HEADERS = frozenset(
    name
    for name in (
        *KNOWN_HEADERS,
        *(b"content-encoding", b"content-length", b"content-md5", b"transfer-encoding"),
        *(b"x-amz-decoded-content-length", b"x-amz-sdk-checksum-algorithm", b"x-amz-trailer"),
    )
    if is_body_header(name) and name != _PAYLOAD
)
_WITHOUT_BODY = {value: BodyPlan(value, {}, None) for value in (EMPTY_SHA256, PayloadKind.UNSIGNED.value)}


def are_without_body(names: tuple[bytes, ...]) -> bool:
    """Return whether no header of these names describes a body.

    The plan of a read then depends on the form of the body alone, and not on values of headers.
    """
    return _BODY_HEADERS.isdisjoint(names)


def plan_request_body(
    head: RequestHead, request: S3Request, verified: VerifiedRequest | None, profile: BodyProfile
) -> BodyPlan:
    """Return how the body goes to a store. Raises S3Error."""
    payload = _payload_of(head) if verified is None else verified.payload
    # Most requests are reads without a body, for which plan_body returns the same.
    is_bare = head.method in _READS and head.content_length is None and not head.chunked
    if is_bare and payload.value in _WITHOUT_BODY and _BODY_HEADERS.isdisjoint(request.headers):
        return _WITHOUT_BODY[payload.value]
    seed = None
    if verified is not None:
        seed = ChunkSeed(verified.signature, verified.timestamp, verified.scope, verified.signing_key)
    return plan_body(claim_body(head, request.operation, request.headers, payload, seed), profile)


def _payload_of(head: RequestHead) -> PayloadForm:
    """Return the payload form of an anonymous request."""
    value = head.headers.get(_PAYLOAD)
    if value is None:
        return UNSIGNED
    form = find_payload_form(value.decode("latin-1"))
    if form is None:
        raise s3_error("InvalidArgument", "x-amz-content-sha256 is not valid")
    return form


def plain_body(body: bytes, headers: Mapping[bytes, bytes]) -> bytes:
    """Return a collected body without the chunks of HTTP that its plan adds."""
    return b"".join(HttpChunkReader().feed(body)) if b"transfer-encoding" in headers else body


def headers_of_collected(plan: BodyPlan, body: bytes, *, is_changed: bool) -> dict[bytes, bytes]:
    """Return the headers about a collected body for the store.

    The checksums of the client do not belong to a body that was written anew. Some stores need one for DeleteObjects.
    """
    digest = b64encode(md5(body, usedforsecurity=False).digest())
    kept = {b"content-md5": digest} if is_changed else dict(plan.headers)
    kept.pop(b"transfer-encoding", None)
    kept[b"content-length"] = b"%d" % len(body)
    return kept


class CollectedBody:
    """A body that was collected before, as the rest of a Forward."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Refuse more bytes."""
        raise s3_error("InternalError", detail=f"{len(data)} bytes after the end of a collected body")

    def finish(self) -> list[bytes]:
        """Return the body."""
        return [self._body]
