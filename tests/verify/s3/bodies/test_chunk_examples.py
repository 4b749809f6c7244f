"""AWS's examples of bodies in chunks, with AWS's signatures.

Source: Amazon S3 API Reference, "Signature calculations: transferring payload in multiple chunks" (66,560 letters a in
chunks of 64 KiB) and "… with trailing headers".
"""

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.verify.payload import PayloadForm, PayloadKind
from daypass.verify.s3.bodies.bodies import BodyClaim, BodyProfile, plan_body
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed

KEY = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
BODY = b"a" * 66_560
STORE = BodyProfile(signed_trailers=True)
CHUNKS = (
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
)
CHUNKS_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILER = (
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
)
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def encode(signatures: tuple[str, ...]) -> bytes:
    """Return the chunks as AWS's pages show them, up to the line of the last one."""
    first, second, last = signatures
    return b"".join(
        [
            b"10000;chunk-signature=" + first.encode() + b"\r\n" + BODY[:65_536] + b"\r\n",
            b"400;chunk-signature=" + second.encode() + b"\r\n" + BODY[65_536:] + b"\r\n",
            b"0;chunk-signature=" + last.encode() + b"\r\n",
        ]
    )


def seed(signature: str) -> ChunkSeed:
    """Return the signature of the head of an example."""
    return ChunkSeed(signature, "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", KEY)


def send(kind: PayloadKind, body: bytes, client: ChunkSeed, **headers: str) -> bytes:
    """Return the body for a store whose key and head are those of the client."""
    claim = BodyClaim(
        operation="PutObject",
        method="PUT",
        payload=PayloadForm(kind, kind.value),
        headers={b"x-amz-decoded-content-length": b"66560"}
        | {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()},
        content_length=len(body),
        chunked=False,
        seed=client,
    )
    make = plan_body(claim, STORE).make
    assert make is not None
    transform = make(client)
    return b"".join([*transform.feed(body), *transform.finish()])


def test_aws_chunked_upload() -> None:
    """AWS's example verifies, and signing it again with the same key gives the same bytes."""
    body = encode(CHUNKS) + b"\r\n"
    assert send(PayloadKind.SIGNED_CHUNKS, body, seed(CHUNKS_SEED)) == body


def test_aws_chunked_upload_with_a_trailer() -> None:
    """The trailer of AWS's example verifies with its signature."""
    body = encode(TRAILER) + b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    body += f"x-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n".encode()
    sent = send(PayloadKind.SIGNED_CHUNKS_TRAILER, body, seed(TRAILER_SEED), x_amz_trailer="x-amz-checksum-crc32c")
    assert sent == body


def test_a_trailer_line_may_end_as_minio_go_writes_it() -> None:
    """minio-go ends the line of a trailer with LF CR LF, and signs it with LF."""
    body = encode(TRAILER) + b"x-amz-checksum-crc32c:sOO8/Q==\n\r\n"
    body += f"x-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n".encode()
    sent = send(PayloadKind.SIGNED_CHUNKS_TRAILER, body, seed(TRAILER_SEED), x_amz_trailer="x-amz-checksum-crc32c")
    assert sent == body.replace(b"\n\r\n", b"\r\n", 1)
