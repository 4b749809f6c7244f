"""The parts of a request that a signature covers."""

import pytest
from msgspec.structs import replace
from tests.authenticate.sigv4.signing import ACCESS_KEY_ID, FORM_TYPE, NOW, SECRET, presign, sign, unsigned

from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.signature import VerifiedSignature
from daypass.authenticate.sigv4.signing_key import SigningKeys, SigV4SigningKey, signing_key
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.errors import SignatureDoesNotMatch
from daypass.wire.http import HttpRequest

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details."
)


def verify(request: HttpRequest, secret: str = SECRET) -> VerifiedSignature:
    """Check a request against a secret."""
    found = find_signature(request)
    key = signing_key(secret, found.date, found.region, found.service)
    return verify_signature(found, request, signing_key=key)


def test_another_secret_is_refused_in_awss_words() -> None:
    """A signature of another key is 403 SignatureDoesNotMatch."""
    with pytest.raises(SignatureDoesNotMatch) as caught:
        verify(sign(unsigned()), secret="another")
    assert (caught.value.status, caught.value.message) == (403, MISMATCH)


def test_a_relayed_call_as_vault_makes_it_verifies() -> None:
    """Vault relays the request that its clients signed.

    They sign a form, its length and a header of Vault's own.
    """
    headers = (FORM_TYPE, ("Content-Length", "43"), ("X-Vault-AWS-IAM-Server-ID", "vault.example.org"))
    request = sign(unsigned(headers=headers), token="IQoJtoken")
    assert b"x-vault-aws-iam-server-id" in verify(request).signed_headers
    without = tuple(pair for pair in request.headers if pair[0] != b"x-vault-aws-iam-server-id")
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, headers=without))


def test_a_presigned_call_as_aws_iam_authenticator_makes_it_verifies() -> None:
    """The cluster's name is a signed header of a presigned request.

    A request for another cluster is refused.
    """
    target = "/?Action=GetCallerIdentity&Version=2011-06-15"
    request = presign(unsigned("GET", target, (("x-k8s-aws-id", "blue"),), b""), token="IQoJ+/==")
    verified = verify(request)
    assert (verified.access_key_id, verified.signed_headers) == (ACCESS_KEY_ID, (b"host", b"x-k8s-aws-id"))
    other = tuple((name, b"green" if value == b"blue" else value) for name, value in request.headers)
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, headers=other))


def test_a_presigned_query_with_a_body_it_was_not_signed_for_is_refused() -> None:
    """The signature covers the body of presigned requests too."""
    request = presign(unsigned("POST", "/?Action=GetCallerIdentity&Version=2011-06-15", (), b""))
    verify(request)
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, body=b"Action=AssumeRole"))


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64])
def test_no_header_stands_in_for_the_hash_of_the_body(payload: str) -> None:
    """UNSIGNED-PAYLOAD is valid for S3 only; a wrong hash never is."""
    request = sign(unsigned(headers=(FORM_TYPE, ("X-Amz-Content-SHA256", payload))))
    with pytest.raises(SignatureDoesNotMatch):
        verify(request)


@pytest.mark.parametrize("path", [b"*", b"!", b"/x", b"//x", b"/%2F"])
def test_another_path_is_another_request(path: bytes) -> None:
    """A signature for the root path does not cover any other path, in whichever order."""
    request = sign(unsigned())
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, path=path))


def test_a_body_too_long_to_be_read_is_not_verified_as_empty() -> None:
    """A signature over an empty body does not cover an oversized body."""
    request = presign(unsigned("POST", "/?Action=GetCallerIdentity", (), b""))
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, truncated=True))


def test_a_session_token_in_a_header_must_be_signed() -> None:
    """A relay must not be able to choose the session of a request."""
    request = sign(unsigned())
    headers = (*request.headers, (b"x-amz-security-token", b"added"))
    with pytest.raises(SignatureDoesNotMatch, match="'X-Amz-Security-Token' must be a 'SignedHeader'"):
        verify(replace(request, headers=headers))


