"""The rules for a signature in the header and in the query: each rule has its reason, tested at its boundary."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.verify.signing import EMPTY, KEY_ID, NOW, SECRET, Signing, make_keys, raw_head

from daypass.authenticate.sigv4.canonical import s3_canonical_path
from daypass.errors import ExpiredToken, SignatureDoesNotMatch, Throttling
from daypass.verify import HeadError, KeyClaim, KeyGrant, StaticKeys, VerifyError, VerifyReason, static_caller
from daypass.verify.head import RequestHead, parse_head
from daypass.verify.payload import PayloadKind
from daypass.verify.signature import SignatureProfile, VerifiedRequest, plain_profile, s3_profile, verify_head

S3 = s3_profile("us-east-1".__eq__, "us-east-1")
PLAIN = plain_profile("inventory", "us-east-1".__eq__, "us-east-1")
HASH = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
SECOND, MOMENT = timedelta(seconds=1), timedelta(microseconds=1)


def verify(
    head: RequestHead, *, keys: StaticKeys | None = None, now: datetime = NOW, profile: SignatureProfile = S3
) -> VerifiedRequest:
    """Return the verified request; it must have a signature."""
    verified = verify_head(head, keys or make_keys(), service=profile, now=now)
    assert verified is not None
    return verified


def refuse(
    head: RequestHead, *, keys: StaticKeys | None = None, now: datetime = NOW, profile: SignatureProfile = S3
) -> VerifyError:
    """Return the refusal."""
    with pytest.raises(VerifyError) as refused:
        verify_head(head, keys or make_keys(), service=profile, now=now)
    return refused.value


def with_header(block: bytes, line: bytes) -> RequestHead:
    """Return a signed head with one more header, which is not signed."""
    return parse_head(block + b"\r\n" + line)


# One signature, in one place --------------------------------------------------------------------------------


def test_a_request_without_a_signature_is_anonymous() -> None:
    """The resource's policy decides about it."""
    head = parse_head(raw_head("GET", "/bucket/key?versionId=1", {"host": "a"}))
    assert verify_head(head, make_keys(), service=S3, now=NOW) is None


_V2 = "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1&Signature=x"
_MISPLACED: dict[str, tuple[Callable[[], RequestHead], VerifyReason]] = {
    "version 2 in the header": (
        lambda: parse_head(raw_head("GET", "/b/k", {"host": "a", "authorization": f"AWS {KEY_ID}:abc="})),
        VerifyReason.SIGNATURE_VERSION_2,
    ),
    "version 2 in the query": (
        lambda: parse_head(raw_head("GET", f"/b/k?{_V2}", {"host": "a"})),
        VerifyReason.SIGNATURE_VERSION_2,
    ),
    "version 2 beside a header": (lambda: Signing(query=_V2).by_header(), VerifyReason.TWO_MECHANISMS),
    "a header beside a presigned query": (
        lambda: with_header(Signing().block_presigned(), b"Authorization: AWS4-HMAC-SHA256 x"),
        VerifyReason.TWO_MECHANISMS,
    ),
    "a token in the query of a header signature": (
        lambda: Signing(query="X-Amz-Security-Token=t").by_header(),
        VerifyReason.TWO_MECHANISMS,
    ),
    "a signature of another spelling in the query": (
        lambda: Signing(query="x-amz-signature=1").presigned(),
        VerifyReason.QUERY_MALFORMED,
    ),
    "an escaped second signature": (
        lambda: Signing(query="X-Amz-%53ignature=1").presigned(),
        VerifyReason.QUERY_MALFORMED,
    ),
    "a second X-Amz-Expires": (lambda: Signing(query="X-Amz-Expires=1").presigned(), VerifyReason.QUERY_MALFORMED),
    "a date alone in the query": (lambda: Signing(query="X-Amz-Date=1").presigned(), VerifyReason.QUERY_MALFORMED),
    "a bearer token": (
        lambda: parse_head(raw_head("GET", "/b/k", {"host": "a", "authorization": "Bearer abc"})),
        VerifyReason.ALGORITHM,
    ),
    "version 4A": (
        lambda: parse_head(raw_head("GET", "/b/k", {"host": "a", "authorization": "AWS4-ECDSA-P256-SHA256 a=b"})),
        VerifyReason.ALGORITHM,
    ),
    "an empty header": (
        lambda: parse_head(raw_head("GET", "/b/k", {"host": "a", "authorization": ""})),
        VerifyReason.ALGORITHM,
    ),
    "a header without parts": (
        lambda: parse_head(
            raw_head(
                "GET", "/b/k", {"host": "a", "x-amz-date": "20130524T000000Z", "authorization": "AWS4-HMAC-SHA256 x"}
            )
        ),
        VerifyReason.HEADER_MALFORMED,
    ),
    "a query without parts": (
        lambda: parse_head(raw_head("GET", "/b/k?X-Amz-Signature=x", {"host": "a"})),
        VerifyReason.QUERY_MALFORMED,
    ),
}


