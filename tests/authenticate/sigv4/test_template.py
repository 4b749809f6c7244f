"""A prepared canonical request is the one that is made step by step."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.authenticate.sigv4.signing import FORM_TYPE, SECRET, sign, unsigned

from daypass.authenticate.sigv4.canonical import canonical_headers, canonical_request
from daypass.authenticate.sigv4.find import find_signature
from daypass.authenticate.sigv4.signature import UnverifiedSignature, VerifiedSignature
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.authenticate.sigv4.template import make_template
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.errors import Fault
from daypass.wire.http import HttpRequest

CREDENTIAL = ("AKIA", "20261130", "us-east-1", "sts", "aws4_request")
_NAMES = st.text("abcx-%;:()s", min_size=0, max_size=6).map(str.encode)
_WORDS = st.text([chr(number) for number in range(0x21, 0x7F)], min_size=1, max_size=5)
_VALUES = st.lists(_WORDS, min_size=1, max_size=3).map(" ".join).map(str.encode)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_NAMES, _VALUES, max_size=6), st.lists(_NAMES, max_size=4), st.data())
def test_the_template_makes_the_canonical_request(
    by_name: dict[bytes, bytes], more: list[bytes], data: st.DataObject
) -> None:
    """For any signed names and plain values, or it leaves the request to the other way."""
    signed = tuple(data.draw(st.permutations([*by_name, *more])))
    template = make_template(CREDENTIAL, signed)
    lines = canonical_headers(by_name, signed)
    payload = sha256(b"").hexdigest().encode()
    if template is None:
        assert len(signed) < 2 or lines is None
        return
    assert template.scope == "20261130/us-east-1/sts/aws4_request"
    filled = template.fill(by_name, payload)
    assert filled == (None if lines is None else canonical_request("POST", b"/", b"", lines, signed, payload))


def plain(request: HttpRequest) -> HttpRequest:
    """Return a request as a connection reads it in its plain form."""
    assert all(b" ".join(value.split()) == value for _, value in request.headers)
    return replace(request, by_name=dict(request.headers))


def outcome(request: HttpRequest, secret: str = SECRET) -> tuple[UnverifiedSignature | None, VerifiedSignature | str]:
    """Return the claims and the result of a signature check, or the refusal."""
    try:
        found = find_signature(request)
        key = signing_key(secret, found.date, found.region, found.service)
        return found, verify_signature(found, request, signing_key=key)
    except Fault as fault:
        return None, f"{fault.code} {fault.message} {fault.detail}"


def test_a_plain_request_uses_the_template() -> None:
    """The headers of SDKs do."""
    found = find_signature(plain(sign(unsigned(headers=(FORM_TYPE,)))))
    assert found.template is not None
    assert found.template.fill({}, b"") is None


BASE = sign(unsigned(headers=(FORM_TYPE, ("User-Agent", "a b"))), token="IQoJtoken")
_HEADERS = dict(BASE.headers)
_AUTHORIZATION = _HEADERS[b"authorization"]


def having(**changed: str | None) -> HttpRequest:
    """Return the signed request with other headers."""
    headers = dict(BASE.headers)
    for name, value in changed.items():
        if value is None:
            del headers[name.replace("_", "-").encode()]
        else:
            headers[name.replace("_", "-").encode()] = value.encode()
    return replace(BASE, headers=tuple(headers.items()))


def authorized(old: bytes, new: bytes) -> HttpRequest:
    """Return the signed request with another Authorization header."""
    assert old in _AUTHORIZATION
    return having(authorization=_AUTHORIZATION.replace(old, new).decode())


CHANGED = {
    "unchanged": BASE,
    "another body": replace(BASE, body=BASE.body + b"&"),
    "an empty body": replace(BASE, body=b""),
    "a body that was too long": replace(BASE, body=b"", truncated=True),
    "another method": replace(BASE, method="GET"),
    "another path": replace(BASE, path=b"/x"),
    "the same path, spelled otherwise": replace(BASE, path=b"//"),
    "a query": replace(BASE, query=b"Action=x"),
    "another host": having(host="other"),
    "another type": having(content_type="text/plain"),
    "another token": having(x_amz_security_token="IQoJother"),
    "no token": having(x_amz_security_token=None),
    "no host": having(host=None),
    "no type": having(content_type=None),
    "another time": having(x_amz_date="20260314T120001Z"),
    "no time": having(x_amz_date=None),
    "another header that is not signed": having(x_forwarded_for="10.0.0.1"),
    "no signature": having(authorization=None),
    "another key": authorized(b"Credential=AKID", b"Credential=AKIE"),
    "another region": authorized(b"eu-central-1", b"eu-central-2"),
    "a token that is not signed": authorized(b";x-amz-security-token", b""),
    "a header named twice": authorized(b"SignedHeaders=", b"SignedHeaders=host;"),
    "a header that is missing": authorized(b"SignedHeaders=", b"SignedHeaders=absent;"),
    "an empty name": authorized(b"SignedHeaders=", b"SignedHeaders=;"),
    "a name in capitals": authorized(b"SignedHeaders=c", b"SignedHeaders=C"),
    "names in another order": authorized(b"content-type;host", b"host;content-type"),
    "one name": authorized(b"content-type;host;x-amz-date;x-amz-security-token", b"x-amz-security-token"),
    "another signature": having(authorization=_AUTHORIZATION.decode()[:-1] + "g"),
    "a signature in capitals": having(authorization=(_AUTHORIZATION[:-64] + _AUTHORIZATION[-64:].upper()).decode()),
    "a short signature": having(authorization=_AUTHORIZATION[:-1].decode()),
    "a percent sign": authorized(b"SignedHeaders=", b"SignedHeaders=%b;"),
}


@pytest.mark.parametrize("request_", CHANGED.values(), ids=CHANGED)
def test_both_ways_have_the_same_outcome(request_: HttpRequest) -> None:
    """A changed request is refused with the same Fault, and the signed one has the same result."""
    assert outcome(plain(request_)) == outcome(request_)
    assert outcome(plain(request_), "another") == outcome(request_, "another")


def test_what_the_changes_do() -> None:
    """Only changes that no signature covers are accepted. The key itself is found by its ID, which is here any."""
    accepted = {name for name, each in CHANGED.items() if isinstance(outcome(plain(each))[1], VerifiedSignature)}
    assert accepted == {
        "unchanged",
        "another key",
        "another header that is not signed",
        "the same path, spelled otherwise",
    }
