"""The body of a request: what is verified, and how it goes to the store.

Owns the choice of the outgoing form, and its headers. Rules:
- a store that commits the body of a connection that was cut gets every object in chunks that we sign, so that it
  refuses a body without its end;
- the body of any other operation than PutObject and UploadPart is held back wholly.
Leaves the verification to body_transform.py.
docs/decisions/0017-bodies-of-uploads.md has the reasons.
"""

from collections.abc import Callable, Mapping
from enum import Enum

import msgspec

from daypass.verify.head import RequestHead
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.payload import EMPTY_SHA256, PayloadForm, PayloadKind
from daypass.verify.s3.bodies.body_checks import TRAILER_HEADER, BodyChecks, checks_of, parse_trailer_header
from daypass.verify.s3.bodies.body_transform import (
    AS_IS,
    HTTP_CHUNKS,
    MAX_WHOLE_BODY,
    BodyTransform,
    CheckedBody,
    WholeBody,
)
from daypass.verify.s3.bodies.checksums import ChecksumAlgorithm, is_checksum_header
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed, ChunkSignatures
from daypass.verify.s3.bodies.chunk_writer import BodyWriter, ChunkWriter, PlainWriter, encoded_length
from daypass.verify.s3.bodies.chunks import ChunkReader
from daypass.verify.s3.errors import s3_error

_DECODED_LENGTH = b"x-amz-decoded-content-length"
_SDK_ALGORITHM = b"x-amz-sdk-checksum-algorithm"
_BODY_HEADERS = frozenset(
    {
        b"content-encoding",
        b"content-length",
        b"content-md5",
        b"transfer-encoding",
        b"x-amz-content-sha256",
        _DECODED_LENGTH,
        _SDK_ALGORITHM,
        TRAILER_HEADER,
    }
)
_STREAMED = frozenset({"PutObject", "UploadPart"})
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_CHECKSUM_OF_OBJECT = frozenset({"CompleteMultipartUpload"})
_LONGEST_LENGTH = 15  # digits


class BodyProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a store does with bodies.

    `commits_short_bodies`: it stores what it received when the connection is closed after a part of the body. A store
    that does so only if no byte of the body came does not count, because the head leaves with the first bytes. The
    other members are the values of x-amz-content-sha256 that it verifies.
    """

    commits_short_bodies: bool = True
    signed_chunks: bool = True
    signed_trailers: bool = False
    unsigned_trailers: bool = False

    def __post_init__(self) -> None:
        if self.commits_short_bodies and not self.signed_chunks:
            raise ValueError("a store that commits short bodies must support signed chunks")


class BodyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a request about its body.

    `headers` include the signed `x-amz-` parameters of a presigned URL. `seed` is the verified signature of the head;
    it may be None if the payload form does not have signed chunks.
    """

    operation: str
    method: str
    payload: PayloadForm
    headers: Mapping[bytes, bytes]
    content_length: int | None
    chunked: bool
    seed: ChunkSeed | None = None

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class BodyPlan(msgspec.Struct, frozen=True):
    """How a body goes to the store.

    `payload` is the value of x-amz-content-sha256. `headers` are all headers that describe the body: of those that
    is_body_header() knows, no other goes to the store. `make` is called once, with the signature of the head that goes
    to the store; it is None if the request does not have a body, and then the head may be sent at once.
    """

    payload: str
    headers: Mapping[bytes, bytes]
    make: Callable[[ChunkSeed], BodyTransform] | None


def is_body_header(name: bytes) -> bool:
    """Return whether the header describes the body.

    A request to the store has these headers from its BodyPlan alone.
    """
    return name in _BODY_HEADERS or is_checksum_header(name)


class _OutgoingForm(Enum):
    """How a body goes to the store."""

    WHOLE = "UNSIGNED-PAYLOAD of an operation that is held back wholly"
    PLAIN = "UNSIGNED-PAYLOAD"
    SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


