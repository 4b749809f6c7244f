"""The head for the store: signed, allow-listed, in one spelling."""

from collections.abc import Mapping
from random import Random

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.verify.s3.s3_requests import NOW, parse

from daypass.bounded_memory import BoundedMemory
from daypass.verify.head import parse_head
from daypass.verify.payload import EMPTY_SHA256
from daypass.verify.s3.operations.object_keys import FOLDED
from daypass.verify.s3.operations.request import with_form
from daypass.verify.s3.resign import FORWARDED, BackendAddress, BackendKey, SignedHead, sign_for_backend

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = BackendKey("STOREKEY", SECRET, "us-east-1")
STORE = BackendAddress(b"127.0.0.1:8333", KEY)


def _sign(
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    body_headers: Mapping[bytes, bytes] | None = None,
    backend: BackendAddress = STORE,
    presigned: bool = False,
) -> SignedHead:
    request = parse(method, target, headers, presigned=presigned)
    return sign_for_backend(request, backend=backend, payload=EMPTY_SHA256, body_headers=body_headers or {}, now=NOW)


def _by_botocore(signed: SignedHead) -> str:
    """Sign the same head again with botocore."""
    head = parse_head(signed.head.removesuffix(b"\r\n\r\n"))
    listed = head.headers[b"authorization"].decode().partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: head.headers[name.encode()].decode("latin-1") for name in listed}
    request = AWSRequest(head.method, f"http://127.0.0.1:8333{head.target.decode()}", headers=headers)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = S3SigV4Auth(Credentials(KEY.access_key_id, SECRET), "s3", "us-east-1")
    canonical = signer.canonical_request(request)
    signature: str = signer.signature(signer.string_to_sign(request, canonical), request)
    return signature


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/", {}),
        ("GET", "/b01?list-type=2&prefix=a%20b%2Bc&delimiter=%2F", {}),
        ("GET", "/b01?acl", {}),
        ("GET", "/b01/%C3%BC%20%2B~*.txt", {"Range": "bytes=0-1", "If-None-Match": '"x"'}),
        ("PUT", "/b01/k", {"x-amz-meta-a": "two  spaces", "x-amz-tagging": "a=1+2", "Cache-Control": "no-cache"}),
        ("PUT", "/b01/k", {"x-amz-meta-100%b": "%s", "x-amz-meta-%%": "a\ttab", "Content-Type": "text/plain; a=b"}),
        ("PUT", "/b01/k", {"x-amz-copy-source": "/b02%2Fa+b?versionId=v1"}),
        ("PUT", "/b01/k?partNumber=1&uploadId=2~x", {}),
    ],
)
def test_the_signature_is_the_one_of_botocore(method: str, target: str, headers: dict[str, str]) -> None:
    """The store verifies what botocore would send."""
    signed = _sign(method, target, headers, body_headers={b"content-length": b"0"} if method == "PUT" else {})
    assert f"Signature={_by_botocore(signed)}\r\n\r\n".encode() in signed.head
    assert signed.seed.signature == _by_botocore(signed)
    assert (signed.seed.timestamp, signed.seed.scope) == ("20261130T120000Z", "20261130/us-east-1/s3/aws4_request")


def test_only_headers_of_the_operation_go_to_the_store() -> None:
    """The list is of what may go, not of what may not."""
    sent = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=client",
        "Connection": "x-amz-date",
        "Cookie": "a",
        "Expect": "100-continue",
        "Forwarded": "host=evil",
        "Range": "bytes=0-1",
        "Transfer-Encoding": "chunked",
        "User-Agent": "x",
        "X-Forwarded-Host": "evil",
        "X-Forwarded-For": "192.0.2.1",
        "X-Http-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "X-Real-Ip": "192.0.2.1",
        "amz-sdk-request": "attempt=1",
        "x-amz-acl": "private",
        "x-amz-content-sha256": "client",
        "x-amz-copy-source-range": "bytes=0-1",
        "x-amz-date": "20200101T000000Z",
        "x-amz-expected-bucket-owner": "111122223333",
        "x-amz-meta-kept": "1",
        "x-amz-security-token": "token",
        "x-amz-storage-class": "STANDARD",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
    }
    signed = _sign("PUT", "/b01/k", sent, body_headers={b"content-length": b"0", b"content-encoding": b"gzip"})
    head = parse_head(signed.head.removesuffix(b"\r\n\r\n"))
    assert sorted(head.headers) == [
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"host",
        b"x-amz-content-sha256",
        b"x-amz-date",
        b"x-amz-meta-kept",
        b"x-amz-storage-class",
    ]
    assert head.headers[b"x-amz-date"] == b"20261130T120000Z"
    assert head.headers[b"content-encoding"] == b"gzip"
    assert b"client" not in signed.head
    assert b"token" not in signed.head


