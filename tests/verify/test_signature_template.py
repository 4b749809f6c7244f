"""The template of a header signature: it changes the cost of a verification, and never its result."""

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.verify.signing import EMPTY, NOW, Signing, make_keys

from daypass.errors import InvalidClientTokenId
from daypass.verify import HeadError, StaticKeys, VerifyError, VerifyReason
from daypass.verify.head import RequestHead, parse_head
from daypass.verify.signature import VerifiedRequest, plain_profile, s3_profile, verify_head
from daypass.verify.signature_template import find_template

S3 = s3_profile("us-east-1".__eq__, "us-east-1")
MOMENT = timedelta(microseconds=1)
MINUTES = timedelta(minutes=15)
Result = VerifiedRequest | tuple[VerifyReason, str, dict[str, str]] | None


def result(head: RequestHead, keys: StaticKeys, now: datetime = NOW) -> Result:
    """Return the verified request, or everything about its refusal."""
    try:
        return verify_head(head, keys, service=S3, now=now)
    except VerifyError as error:
        return error.reason, error.message, dict(error.fields)


def both(block: bytes, keys: StaticKeys, now: datetime = NOW) -> Result:
    """Return the result with the template, which is that of the whole way."""
    head = parse_head(block)
    found = result(head, keys, now)
    assert found == result(msgspec.structs.replace(head, outline=None), keys, now)
    return found


def has_template(block: bytes) -> bool:
    """Return whether the memory has the template of a head."""
    head = parse_head(block)
    before = head.headers.get(b"authorization", b"").rpartition(b", Signature=")[0]
    return head.outline is not None and find_template(before, head.outline, S3) is not None


def test_the_second_request_of_a_session_uses_a_template() -> None:
    """Another key, second and signature, and the same session and headers."""
    keys = make_keys(token="t")
    first = Signing(path="/b/one", token="t", headers={"x-first-template": "1"})
    second = Signing(path="/b/two", token="t", headers=first.headers, when=NOW + timedelta(seconds=1))
    assert not has_template(first.block_by_header())
    assert isinstance(both(first.block_by_header(), keys), VerifiedRequest)
    assert has_template(second.block_by_header())
    assert isinstance(both(second.block_by_header(), keys), VerifiedRequest)


@given(st.data())
def test_a_changed_request_has_the_same_result_with_a_template(data: st.DataObject) -> None:
    """One byte more, less or other, anywhere in the head of a request whose template is known."""
    keys = make_keys(token="token")
    names = data.draw(st.sets(st.sampled_from(["range", "x-amz-meta-q", "user-agent", "if-match", "x-amz-acl"])))
    value = st.sampled_from(["a", "a b", "a  b", "a\tb", "", "a, b"])
    headers = {name: data.draw(value) for name in names}
    signed = Signing(
        method=data.draw(st.sampled_from(["GET", "HEAD", "PUT", "DELETE"])),
        path=data.draw(st.sampled_from(["/b/k", "/b/k%20l", "/b//k", "/b/%41", "/b/a+b", "/"])),
        headers=headers,
        payload=data.draw(st.sampled_from([EMPTY, "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"])),
        token="token",
        leave_unsigned=frozenset(data.draw(st.sets(st.sampled_from(["range", "user-agent", "host", "x-amz-date"])))),
    )
    block = signed.block_by_header()
    both(block, keys)
    both(block, keys)
    at = data.draw(st.integers(0, len(block) - 1))
    kind = data.draw(st.integers(0, 2))
    byte = bytes([data.draw(st.integers(32, 126))])
    changed = block[:at] + (byte if kind else b"") + block[at + (kind != 1) :]
    try:
        parse_head(changed)
    except HeadError:
        return
    found = both(changed, keys)
    after = parse_head(changed)
    before = parse_head(block)
    if isinstance(found, VerifiedRequest):  # only a change that is not signed, or that has no meaning
        assert after.method == before.method
        assert after.headers.get(b"x-amz-security-token") == before.headers.get(b"x-amz-security-token")
        assert after.headers.get(b"x-amz-date") == before.headers.get(b"x-amz-date")