@pytest.mark.parametrize("name", _MISPLACED)
def test_a_signature_is_in_one_place_and_of_version_4(name: str) -> None:
    """Two signatures in one request are refused: another reader might verify the other one."""
    make, reason = _MISPLACED[name]
    assert refuse(make()).reason is reason


# Scope and time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        (Signing(service="sts"), VerifyReason.WRONG_SERVICE),
        (Signing(region="eu-west-1"), VerifyReason.WRONG_REGION),
        (Signing(region="US-EAST-1"), VerifyReason.WRONG_REGION),
    ],
)
def test_the_scope_names_this_service(signing: Signing, reason: VerifyReason, *, presigned: bool) -> None:
    """A signature for another service or region does not count here, although the key is right."""
    refused = refuse(signing.presigned() if presigned else signing.by_header())
    assert refused.reason is reason
    assert refused.fields == ({"Region": "us-east-1"} if reason is VerifyReason.WRONG_REGION else {"Service": "s3"})


def test_the_scope_names_the_day_of_the_signature() -> None:
    """A key that was derived for another day does not count."""
    block = Signing().block_by_header().replace(b"/20130524/us-east-1", b"/20130523/us-east-1")
    assert refuse(parse_head(block)).reason is VerifyReason.WRONG_DATE
    ended = Signing().block_by_header().replace(b"/aws4_request", b"/aws5_request")
    assert refuse(parse_head(ended)).reason is VerifyReason.WRONG_TERMINATOR


@pytest.mark.parametrize("sign", [1, -1])
def test_a_header_signature_lives_for_fifteen_minutes(sign: int) -> None:
    """Exactly 15 minutes are accepted in both directions, and one moment more is not."""
    head, last = Signing().by_header(), NOW + sign * timedelta(minutes=15)
    verify(head, now=last)
    refused = refuse(head, now=last + sign * MOMENT)
    assert refused.reason is VerifyReason.TOO_SKEWED
    assert refused.fields["RequestTime"] == "20130524T000000Z"


@pytest.mark.parametrize("seconds", [1, 3600, 604_800])
def test_a_presigned_url_lives_as_long_as_it_says(seconds: int) -> None:
    """The last second counts; a URL that is 15 minutes early is the earliest."""
    head = Signing().presigned(seconds)
    for now in (NOW + seconds * SECOND, NOW - timedelta(minutes=15)):
        assert verify(head, now=now).presigned
    assert refuse(head, now=NOW + seconds * SECOND + MOMENT).reason is VerifyReason.URL_EXPIRED
    assert refuse(head, now=NOW - timedelta(minutes=15) - MOMENT).reason is VerifyReason.URL_NOT_YET_VALID


@pytest.mark.parametrize(
    "expires", ["0", "-1", "604801", "1000000", "", "60.0", "+60", "060", "1e3", " 60", "6_0", "\u0666\u0660", "x"]
)
def test_the_lifetime_is_a_number_within_a_week(expires: str) -> None:
    """X-Amz-Expires is from 1 to 604,800."""
    assert refuse(Signing().presigned(expires)).reason is VerifyReason.EXPIRES


def test_a_lifetime_is_required() -> None:
    """S3 requires X-Amz-Expires; without it a URL would live for ever or for a default that the signer did not see."""
    block = Signing().block_presigned().replace(b"X-Amz-Expires=3600&", b"")
    assert refuse(parse_head(block)).reason is VerifyReason.QUERY_MALFORMED