_WITH_TRAILER = frozenset({_OutgoingForm.SIGNED_TRAILER, _OutgoingForm.UNSIGNED_TRAILER})
_SIGNED = frozenset({_OutgoingForm.SIGNED_CHUNKS, _OutgoingForm.SIGNED_TRAILER})
_UNFRAMED = frozenset({_OutgoingForm.WHOLE, _OutgoingForm.PLAIN})


def claim_body(
    head: RequestHead, operation: str, headers: Mapping[bytes, bytes], payload: PayloadForm, seed: ChunkSeed | None
) -> BodyClaim:
    """Return the claims of a head. `headers` are those of its S3Request."""
    return BodyClaim(
        operation=operation,
        method=head.method,
        payload=payload,
        headers=headers,
        content_length=head.content_length,
        chunked=head.chunked,
        seed=seed,
    )


def plan_body(claim: BodyClaim, profile: BodyProfile) -> BodyPlan:
    """Return how the body goes to a store. Raises S3Error.

    The request is refused if its headers contradict each other, or if a checksum cannot be verified here.
    """
    trailer = _trailer_of(claim)
    checks = checks_of(claim.payload, claim.headers, trailer, of_object=claim.operation in _CHECKSUM_OF_OBJECT)
    length = _decoded_length(claim)
    if not claim.payload.streaming and length == 0:
        return _plan_empty(claim, checks)
    if claim.method in _WITHOUT_BODY:
        raise s3_error("UnexpectedContent")
    form = _outgoing_form(claim, profile, trailer)
    if form is _OutgoingForm.WHOLE and (length or 0) > MAX_WHOLE_BODY:
        raise s3_error("MaxMessageLengthExceeded")
    if length is None and form not in _UNFRAMED:
        raise s3_error("MissingContentLength")  # S3 needs x-amz-decoded-content-length beside chunks
    headers = _outgoing_headers(claim, form, length, trailer)
    out_trailer = trailer.header if trailer is not None and form in _WITH_TRAILER else b""

    def make(seed: ChunkSeed) -> BodyTransform:
        reader = _reader(claim, length, trailer)
        writer = _writer(form, seed, length, out_trailer)
        coding = HTTP_CHUNKS if b"transfer-encoding" in headers else AS_IS
        return CheckedBody(reader, checks, writer, coding, length)

    return BodyPlan(_payload_value(claim.payload, form), headers, make)


def _trailer_of(claim: BodyClaim) -> ChecksumAlgorithm | None:
    if claim.payload.kind in (PayloadKind.SIGNED_CHUNKS_TRAILER, PayloadKind.UNSIGNED_TRAILER):
        return parse_trailer_header(claim.headers)
    if TRAILER_HEADER in claim.headers:
        raise s3_error("InvalidRequest", "The x-amz-trailer header needs a payload with a trailer")
    return None


def _decoded_length(claim: BodyClaim) -> int | None:
    stated = claim.headers.get(_DECODED_LENGTH)
    if claim.payload.streaming:
        if stated is None:
            raise s3_error("MissingContentLength")
        return _parse_length(stated)
    length = claim.content_length
    if length is None and not claim.chunked:
        if claim.operation in _STREAMED:
            raise s3_error("MissingContentLength")
        length = 0
    if stated is not None and _parse_length(stated) != length:
        raise s3_error("InvalidRequest", "The x-amz-decoded-content-length header needs a payload in chunks")
    return length


def _parse_length(value: bytes) -> int:
    if not value.isdigit() or len(value) > _LONGEST_LENGTH:
        raise s3_error("InvalidArgument", "The x-amz-decoded-content-length header is not a valid length")
    return int(value)


def _plan_empty(claim: BodyClaim, checks: BodyChecks) -> BodyPlan:
    checks.verify(b"")
    headers = _kept_headers(claim)
    if claim.method not in _WITHOUT_BODY:
        headers[b"content-length"] = b"0"
    payload = EMPTY_SHA256 if claim.payload.kind is PayloadKind.HASH else PayloadKind.UNSIGNED.value
    return BodyPlan(payload, headers, None)