def test_headers_that_proxies_add_change_nothing() -> None:
    """A signature covers the headers that it names."""
    request = sign(unsigned())
    added = ((b"x-amz-cf-id", b"abc"), (b"via", b"1.1 a"), (b"via", b"1.1 b"), (b"x-real-ip", b"10.0.0.1"))
    assert verify(replace(request, headers=request.headers + added)).signed_at == NOW


def test_a_repeated_signed_header_is_signed_as_one() -> None:
    """Repeated headers count together in their order.

    Thus a relay cannot add another one.
    """
    request = sign(unsigned(headers=(("My-Header", " a  b"), ("My-Header", "c"))))
    verify(request)
    for extra in (b"my-header", b"host", b"x-amz-date"):
        headers = (*request.headers, (extra, b"d"))
        found = find_signature(request)
        key = signing_key(SECRET, found.date, found.region, found.service)
        with pytest.raises(SignatureDoesNotMatch):
            verify_signature(found, replace(request, headers=headers), signing_key=key)


def test_a_date_header_may_stand_in_for_x_amz_date() -> None:
    """Botocore signs with the Date header when a caller sets one."""
    request = sign(unsigned(headers=(("Date", "whatever"),)))
    assert b"x-amz-date" not in dict(request.headers)
    assert verify(request).signed_at == NOW


@pytest.mark.parametrize(
    ("signed", "sent"),
    [
        ("a=%2B", "a=+"),
        ("a=b%20c", "a=b%2Bc"),
        ("a=1&b=2", "a=1%26b=2"),
        ("a=1&a=2", "a=2&a=1"),
        ("a=%2541", "a=%41"),
    ],
)
def test_a_query_that_means_something_else_is_refused(signed: str, sent: str) -> None:
    """A query must not change its meaning.

    Its encoding and order may differ from the signed ones.
    """
    request = sign(unsigned("GET", "/?" + signed, (), b""))
    verify(request)
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, query=sent.encode()))


@pytest.mark.parametrize(
    ("signed", "sent"),
    [("a=b%20c", "a=b+c"), ("a=%2F", "a=%2f"), ("a=A", "a=%41"), ("a=1&b=2", "b=2&a=1"), ("a=", "a")],
)
def test_a_query_that_means_the_same_verifies(signed: str, sent: str) -> None:
    """Clients and proxies may encode a query in any valid way."""
    request = sign(unsigned("GET", "/?" + signed, (), b""))
    verify(replace(request, query=sent.encode()))


def test_a_signature_in_capitals_is_refused() -> None:
    """A signature has one spelling."""
    request = sign(unsigned())
    found = find_signature(request)
    loud = request.headers[-1][1].replace(found.signature.encode(), found.signature.upper().encode())
    headers = (*request.headers[:-1], (b"authorization", loud))
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, headers=headers))


def test_a_derived_key_is_the_one_that_aws_documents() -> None:
    """The result is that of the example in AWS's documentation."""
    key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam")
    assert key.raw.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    assert repr(key) == "<secret>"


@pytest.mark.parametrize(
    ("key", "message", "expected"),
    [
        (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_signing_is_hmac_sha256(key: bytes, message: bytes, expected: str) -> None:
    """The prepared pads give the results of RFC 4231 for every key length."""
    assert SigV4SigningKey(key).sign(message) == expected


def test_derived_keys_are_remembered_and_bounded() -> None:
    """A derived key is cached, and the cache is bounded."""
    keys = SigningKeys(capacity=3)
    first = keys.key_for("a", "20260314", "eu-central-1", "sts")
    assert keys.key_for("a", "20260314", "eu-central-1", "sts") is first
    for secret in "bcdefg":
        keys.key_for(secret, "20260314", "eu-central-1", "sts")
        assert len(keys) <= 3
    assert keys.key_for("a", "20260314", "eu-central-1", "sts").raw == first.raw
    assert "a" not in repr(keys).replace("signing", "").split()