def test_a_presigned_url_ends_with_its_session() -> None:
    """The end of a session is exclusive, and its URLs end with it."""
    head = Signing(token="token").presigned(3600)
    keys = make_keys(token="token", expires=int(NOW.timestamp()) + 60)
    verify(head, keys=keys, now=NOW + 59 * SECOND)
    assert refuse(head, keys=keys, now=NOW + 60 * SECOND).reason is VerifyReason.EXPIRED_TOKEN


class _ForgetfulKeys(StaticKeys):
    """A provider that grants keys of sessions that have expired."""

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:  # noqa: ARG002 - it forgets the time
        return super().find(claim, datetime.fromtimestamp(0, UTC))


def test_the_end_of_a_session_is_checked_here_too() -> None:
    """A provider with a stale cache cannot make a session outlive its end."""
    keys = _ForgetfulKeys()
    keys.add(static_caller("111122223333", "a", access_key_id=KEY_ID, expires=int(NOW.timestamp())), secret=SECRET)
    assert refuse(Signing().by_header(), keys=keys).reason is VerifyReason.EXPIRED_TOKEN


@pytest.mark.parametrize("stamp", ["", "20130524", "2013-05-24T00:00:00Z", "20130524T000000", "20131324T000000Z"])
def test_a_date_must_be_readable(stamp: str) -> None:
    """A malformed x-amz-date is a refusal of its own."""
    block = Signing().block_by_header().replace(b"x-amz-date: 20130524T000000Z", b"x-amz-date: " + stamp.encode())
    assert refuse(parse_head(block)).reason is VerifyReason.DATE


# Headers that must be signed --------------------------------------------------------------------------------


@pytest.mark.parametrize("presigned", [False, True])
@pytest.mark.parametrize(
    "line",
    [b"x-amz-acl: public-read", b"X-Amz-Copy-Source: a/b", b"x-amz-meta-a: b", b"x-amz-date: 20130524T000000Z"],
)
def test_an_unsigned_amz_header_is_refused(line: bytes, *, presigned: bool) -> None:
    """The service would read it, so the caller must have signed it."""
    signing = Signing(leave_unsigned=frozenset({"x-amz-date"} if line.startswith(b"x-amz-date") else ()))
    block = signing.block_presigned() if presigned else signing.block_by_header()
    name = line.partition(b":")[0].decode().lower()
    refused = refuse(parse_head(block) if f"\r\n{name}:".encode() in block else with_header(block, line))
    assert refused.reason is VerifyReason.HEADERS_NOT_SIGNED
    assert refused.fields["HeadersNotSigned"] == name


def test_the_form_of_the_body_is_a_signed_header() -> None:
    """Only a presigned request may have x-amz-content-sha256 outside SignedHeaders, as its signer did not know it."""
    refused = refuse(Signing(leave_unsigned=frozenset({"x-amz-content-sha256"})).by_header())
    assert refused.fields["HeadersNotSigned"] == "x-amz-content-sha256"


def test_host_must_be_signed() -> None:
    """A signature without Host would be valid at any server."""
    for head in (Signing(leave_unsigned=frozenset({"host"})).by_header(),):
        assert refuse(head).fields["HeadersNotSigned"] == "host"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-meta-100%b": "1"},
        {"x-amz-meta-%": "%b", "x-amz-meta-%%s": "%"},
        {"x-amz-meta-a": "one space"},
        {"x-amz-meta-a": "two  spaces"},
        {"x-amz-meta-a": "a\ttab"},
        {"x-amz-meta-a": ""},
    ],
)
def test_a_signed_header_has_one_canonical_form(headers: dict[str, str]) -> None:
    """A percent sign is an ordinary character, and spaces are folded."""
    signing = Signing(headers=headers)
    assert verify(signing.by_header()).signed_headers >= {name.encode() for name in headers}
    name, value = next(iter(headers.items()))
    changed = signing.block_by_header().replace(f"{name}: {value}".encode(), f"{name}: {value}x".encode())
    assert refuse(parse_head(changed)).reason is VerifyReason.SIGNATURE_MISMATCH