def _outgoing_form(claim: BodyClaim, profile: BodyProfile, trailer: ChecksumAlgorithm | None) -> _OutgoingForm:
    if claim.operation not in _STREAMED:
        return _OutgoingForm.WHOLE
    if not claim.payload.streaming and not profile.commits_short_bodies:
        return _OutgoingForm.PLAIN
    unsigned = claim.payload.kind is PayloadKind.UNSIGNED_TRAILER
    if unsigned and profile.unsigned_trailers and not profile.commits_short_bodies:
        return _OutgoingForm.UNSIGNED_TRAILER
    if trailer is not None and profile.signed_trailers:
        return _OutgoingForm.SIGNED_TRAILER
    return _OutgoingForm.SIGNED_CHUNKS if profile.signed_chunks else _OutgoingForm.PLAIN


def _payload_value(payload: PayloadForm, form: _OutgoingForm) -> str:
    if form in _UNFRAMED:
        return payload.value if payload.kind is PayloadKind.HASH else PayloadKind.UNSIGNED.value
    return form.value


def _outgoing_headers(
    claim: BodyClaim, form: _OutgoingForm, length: int | None, trailer: ChecksumAlgorithm | None
) -> Mapping[bytes, bytes]:
    headers = _kept_headers(claim)
    if trailer is not None and form in _WITH_TRAILER:
        headers[TRAILER_HEADER] = trailer.header
    elif trailer is not None:
        headers.pop(_SDK_ALGORITHM, None)  # A store would look for the checksum that it names.
    if length is None:
        headers[b"transfer-encoding"] = b"chunked"
    elif form in _UNFRAMED:
        headers[b"content-length"] = b"%d" % length
    else:
        headers[_DECODED_LENGTH] = b"%d" % length
        headers[b"content-length"] = b"%d" % _encoded_length(form, length, trailer)
    return headers


def _encoded_length(form: _OutgoingForm, length: int, trailer: ChecksumAlgorithm | None) -> int:
    sent = trailer if form in _WITH_TRAILER else None
    name, size = (b"", 0) if sent is None else (sent.header, 4 * -(-sent.size // 3))
    return encoded_length(length, signed=form in _SIGNED, trailer=name, value_length=size)


def _kept_headers(claim: BodyClaim) -> dict[bytes, bytes]:
    """Return the client's headers about the object, not about the encoding of the body."""
    kept = {
        name: value
        for name, value in claim.headers.items()
        if name in (b"content-md5", _SDK_ALGORITHM) or is_checksum_header(name)
    }
    codings = [coding.strip() for coding in claim.headers.get(b"content-encoding", b"").split(b",")]
    # S3 does not store aws-chunked, which describes the request; some stores do.
    stored = [coding for coding in codings if coding and coding.lower() != b"aws-chunked"]
    if stored:
        kept[b"content-encoding"] = b",".join(stored)
    return kept


def _reader(claim: BodyClaim, length: int | None, trailer: ChecksumAlgorithm | None) -> ChunkReader | None:
    if not claim.payload.streaming or length is None:
        return None
    declared = b"" if trailer is None else trailer.header
    if claim.payload.kind is PayloadKind.UNSIGNED_TRAILER:
        return ChunkReader(length, None, declared)
    if claim.seed is None:
        raise s3_error("AccessDenied", detail="signed chunks of a request without a signature")
    return ChunkReader(length, ChunkSignatures(claim.seed), declared)


def _writer(form: _OutgoingForm, seed: ChunkSeed, length: int | None, trailer: bytes) -> BodyWriter:
    if form is _OutgoingForm.WHOLE:
        return WholeBody()
    if form is _OutgoingForm.PLAIN or length is None:
        return PlainWriter(length)
    return ChunkWriter(length, ChunkSignatures(seed) if form in _SIGNED else None, trailer)
