"""AWS's own examples of signed S3 requests, with AWS's signatures.

Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header" (single chunk, and multiple
chunks) and "Authenticating Requests: Using Query Parameters".
"""

from datetime import timedelta

import pytest
from tests.verify.signing import EMPTY, KEY_ID, NOW, make_keys, raw_head

from daypass.verify import VerifyError, VerifyReason
from daypass.verify.head import parse_head
from daypass.verify.payload import PayloadKind
from daypass.verify.signature import VerifiedRequest, s3_profile, verify_head

_HOST = "examplebucket.s3.amazonaws.com"
_DATE = "20130524T000000Z"
_SCOPE = "20130524/us-east-1/s3/aws4_request"
_CREDENTIAL = f"{KEY_ID}/{_SCOPE}"
_PRESIGNED = (
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
    "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)

# Name: method, target, headers, signed headers, signature.
_BY_HEADER = {
    "GET Object": (
        "GET",
        "/test.txt",
        {"Host": _HOST, "Range": "bytes=0-9", "x-amz-content-sha256": EMPTY, "x-amz-date": _DATE},
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "PUT Object": (
        "PUT",
        "/test$file.text",
        {
            "Date": "Fri, 24 May 2013 00:00:00 GMT",
            "Host": _HOST,
            "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "x-amz-date": _DATE,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
        },
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "GET Bucket Lifecycle": (
        "GET",
        "/?lifecycle",
        {"Host": _HOST, "x-amz-content-sha256": EMPTY, "x-amz-date": _DATE},
        "host;x-amz-content-sha256;x-amz-date",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "Get Bucket (List Objects)": (
        "GET",
        "/?max-keys=2&prefix=J",
        {"Host": _HOST, "x-amz-content-sha256": EMPTY, "x-amz-date": _DATE},
        "host;x-amz-content-sha256;x-amz-date",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    "PUT Object in chunks": (
        "PUT",
        "/examplebucket/chunkObject.txt",
        {
            "Host": "s3.amazonaws.com",
            "x-amz-date": _DATE,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
            "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "Content-Encoding": "aws-chunked",
            "x-amz-decoded-content-length": "66560",
            "Content-Length": "66824",
        },
        (
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
            "x-amz-storage-class"
        ),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
}


def _verify_example(name: str) -> VerifiedRequest | None:
    method, target, headers, signed, signature = _BY_HEADER[name]
    authorization = f"AWS4-HMAC-SHA256 Credential={_CREDENTIAL},SignedHeaders={signed},Signature={signature}"
    head = parse_head(raw_head(method, target, {**headers, "Authorization": authorization}))
    return verify_head(head, make_keys(), service=s3_profile("us-east-1".__eq__), now=NOW)


@pytest.mark.parametrize("name", _BY_HEADER)
def test_an_example_of_aws_verifies(name: str) -> None:
    """The signature that AWS computed is right for the request that AWS prints."""
    verified = _verify_example(name)
    assert verified is not None
    assert verified.caller.access_key_id == KEY_ID
    assert (verified.scope, verified.timestamp, verified.presigned) == (_SCOPE, _DATE, False)


def test_the_seed_of_signed_chunks_is_given() -> None:
    """The signature of the head is the seed with which the first chunk is signed."""
    verified = _verify_example("PUT Object in chunks")
    assert verified is not None
    assert verified.payload.kind is PayloadKind.SIGNED_CHUNKS
    data = "bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a"  # the SHA-256 of 65,536 letters "a"
    first = ("AWS4-HMAC-SHA256-PAYLOAD", verified.timestamp, verified.scope, verified.signature, EMPTY, data)
    expected = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
    assert verified.signing_key.sign("\n".join(first).encode()) == expected


def test_the_presigned_example_of_aws_verifies() -> None:
    """A presigned URL has an unsigned payload."""
    head = parse_head(raw_head("GET", _PRESIGNED, {"Host": _HOST}))
    verified = verify_head(head, make_keys(), service=s3_profile("us-east-1".__eq__), now=NOW)
    assert verified is not None
    assert (verified.presigned, verified.payload.kind) == (True, PayloadKind.UNSIGNED)


def test_the_presigned_example_expires_after_a_day() -> None:
    """X-Amz-Expires is 86,400 seconds: the URL is valid at its last second, and not a moment later."""
    head = parse_head(raw_head("GET", _PRESIGNED, {"Host": _HOST}))
    profile, last = s3_profile("us-east-1".__eq__), NOW + timedelta(days=1)
    assert verify_head(head, make_keys(), service=profile, now=last) is not None
    with pytest.raises(VerifyError) as refused:
        verify_head(head, make_keys(), service=profile, now=last + timedelta(microseconds=1))
    assert refused.value.reason is VerifyReason.URL_EXPIRED
    assert refused.value.fields["X-Amz-Expires"] == "86400"