def test_a_header_is_signed_once() -> None:
    """A list that names a header twice has two canonical forms, also with a right signature over one of them."""
    signing = Signing()
    block = signing.block_by_header()
    listed = b"host;x-amz-content-sha256;x-amz-date"
    assert listed in block
    twice = "host;host;x-amz-content-sha256;x-amz-date"
    headers = {"host": "s3.example", "x-amz-content-sha256": EMPTY, "x-amz-date": signing.stamp}
    signature = signing.sign(signing.canonical("", headers, twice.split(";"), EMPTY))
    block = re.sub(rb"Signature=[0-9a-f]+", b"Signature=" + signature.encode(), block.replace(listed, twice.encode()))
    refused = refuse(parse_head(block))
    assert refused.message == "SignedHeaders names a header twice, or a header that is not in the request."


def test_static_keys_end_with_their_session() -> None:
    """A provider refuses it too, as its protocol promises."""
    end = int(NOW.timestamp())
    keys = make_keys(expires=end)
    claim = KeyClaim(KEY_ID, None, "20130524", "us-east-1", "s3", "", "", False, NOW)
    assert keys.find(claim, NOW - SECOND).caller.expires == end
    with pytest.raises(ExpiredToken):
        keys.find(claim, NOW)


def test_a_static_key_is_replaced_and_removed() -> None:
    """A running service can give a caller a new secret, or refuse it."""
    keys, head = make_keys(), parse_head(Signing().block_by_header())
    verify(head, keys=keys)
    keys.add(verify(head, keys=keys).caller, secret="another secret")
    assert refuse(head, keys=keys).reason is VerifyReason.SIGNATURE_MISMATCH
    keys.remove(KEY_ID)
    assert refuse(head, keys=keys).reason is VerifyReason.UNKNOWN_KEY
    keys.remove(KEY_ID)


def test_other_headers_may_stay_unsigned() -> None:
    """SDKs and proxies add headers that do not affect the decision."""
    verify(with_header(Signing().block_by_header(), b"User-Agent: x"))
    verify(with_header(Signing().block_presigned(), b"Range: bytes=0-1"))


# Payload ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (HASH, PayloadKind.HASH),
        ("UNSIGNED-PAYLOAD", PayloadKind.UNSIGNED),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PayloadKind.SIGNED_CHUNKS),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", PayloadKind.SIGNED_CHUNKS_TRAILER),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", PayloadKind.UNSIGNED_TRAILER),
    ],
)
def test_s3_accepts_five_forms_of_a_body(value: str, kind: PayloadKind) -> None:
    """The form is part of the signature."""
    assert verify(Signing(payload=value).by_header()).payload.kind is kind


@pytest.mark.parametrize(
    "value",
    [
        "",
        HASH.upper(),
        HASH[:-1],
        HASH + "0",
        "unsigned-payload",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
        "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD",
        "STREAMING-SOMETHING-NEW",
        "SHA-256",
    ],
)
def test_other_forms_are_refused(value: str) -> None:
    """A form that is not known here cannot be verified."""
    assert refuse(Signing(payload=value).by_header()).reason is VerifyReason.PAYLOAD_INVALID


def test_s3_requires_the_form_in_a_header_signature() -> None:
    """S3: "Missing required header for this request: x-amz-content-sha256"."""
    head = Signing(plain=True).by_header()
    assert refuse(head).reason is VerifyReason.PAYLOAD_MISSING


def test_a_presigned_request_may_name_its_form() -> None:
    """In its query, as JavaScript's presigner does, or in a header; the signature covers it in either place."""
    query = Signing(payload=HASH).presigned(**{"X-Amz-Content-Sha256": HASH})
    signed_header = Signing(payload=HASH, headers={"x-amz-content-sha256": HASH})
    unsigned_header = with_header(Signing(payload=HASH).block_presigned(), b"x-amz-content-sha256: " + HASH.encode())
    for head in (query, signed_header.presigned(), unsigned_header):
        assert verify(head).payload.value == HASH
    changed = with_header(Signing().block_presigned(), b"x-amz-content-sha256: " + HASH.encode())
    assert refuse(changed).reason is VerifyReason.SIGNATURE_MISMATCH
    twice = Signing(payload=HASH, headers={"x-amz-content-sha256": HASH}).presigned(**{"X-Amz-Content-Sha256": HASH})
    assert refuse(twice).reason is VerifyReason.PAYLOAD_INVALID


