"""The framing of a body in chunks: each rule by itself, at the byte that breaks it.

The tampered uploads of test_bodies.py break several rules at a time. Here the first one has to refuse.
"""

import pytest
from tests.gateway.uploads import ChunkChain, encode_chunk
from tests.verify.s3.transforms import client_signature, seed_of

from daypass.verify.payload import PayloadKind, find_payload_form
from daypass.verify.s3.bodies.bodies import BodyClaim, BodyProfile, plan_body
from daypass.verify.s3.bodies.body_checks import checks_of, parse_trailer_header
from daypass.verify.s3.bodies.body_transform import MAX_WHOLE_BODY, WholeBody
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed, ChunkSignatures
from daypass.verify.s3.bodies.chunks import MAX_CHUNK, MIN_CHUNK, ChunkReader, Decoded
from daypass.verify.s3.errors import S3Error

_DECLARED = b"x-amz-checksum-crc32"
_FULL = b"%x\r\n" % MIN_CHUNK + b"a" * MIN_CHUNK + b"\r\n"
_SHORT = b"%x\r\n" % (MIN_CHUNK - 1) + b"a" * (MIN_CHUNK - 1) + b"\r\n"


@pytest.mark.parametrize(
    ("accepted", "breaking", "length", "code", "detail"),
    [
        (b"", b"%x\r\n" % (MAX_CHUNK + 1), 2 * MAX_CHUNK, "InvalidChunkSizeError", ""),
        (_SHORT, b"1\r\n", MIN_CHUNK, "InvalidChunkSizeError", ""),
        (_FULL, b"2\r\n", MIN_CHUNK + 1, "IncompleteBody", ""),
        (b"1\r\na\r\n", b"0\r\n", 2, "IncompleteBody", ""),
        (b"1\r\na", b"b\r\n", 2, "IncompleteBody", "a chunk is longer than its size"),
        (b"1\r\na\r\n0\r\n", b"x-amz-checksum-crc32c:AAAAAA==\r\n", 1, "MalformedTrailerError", "the declared field"),
        (b"1\r\na\r\n0\r\n", b"x-amz-acl:public-read\r\n", 1, "MalformedTrailerError", "the declared field"),
        (
            b"1\r\na\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n",
            b"x-amz-acl:public-read\r\n",
            1,
            "MalformedTrailerError",
            "a field that was not declared",
        ),
        (
            b"1\r\na\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            b"x",
            1,
            "IncompleteBody",
            "bytes follow the end of the chunks",
        ),
    ],
)
def test_a_chunk_that_breaks_a_rule_is_refused_at_once(
    accepted: bytes, breaking: bytes, length: int, code: str, detail: str
) -> None:
    """Sizes, lengths and trailers; the bytes before are accepted."""
    reader = ChunkReader(length, None, _DECLARED)
    reader.feed(accepted)
    with pytest.raises(S3Error) as refused:
        reader.feed(breaking)
    assert refused.value.code == code
    assert detail in refused.value.detail


def test_chunks_of_the_smallest_and_the_largest_size_are_accepted() -> None:
    """The limits are inclusive. The last chunk with data may be smaller."""
    reader = ChunkReader(MIN_CHUNK + 1, None, b"")
    reader.feed(_FULL + b"1\r\na\r\n0\r\n\r\n")
    reader.finish()
    ChunkReader(MAX_CHUNK, None, b"").feed(b"%x\r\n" % MAX_CHUNK)


@pytest.mark.parametrize("name", [b"x-amz-trailer-signaturf", b"x-amz-acl"])
def test_the_signature_of_a_trailer_has_its_name(name: bytes) -> None:
    """A right signature under another name is a field that was not declared."""
    signature = client_signature({"x-amz-content-sha256": PayloadKind.SIGNED_CHUNKS_TRAILER.value})
    chain = ChunkChain(signature)
    field = _DECLARED + b":AAAAAA=="
    reader = ChunkReader(1, ChunkSignatures(seed_of(signature)), _DECLARED)
    reader.feed(b"".join(encode_chunk(b"a", chain)) + encode_chunk(b"", chain)[0] + field + b"\r\n")
    with pytest.raises(S3Error, match="MalformedTrailerError"):
        reader.feed(name + b":" + chain.trailer(field + b"\n").encode() + b"\r\n")


def test_a_body_has_one_checksum() -> None:
    """S3's words. A trailer counts too."""
    payload = find_payload_form("UNSIGNED-PAYLOAD")
    assert payload is not None
    crc, sha = {b"x-amz-checksum-crc32": b"AAAAAA=="}, {b"x-amz-checksum-sha1": b"A" * 27 + b"="}
    trailer = parse_trailer_header({b"x-amz-trailer": b"x-amz-checksum-crc32"})
    for headers, declared in ((crc | sha, None), (crc, trailer)):
        with pytest.raises(S3Error) as refused:
            checks_of(payload, headers, declared, of_object=False)
        assert refused.value.message.startswith("Expecting a single x-amz-checksum- header.")


@pytest.mark.parametrize("value", [b"x-amz-meta-a", b"x-amz-checksum-type", b"", b"x-amz-checksum-crc32,x-amz-acl"])
def test_a_trailer_is_a_checksum(value: bytes) -> None:
    """No other field is accepted behind a body."""
    with pytest.raises(S3Error, match="InvalidRequest"):
        parse_trailer_header({b"x-amz-trailer": value})


@pytest.mark.parametrize("sent", [b"ab", b"abcd"])
def test_an_unsigned_body_has_the_announced_length(sent: bytes) -> None:
    """Its length is the only check of a body without a hash and without a checksum."""
    payload = find_payload_form("UNSIGNED-PAYLOAD")
    assert payload is not None
    claim = BodyClaim(operation="PutObject", method="PUT", payload=payload, headers={}, content_length=3, chunked=False)
    plan = plan_body(claim, BodyProfile(commits_short_bodies=False, signed_chunks=False))
    assert plan.make is not None
    transform = plan.make(seed_of(client_signature({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})))
    with pytest.raises(S3Error, match="IncompleteBody"):
        assert [*transform.feed(sent), *transform.finish()] == []


def test_signed_chunks_need_the_signature_of_a_head() -> None:
    """The chain of an anonymous request would have no start."""
    payload = find_payload_form("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    assert payload is not None
    claim = BodyClaim(
        operation="PutObject",
        method="PUT",
        payload=payload,
        headers={b"x-amz-decoded-content-length": b"1"},
        content_length=300,
        chunked=False,
    )
    seed = seed_of(client_signature({"x-amz-content-sha256": payload.value}))
    with pytest.raises(S3Error, match="AccessDenied"):
        _make(claim, seed)


def _make(claim: BodyClaim, seed: ChunkSeed) -> None:
    plan = plan_body(claim, BodyProfile())
    assert plan.make is not None
    plan.make(seed)


def test_a_body_that_is_held_back_has_a_limit() -> None:
    """Its last byte is accepted, and one more is not."""
    body = WholeBody()
    body.write(Decoded([bytes(MAX_WHOLE_BODY)], MAX_WHOLE_BODY), [])
    with pytest.raises(S3Error, match="MaxMessageLengthExceeded"):
        body.write(Decoded([b"x"], 1), [])
