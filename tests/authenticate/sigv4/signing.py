"""Requests that botocore signed, in the form that the server reads."""

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from daypass.wire.http import HttpRequest

ACCESS_KEY_ID = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-central-1"
NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
SERVICES = frozenset({"sts"})
FORM = b"Action=GetCallerIdentity&Version=2011-06-15"
FORM_TYPE = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")

Pairs = tuple[tuple[str, str], ...]


def unsigned(method: str = "POST", target: str = "/", headers: Pairs = (FORM_TYPE,), body: bytes = FORM) -> AWSRequest:
    """Return an unsigned request."""
    request = AWSRequest(method=method, url="http://127.0.0.1:7878" + target, data=body)
    for name, value in headers:
        request.headers[name] = value
    return request


def sign(request: AWSRequest, *, token: str | None = None, at: datetime = NOW) -> HttpRequest:
    """Return the request with botocore's Authorization header."""
    return sign_as(Credentials(ACCESS_KEY_ID, SECRET, token), request, at=at)


def sign_as(credentials: Credentials, request: AWSRequest | None = None, *, at: datetime) -> HttpRequest:
    """Return a request that botocore signed with these credentials at `at`.

    The default is GetCallerIdentity.
    """
    request = unsigned() if request is None else request
    with patch("botocore.auth.get_current_datetime", return_value=at):
        SigV4Auth(credentials, "sts", REGION).add_auth(request)
    return received(request)


def presign(request: AWSRequest, *, token: str | None = None, at: datetime = NOW) -> HttpRequest:
    """Return the request with botocore's signature in the query."""
    with patch("botocore.auth.get_current_datetime", return_value=at):
        SigV4QueryAuth(Credentials(ACCESS_KEY_ID, SECRET, token), "sts", REGION, expires=60).add_auth(request)
    return received(request)


def received(request: AWSRequest) -> HttpRequest:
    """Return the request in the form in which a server receives it."""
    url = urlsplit(request.url)
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
    if "host" not in request.headers:
        headers.insert(0, (b"host", url.netloc.encode()))
    return HttpRequest(
        method=request.method,
        path=url.path.encode(),
        query=url.query.encode(),
        headers=tuple(headers),
        body=request.data or b"",
        peer="127.0.0.1",
        secure=False,
    )