_CHANGES = {
    "another order of the signed headers": (b"host;x-amz-content-sha256", b"x-amz-content-sha256;host"),
    "a header that is signed twice": (b"=host;", b"=host;host;"),
    "no host": (b"SignedHeaders=host;", b"SignedHeaders="),
    "another region": (b"/us-east-1/", b"/us-west-2/"),
    "another service": (b"/s3/", b"/sts/"),
    "another terminator": (b"aws4_request", b"aws4_requests"),
    "another day in the scope": (b"/20130524/", b"/20130523/"),
    "another key": (b"Credential=AKIA", b"Credential=AKIB"),
    "no space": (b", SignedHeaders", b",SignedHeaders"),
    "two spaces": (b", SignedHeaders", b",  SignedHeaders"),
    "a tab": (b" Credential", b"\tCredential"),
    "another algorithm": (b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1"),
    "a second credential": (b"Credential=", b"Credential=a/20130524/us-east-1/s3/aws4_request, Credential="),
    "a third place of the signature": (b", Signature=", b", Signature=00, Signature="),
    "a signature with a comma": (b", Signature=", b", Signature=,"),
    "a query": (b"/b/k ", b"/b/k?versionId=1 "),
    "an empty query": (b"/b/k ", b"/b/k? "),
    "a signature in the query": (b"/b/k ", b"/b/k?X-Amz-Signature=0 "),
    "a header that is not signed": (b"\r\nauthorization", b"\r\nx-amz-acl: private\r\nauthorization"),
    "a token that is not signed": (b"\r\nauthorization", b"\r\nx-amz-security-token: t\r\nauthorization"),
    "a repeated header": (b"\r\nauthorization", b"\r\naccept: a\r\naccept: b\r\nauthorization"),
    "another form of the body": (EMPTY.encode(), b"UNSIGNED-PAYLOAD"),
    "an unknown form of the body": (EMPTY.encode(), b"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
    "no date": (b"x-amz-date: 20130524T000000Z\r\n", b""),
    "a date header": (b"x-amz-date: 20130524T000000Z", b"date: Fri, 24 May 2013 00:00:00 GMT"),
    "a malformed date": (b": 20130524T000000Z", b": 20130524T000060Z"),
    "another second": (b": 20130524T000000Z", b": 20130524T000001Z"),
    "another host": (b"s3.example", b"s4.example"),
    "another method": (b"GET ", b"HEAD "),
    "another path": (b"/b/k ", b"/b/K "),
    "an upper-case signature": (b", Signature=", b", Signature=A"),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_an_unusual_request_has_the_same_result_with_a_template(name: str) -> None:
    """Each is refused, except those whose change does not have a meaning."""
    old, new = _CHANGES[name]
    block = Signing(path="/b/k").block_by_header()
    both(block, make_keys())
    assert has_template(block)
    assert old in block
    found = both(block.replace(old, new, 1), make_keys())
    if name not in {"no space", "two spaces", "a tab", "an empty query", "a repeated header"}:
        assert not isinstance(found, VerifiedRequest)


class SignedWithTheScopeOfToday(Signing):
    """A request with the scope of another day than that of its time."""

    @property
    def scope(self) -> str:
        """Return the scope of the first request."""
        return Signing().scope


def test_the_day_of_the_scope_is_checked_with_a_template() -> None:
    """A scope of today does not extend to the last second of yesterday."""
    both(Signing().block_by_header(), make_keys())
    block = SignedWithTheScopeOfToday(when=NOW - timedelta(seconds=1)).block_by_header()
    assert has_template(block)
    found = both(block, make_keys())
    assert isinstance(found, tuple)
    assert found[0] is VerifyReason.WRONG_DATE


@pytest.mark.parametrize("sign", [1, -1])
def test_the_time_of_a_signature_is_checked_with_a_template(sign: int) -> None:
    """Fifteen minutes are valid, and a microsecond more is not."""
    block, keys = Signing().block_by_header(), make_keys()
    both(block, keys)
    assert has_template(block)
    assert isinstance(both(block, keys, NOW + sign * MINUTES), VerifiedRequest)
    assert isinstance(both(block, keys, NOW + sign * (MINUTES + MOMENT)), tuple)


def test_the_end_of_a_session_is_checked_with_a_template() -> None:
    """A session that ends at noon is not valid at noon."""
    end = NOW + timedelta(minutes=1)
    keys, block = make_keys(token="t", expires=int(end.timestamp())), Signing(token="t").block_by_header()
    assert isinstance(both(block, keys, end - MOMENT), VerifiedRequest)
    assert isinstance(both(block, keys, end), tuple)


def test_a_removed_key_does_not_open_with_a_template() -> None:
    """A template does not hold a key: the provider is asked for each request."""
    keys, block = make_keys(), Signing().block_by_header()
    assert isinstance(both(block, keys), VerifiedRequest)
    caller = both(block, keys)
    assert isinstance(caller, VerifiedRequest)
    keys.remove(caller.caller.access_key_id)
    with pytest.raises(VerifyError) as refused:
        verify_head(parse_head(block), keys, service=S3, now=NOW)
    assert isinstance(refused.value.fault, InvalidClientTokenId)


def test_a_template_is_for_one_service() -> None:
    """Another profile looks at the whole head, and refuses the scope of S3."""
    block = Signing().block_by_header()
    both(block, make_keys())
    head = parse_head(block)
    for other in (plain_profile("inventory", "us-east-1".__eq__), s3_profile("us-west-2".__eq__)):
        with pytest.raises(VerifyError):
            verify_head(head, make_keys(), service=other, now=NOW)


def test_a_region_that_is_not_served_any_more_is_refused_with_a_template() -> None:
    """The rule of the profile is asked for each request."""
    regions = {"us-east-1"}
    service = s3_profile(regions.__contains__)
    head = Signing().by_header()
    for _ in range(2):
        assert verify_head(head, make_keys(), service=service, now=NOW) is not None
    regions.clear()
    with pytest.raises(VerifyError) as refused:
        verify_head(head, make_keys(), service=service, now=NOW)
    assert refused.value.reason is VerifyReason.WRONG_REGION


def test_a_refused_request_does_not_leave_a_template() -> None:
    """Thus only the holders of keys can fill the memory."""
    block = Signing(headers={"x-refused": "1"}).block_by_header()
    changed = block[:-1] + (b"1" if block[-1:] == b"0" else b"0")
    both(changed, make_keys())
    assert not has_template(changed)