# Key and token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "given_token", "reason"),
    [
        (None, "token", VerifyReason.INVALID_TOKEN),
        ("token", None, VerifyReason.UNKNOWN_KEY),
        ("token", "other", VerifyReason.INVALID_TOKEN),
        ("token", "", VerifyReason.INVALID_TOKEN),
        (None, "", VerifyReason.INVALID_TOKEN),
    ],
)
def test_a_token_belongs_to_its_key(expected: str | None, given_token: str | None, reason: VerifyReason) -> None:
    """A session's key needs the session's token, and a long-term key must come without one."""
    for head in (Signing(token=given_token).by_header(), Signing(token=given_token).presigned()):
        assert refuse(head, keys=make_keys(token=expected)).reason is reason


def test_a_token_is_given_once() -> None:
    """A token in the query and one in a header are refused, even if both are signed and equal."""
    head = Signing(token="t", headers={"x-amz-security-token": "t"}).presigned()
    assert refuse(head, keys=make_keys(token="t")).reason is VerifyReason.TOKEN_TWICE


def test_a_token_may_be_a_signed_header_of_a_presigned_request() -> None:
    """Botocore does so for other services."""
    head = Signing(headers={"x-amz-security-token": "t"}).presigned()
    verify(head, keys=make_keys(token="t"))


def test_an_unknown_key_is_named() -> None:
    """S3 repeats the id of the unknown key."""
    refused = refuse(Signing().by_header(), keys=StaticKeys())
    assert (refused.reason, refused.fields) == (VerifyReason.UNKNOWN_KEY, {"AWSAccessKeyId": KEY_ID})


def test_a_wrong_signature_shows_what_was_signed() -> None:
    """S3 repeats its string to sign and canonical request, so that a signer can be repaired. No secret is in it."""
    block = Signing(token="t").block_by_header()
    refused = refuse(parse_head(block[:-1] + (b"1" if block[-1:] == b"0" else b"0")), keys=make_keys(token="t"))
    assert refused.reason is VerifyReason.SIGNATURE_MISMATCH
    assert refused.fields["CanonicalRequest"].startswith("GET\n/bucket/key\n\nhost:s3.example\n")
    assert SECRET not in str(refused.fields)


class _RefusingKeys:
    """A provider that raises."""

    def __init__(self, fault: Exception) -> None:
        self._fault = fault

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:  # noqa: ARG002 - it always raises
        raise self._fault


def test_other_faults_of_a_provider_pass_through() -> None:
    """Throttling and outages are not about the key; a wrong signature that the provider found is one here too."""
    head = Signing().by_header()
    with pytest.raises(Throttling):
        verify_head(head, _RefusingKeys(Throttling("slow down")), service=S3, now=NOW)
    with pytest.raises(VerifyError) as refused:
        verify_head(head, _RefusingKeys(SignatureDoesNotMatch("no")), service=S3, now=NOW)
    assert refused.value.reason is VerifyReason.SIGNATURE_MISMATCH


# Every byte counts ------------------------------------------------------------------------------------------

_SIGNED = Signing(
    method="PUT",
    path="/bucket/a%2Fb+c/d",
    query="partNumber=1&uploadId=a%20b+c",
    headers={"content-type": "text/plain", "x-amz-meta-a": "b"},
    payload=HASH,
)


def _words(head: RequestHead) -> dict[bytes, list[bytes]]:
    """Return the values of the headers. The parts of Authorization are separated by commas or spaces."""
    separated = {b"authorization": head.headers.get(b"authorization", b"").replace(b",", b" ")}
    return {name: value.split() for name, value in {**head.headers, **separated}.items()}


@given(st.data())
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_byte_is_refused(data: st.DataObject) -> None:
    """Any other byte at any place of the head: refused, or the very same meaning."""
    presigned = data.draw(st.booleans())
    block = _SIGNED.block_presigned() if presigned else _SIGNED.block_by_header()
    at = data.draw(st.integers(0, len(block) - 1))
    byte = data.draw(st.integers(0, 255))
    changed = block[:at] + bytes([byte]) + block[at + 1 :]
    assume(changed != block)
    original = parse_head(block)
    try:
        head = parse_head(changed)
        if verify_head(head, make_keys(), service=S3, now=NOW) is None:
            return  # The name of the Authorization header was changed: the request is anonymous.
    except (HeadError, VerifyError):
        return
    # The same method, headers and canonical target: only a spelling differs (letters of a name, %2f for %2F, spaces).
    assert head.method == original.method
    assert s3_canonical_path(head.path) == s3_canonical_path(original.path)
    assert _words(head) == _words(original)