def test_no_operation_forwards_access_control_lists_or_signatures() -> None:
    """Whatever a later model says."""
    for name, headers in FORWARDED.items():
        for header in headers:
            assert header not in {b"x-amz-acl", b"x-amz-expected-bucket-owner", b"x-amz-mfa"}, name
            assert not header.startswith((b"x-amz-grant", b"x-forwarded", b"authorization", b"x-amz-security"))


def test_the_path_is_in_path_style_below_the_path_of_the_store() -> None:
    """A virtual host of the client is not one of the store, and every byte has one spelling."""
    store = BackendAddress(b"store.test", KEY, b"/s3")
    signed = _sign("GET", "/b01/%61%2Fb%7E+c?x-id=GetObject&versionId=v1", backend=store)
    assert signed.head.startswith(b"GET /s3/b01/a/b~%2Bc?versionId=v1 HTTP/1.1\r\n")
    assert b"host: store.test\r\n" in signed.head


def test_headers_of_the_query_are_sent_as_headers() -> None:
    """Some stores ignore them in the query, some obey them there."""
    signed = _sign("PUT", "/b01/k?X-Amz-Signature=0&X-Amz-Meta-A=1&x-amz-storage-class=GLACIER", presigned=True)
    assert signed.head.startswith(b"PUT /b01/k HTTP/1.1\r\n")
    assert b"\r\nx-amz-meta-a: 1\r\n" in signed.head
    assert b"\r\nx-amz-storage-class: GLACIER\r\n" in signed.head


def test_a_preflight_has_its_three_headers_and_no_query() -> None:
    """It does not have a permission, so nothing else of it reaches the store."""
    headers = {
        "Origin": "https://a.test",
        "Access-Control-Request-Method": "GET",
        "x-amz-meta-a": "1",
        "Range": "bytes=0-",
    }
    signed = _sign("OPTIONS", "/b01/k?acl&X-Amz-Signature=1", headers)
    head = parse_head(signed.head.removesuffix(b"\r\n\r\n"))
    assert head.target == b"/b01/k"
    assert set(head.headers) - {b"host", b"authorization", b"x-amz-date", b"x-amz-content-sha256"} == {
        b"origin",
        b"access-control-request-method",
    }


def test_a_form_becomes_an_upload() -> None:
    """The store gets PUT with the key and the fields of the form."""
    form = parse("POST", "/b01", {"Content-Type": "multipart/form-data; boundary=x"})
    filled = with_form(form, "up/a", {b"x-amz-meta-a": b"1", b"content-type": b"text/plain"}, FOLDED)
    signed = sign_for_backend(filled, backend=STORE, payload=EMPTY_SHA256, body_headers={}, now=NOW)
    assert signed.head.startswith(b"PUT /b01/up/a HTTP/1.1\r\ncontent-type: text/plain\r\nx-amz-meta-a: 1\r\n")


def test_the_key_of_the_store_is_not_shown() -> None:
    """Neither in a log nor in a traceback."""
    for shown in (repr(KEY), repr(STORE), str(KEY), repr(_sign("GET", "/").seed)):
        assert SECRET not in shown
    assert repr(KEY) == "<secret>"
    assert KEY.__rich_repr__() == []
    assert SECRET.encode() not in _sign("GET", "/b01/k").head


def test_a_known_set_of_headers_gives_the_same_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cached form of a head depends on operation and names: values, and the other requests, do not matter."""
    chance = Random(7)  # noqa: S311
    names = ["range", "if-match", "x-amz-meta-a", "x-amz-meta-100%b", "x-amz-storage-class", "content-type", "cookie"]
    cases = []
    for number in range(300):
        chosen = {name: f"{number}  {name}" for name in chance.sample(names, chance.randrange(len(names)))}
        framing = {b"content-length": b"%d" % number} if chance.random() < 0.5 else {b"transfer-encoding": b"chunked"}
        cases.append(
            (chance.choice(["GET", "PUT"]), chosen, chance.choice([framing, {}, {b"host": b"evil", **framing}]))
        )
    warm = [_sign(method, "/b01/k", headers, body_headers=body).head for method, headers, body in cases]
    again = [_sign(method, "/b01/k", headers, body_headers=body).head for method, headers, body in cases]
    cold = []
    for method, headers, body in cases:
        monkeypatch.setattr("daypass.verify.s3.resign._forms", BoundedMemory(512))
        cold.append(_sign(method, "/b01/k", headers, body_headers=body).head)
    assert warm == again == cold
    assert not any(b"evil" in head or b"cookie" in head for head in cold)
