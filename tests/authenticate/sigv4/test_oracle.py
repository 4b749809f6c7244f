"""Daypass verifies every request that botocore can sign.

The signature covers every part of the request.
"""

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.authenticate.sigv4.signing import (
    ACCESS_KEY_ID,
    FORM,
    FORM_TYPE,
    NOW,
    REGION,
    SECRET,
    Pairs,
    presign,
    sign,
    unsigned,
)

from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.signature import VerifiedSignature
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.errors import Fault, SignatureDoesNotMatch
from daypass.wire.http import HttpRequest

HEADER_NAMES = ["X-Vault-Aws-Iam-Server-Id", "X-K8s-Aws-Id", "My-Header", "X-Amz-Target"]


def encoded(text: str) -> str:
    """Return a name or value in the encoding of AWS's clients for queries."""
    return quote(text, safe="-_.~")


METHODS = st.sampled_from(["GET", "POST", "PUT", "HEAD"])
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8)
NAMES = WORDS.map(lambda word: "P" + word)
QUERIES = st.dictionaries(NAMES, WORDS, max_size=4).map(
    lambda pairs: "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs.items())
)
SEGMENTS = st.sampled_from(["", ".", "..", "a", "a b", "é", "%41", "~-_.", "ሴ", "a+b"])
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda parts: "/" + quote("/".join(parts), safe="/~-_.+"))
# Without CR, LF and NUL: a server that accepts those is broken before the signature is checked.
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), max_size=12)
HEADERS = st.lists(
    st.tuples(st.sampled_from(HEADER_NAMES), VALUES),
    max_size=5,
).map(tuple)
BODIES = st.binary(max_size=64)


def verify(request: HttpRequest) -> VerifiedSignature:
    """Verify a request in the way of the authenticator.

    The secret is known.
    """
    found = find_signature(request)
    key = signing_key(SECRET, found.date, found.region, found.service)
    return verify_signature(found, request, signing_key=key)


@settings(max_examples=150, deadline=None)
@given(METHODS, PATHS, QUERIES, HEADERS, BODIES)
def test_whatever_botocore_signs_in_the_header_verifies(
    method: str, path: str, query: str, headers: Pairs, body: bytes
) -> None:
    """The canonical request is that of AWS's signer, for any method, path, query, header and body."""
    target = f"{path}?{query}" if query else path
    verified = verify(sign(unsigned(method, target, headers, body)))
    assert (verified.access_key_id, verified.region, verified.service) == (ACCESS_KEY_ID, REGION, "sts")
    assert verified.signed_at == NOW
    assert not verified.presigned


@settings(max_examples=150, deadline=None)
@given(METHODS, PATHS, QUERIES, HEADERS, st.sampled_from([None, "IQoJ+/=token"]))
def test_whatever_botocore_presigns_verifies(
    method: str, path: str, query: str, headers: Pairs, token: str | None
) -> None:
    """A presigned query verifies with any signed headers and session token."""
    target = f"{path}?{query}" if query else path
    request = presign(unsigned(method, target, headers, b""), token=token)
    assert verify(request).presigned
    assert find_signature(request).token == token


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_altered_byte_of_the_body_breaks_the_signature(data: st.DataObject) -> None:
    """The signature covers the body."""
    request = sign(unsigned())
    position = data.draw(st.integers(0, len(FORM) - 1))
    change = data.draw(st.integers(1, 255))
    body = bytearray(FORM)
    body[position] ^= change
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, body=bytes(body)))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_altered_byte_of_a_signed_header_or_of_the_authorization_is_refused(data: st.DataObject) -> None:
    """Signed headers and the Authorization header cannot be altered."""
    request = sign(unsigned(headers=(FORM_TYPE, ("X-K8s-Aws-Id", "cluster"))), token="IQoJtoken")
    index = data.draw(st.integers(0, len(request.headers) - 1))
    name, value = request.headers[index]
    if name not in signed_names(request) and name != b"authorization":
        return
    position = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.sampled_from(b"aA0/;=,.~\x7f\xff"))
    altered = value[:position] + bytes([letter]) + value[position + 1 :]
    # The parts of the header are separated by any number of commas and spaces.
    if altered.replace(b",", b" ").split() == value.replace(b",", b" ").split():
        return
    headers = (*request.headers[:index], (name, altered), *request.headers[index + 1 :])
    try:
        verified = verify(replace(request, headers=headers))
    except Fault:
        return
    # An altered access key ID is a different claim, which is verified with another secret.
    assert verified.access_key_id != ACCESS_KEY_ID


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_altered_byte_of_a_presigned_query_is_refused(data: st.DataObject) -> None:
    """The parameters of a presigned query cannot be altered, added or cut."""
    request = presign(unsigned("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", (), b""), token="t+/=")
    key_id_at = request.query.index(ACCESS_KEY_ID.encode())
    position = data.draw(st.integers(0, len(request.query) - 1))
    if key_id_at <= position < key_id_at + len(ACCESS_KEY_ID):
        return
    letter = data.draw(st.sampled_from(b"aA0&=%+;~\xff"))
    altered = request.query[:position] + bytes([letter]) + request.query[position + 1 :]
    if altered == request.query:
        return
    with pytest.raises(Fault):
        verify(replace(request, query=altered))


@pytest.mark.parametrize(
    ("change", "value"),
    [("method", "GET"), ("path", b"/other"), ("query", b"a=b"), ("query", b"Action=GetCallerIdentity")],
)
def test_method_path_and_query_are_bound(change: str, value: object) -> None:
    """The signature covers method, path and query."""
    request = sign(unsigned())
    with pytest.raises(SignatureDoesNotMatch):
        verify(replace(request, **{change: value}))


def test_every_truncation_of_the_authorization_header_is_refused() -> None:
    """A truncated Authorization header is refused with a Fault."""
    request = sign(unsigned())
    full = dict(request.headers)[b"authorization"]
    for length in range(len(full)):
        headers = tuple((n, full[:length] if n == b"authorization" else v) for n, v in request.headers)
        with pytest.raises(Fault):
            verify(replace(request, headers=headers))


def test_every_truncation_of_a_presigned_query_is_refused() -> None:
    """A truncated presigned query is refused with a Fault."""
    request = presign(unsigned("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", (), b""))
    for length in range(len(request.query)):
        with pytest.raises(Fault):
            verify(replace(request, query=request.query[:length]))


def signed_names(request: HttpRequest) -> tuple[bytes, ...]:
    """Return the names of the signed headers of a request."""
    return find_signature(request).signed_headers