@given(
    st.sampled_from(["/bucket/key", "/a//b/../c", "/a%2Fb", "/%2e%2e/x", "/a\\b", "/a+b", "/", "//", "/~x", "/%00"]),
    st.sampled_from(["/bucket/key", "/a/b/../c", "/a//b/c", "/a/b", "/x", "/%2e%2e/x/", "/a%20b", "//", "/", "/%7Ex"]),
)
def test_a_signature_is_for_one_key(signed: str, sent: str) -> None:
    """Two paths have the same signature only if they decode to the same key. Slashes and dots are never folded."""
    block = Signing(path=signed).block_by_header()
    head = parse_head(block.replace(f"GET {signed} ".encode(), f"GET {sent} ".encode(), 1))
    if s3_canonical_path(sent.encode()) == s3_canonical_path(signed.encode()):
        verify(head)
    else:
        assert refuse(head).reason is VerifyReason.SIGNATURE_MISMATCH


@given(st.binary(max_size=40))
def test_every_spelling_of_a_path_has_one_meaning(key: bytes) -> None:
    """Escaped, half escaped and plain spellings of one key have the same canonical path, which decodes to it."""
    everything = b"/" + b"".join(b"%%%02x" % byte for byte in key)
    capitals = b"/" + b"".join(b"%%%02X" % byte for byte in key)
    canonical = s3_canonical_path(everything)
    assert canonical == s3_canonical_path(capitals) == s3_canonical_path(canonical)


def test_a_plus_sign_in_a_query_is_a_plus_sign() -> None:
    """S3's signers send a space as %20, so a plus sign cannot become a space under a valid signature."""
    block = Signing(query="prefix=a+b").block_by_header()
    verify(parse_head(block))
    verify(parse_head(block.replace(b"a+b", b"a%2Bb", 1)))
    assert refuse(parse_head(block.replace(b"a+b", b"a%20b", 1))).reason is VerifyReason.SIGNATURE_MISMATCH


# Services of one's own --------------------------------------------------------------------------------------


def test_a_plain_service_encodes_the_path_twice() -> None:
    """Only S3 encodes it once; a signature in the other form is refused."""
    own = Signing(service="inventory", plain=True, path="/items/a%20b")
    assert verify(own.by_header(), profile=PLAIN).payload.value == EMPTY
    own.plain = False
    assert refuse(own.by_header(), profile=PLAIN).reason is VerifyReason.SIGNATURE_MISMATCH


@pytest.mark.parametrize("value", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_plain_service_requires_a_signed_body(value: str) -> None:
    """A service that reads its body must know that the caller signed it."""
    signing = Signing(service="inventory", plain=True, payload=value, headers={"x-amz-content-sha256": value})
    assert refuse(signing.by_header(), profile=PLAIN).reason is VerifyReason.PAYLOAD_INVALID


def test_the_hash_of_the_body_completes_a_signature() -> None:
    """Botocore's signer does not send the hash: the service reads the body first."""
    signing = Signing(service="inventory", plain=True, method="POST", payload=HASH, headers={"content-length": "21"})
    head = signing.by_header()
    assert refuse(head, profile=PLAIN).reason is VerifyReason.PAYLOAD_MISSING
    chunked = with_header(Signing(service="inventory", plain=True).block_by_header(), b"Transfer-Encoding: chunked")
    assert refuse(chunked, profile=PLAIN).reason is VerifyReason.PAYLOAD_MISSING
    verified = verify_head(head, make_keys(), service=PLAIN, now=NOW, body_sha256=HASH)
    assert verified is not None
    with pytest.raises(VerifyError) as refused:
        verify_head(head, make_keys(), service=PLAIN, now=NOW, body_sha256=EMPTY)
    assert refused.value.reason is VerifyReason.SIGNATURE_MISMATCH


def test_a_named_hash_must_be_the_bodys() -> None:
    """A right signature over the hash of another body is refused as such."""
    signing = Signing(service="inventory", plain=True, payload=HASH, headers={"x-amz-content-sha256": HASH})
    with pytest.raises(VerifyError) as refused:
        verify_head(signing.by_header(), make_keys(), service=PLAIN, now=NOW, body_sha256=EMPTY)
    assert refused.value.reason is VerifyReason.BODY_HASH
