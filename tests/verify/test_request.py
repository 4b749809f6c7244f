"""verify(): a whole request in one call."""

import hashlib
from collections.abc import Mapping

import pytest
from tests.verify.signing import KEY_ID, NOW, SECRET, Signing, make_keys

from daypass.verify import Caller, HeadError, Request, StaticKeys, VerifyError, VerifyReason, static_caller, verify
from daypass.verify.head import RequestHead

_BODY = b'{"count": 1}'


def _request(head: RequestHead, body: bytes = b"") -> Request:
    return Request(head.method, head.target.decode(), tuple(head.headers.items()), body)


def _verify(request: Request, service: str = "inventory", keys: StaticKeys | None = None) -> Caller:
    return verify(request, keys or make_keys(), service=service, regions=["us-east-1"], now=NOW)


def _own(path: str = "/items/42", **headers: str) -> Signing:
    return Signing(service="inventory", plain=True, path=path, headers=headers)


def test_the_caller_signed_the_request_and_its_body() -> None:
    """The hash of the body is part of the signature, named or not."""
    unnamed = _own()
    unnamed.method, unnamed.payload = "PUT", hashlib.sha256(_BODY).hexdigest()
    named = _own(**{"x-amz-content-sha256": unnamed.payload})
    named.method, named.payload = "PUT", unnamed.payload
    for signing in (unnamed, named):
        request = _request(signing.by_header(), _BODY)
        assert _verify(request).arn == "arn:aws:iam::111122223333:user/alice"
        with pytest.raises(VerifyError):
            _verify(_request(signing.by_header(), _BODY + b" "))
        with pytest.raises(VerifyError):
            _verify(_request(signing.by_header()))


def test_s3_has_its_own_form() -> None:
    """The service "s3" selects it, and a request in signed chunks is for the gateway."""
    assert _verify(_request(Signing(path="/bucket/a//b/../c").by_header()), "s3").account == "111122223333"
    with pytest.raises(VerifyError) as refused:
        _verify(_request(Signing(payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER").by_header()), "s3")
    assert refused.value.reason is VerifyReason.PAYLOAD_INVALID


@pytest.mark.parametrize("sent", ["/items//42", "/items/./42", "/x/../items/42", "/items/x%2F..%2F42", "//items/42"])
def test_a_path_is_not_folded_under_a_signature(sent: str) -> None:
    """The canonical form of other services folds these; a service that routes by them would be misled."""
    block = _own().by_header()
    request = Request("GET", sent, tuple(block.headers.items()))
    with pytest.raises(VerifyError):
        _verify(request)


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/items/é", {"host": "a"}),
        ("items/42", {"host": "a"}),
        ("http://a/items/42", {"host": "a"}),
        ("/items/42", {}),
        ("/items/42", {"host": "a", "Host": "b"}),
        ("/items/42", {"host": "a", "x-€": "b"}),
        ("/items/42", {"host": "a", "x": "€"}),
        ("/items/42", {"host": "a", "x": "b\r\nc: d"}),
        ("/items/42 HTTP/1.1\r\nx: y", {"host": "a"}),
    ],
)
def test_a_malformed_request_is_refused(target: str, headers: Mapping[str, str]) -> None:
    """The rules of the strict head apply to requests that another server has parsed."""
    with pytest.raises(HeadError):
        _verify(Request("GET", target, headers))


def test_a_length_that_is_not_the_bodys_is_refused() -> None:
    """Content-Length says how many bytes were meant."""
    head = _own(**{"content-length": "5"}).by_header()
    with pytest.raises(VerifyError) as refused:
        _verify(_request(head, b"1234"))
    assert refused.value.reason is VerifyReason.BODY_LENGTH


@pytest.mark.parametrize("service", ["inventory", "s3"])
def test_an_unsigned_request_has_no_caller(service: str) -> None:
    """Not even an anonymous one: a service that reads public documents calls decide() with ANONYMOUS itself."""
    with pytest.raises(VerifyError) as refused:
        _verify(Request("GET", "/items/42", {"host": "inventory.example"}), service)
    assert refused.value.reason is VerifyReason.NO_SIGNATURE


def test_no_value_shows_a_secret_or_a_token() -> None:
    """They are in logs and tracebacks."""
    keys = make_keys(token="session-token")
    signing = _own()
    signing.token = "session-token"
    head = signing.by_header()
    keys.add(static_caller("111122223333", "bob", access_key_id=KEY_ID + "2"), secret=SECRET, token="session-token")
    shown = repr((keys, vars(keys), head, _request(head)))
    assert SECRET not in shown
    assert "session-token" not in shown
