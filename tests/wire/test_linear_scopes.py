"""The search for a scope takes time in proportion to the header, whatever it contains."""

from collections.abc import Callable

import pytest
from tests.growth import LINEAR, growth

from daypass.errors import Fault
from daypass.sso.routes import _require_scope
from daypass.wire.http import HttpRequest
from daypass.wire.other_services import find_other_service

HOSTILE = (b"Credential=", b"Credential=/a/", b"Credential=/aws4_request/", b" Credential=a/s3/aws4_request/")


def make_request(authorization: bytes, query: bytes = b"") -> HttpRequest:
    """Return a request with a header that may be of any length."""
    return HttpRequest("GET", b"/bucket", query, ((b"authorization", authorization),), b"", "", secure=False)


def find_other(request: HttpRequest) -> None:
    """Look for another service, as each request of a page does."""
    find_other_service(request)


def check_scope(request: HttpRequest) -> None:
    """Check the scope of a call of the JSON services."""
    try:
        _require_scope("sso", request)
    except Fault:
        return


@pytest.mark.parametrize("part", HOSTILE)
@pytest.mark.parametrize("search", [find_other, check_scope])
def test_a_header_with_many_credentials_is_searched_once(part: bytes, search: Callable[[HttpRequest], None]) -> None:
    """It is searched before the caller is known, on the loop that serves all connections."""
    assert growth(lambda size: search(make_request(b"AWS4-" + part * size)), 256) < LINEAR


@pytest.mark.parametrize("part", [b"&X-Amz-Credential=", b"X-Amz-Credential=/a", b"/a/aws4_request", b"%2Fa"])
def test_a_query_with_many_credentials_is_searched_once(part: bytes) -> None:
    """A presigned URL has its scope there."""
    assert growth(lambda size: find_other(make_request(b"", b"X-Amz-Credential=" + part * size)), 256) < LINEAR
