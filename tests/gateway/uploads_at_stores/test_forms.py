"""Uploads by HTML forms through the gateway, with boto3's presigned posts."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

import pytest
from tests.gateway.refusals import refused_with
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.gateway.settings import GatewaySettings

BOUNDARY = "form-boundary"


@pytest.fixture(scope="module", params=["moto_store", "seaweedfs"])
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store, GatewaySettings()) as running:
        yield running


@dataclass(frozen=True)
class FormAnswer:
    """The answer to a form."""

    status: int
    headers: Message
    body: bytes


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request: the test looks at the redirect."""


def send(url: str, fields: Mapping[str, str], file: bytes, *, end: str = "--\r\n") -> FormAnswer:
    """Send a form as a browser does."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = "".join(parts) + (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="me.txt"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    )
    body = head.encode() + file + f"\r\n--{BOUNDARY}{end}".encode()
    request = urllib.request.Request(  # noqa: S310 - our own address
        url, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    try:
        answer = urllib.request.build_opener(_Unfollowed).open(request, timeout=60)
    except urllib.error.HTTPError as refused:
        return FormAnswer(refused.code, refused.headers, refused.read())
    return FormAnswer(answer.status, answer.headers, answer.read())


def presigned(
    gateway: RunningGateway, bucket: str, key: str, s3: Any = None, fields: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the URL and the fields of boto3's presigned post."""
    client = s3 or gateway.role(ALLOW_ALL, signature="s3v4")
    given = dict(fields or {})
    made: dict[str, Any] = client.generate_presigned_post(
        bucket, key, Fields=given, Conditions=[{name: value} for name, value in given.items()], ExpiresIn=60
    )
    return made


@pytest.mark.parametrize("size", [0, 5, 100_000, 3_000_000])
def test_a_form_creates_an_object(gateway: RunningGateway, size: int) -> None:
    """The file is the object, and the closing boundary is no part of it."""
    bucket = gateway.new_bucket()
    post = presigned(gateway, bucket, "up/${filename}", fields={"x-amz-meta-color": "red"})
    answer = send(post["url"], post["fields"], b"x" * size)
    assert (answer.status, answer.body) == (204, b"")
    found = gateway.s3().get_object(Bucket=bucket, Key="up/me.txt")
    assert (found["Body"].read(), found["Metadata"]) == (b"x" * size, {"color": "red"})


def test_the_browser_is_sent_to_the_page_of_the_form(gateway: RunningGateway) -> None:
    """Or it gets a document with the object's address."""
    bucket = gateway.new_bucket()
    post = presigned(gateway, bucket, "a", fields={"success_action_redirect": "https://example.com/done"})
    answer = send(post["url"], post["fields"], b"1")
    assert (answer.status, answer.headers["location"].partition("&")[0]) == (
        303,
        f"https://example.com/done?bucket={bucket}",
    )
    post = presigned(gateway, bucket, "b c", fields={"success_action_status": "201"})
    answer = send(post["url"], post["fields"], b"1")
    assert (answer.status, f"<Location>{gateway.url}/{bucket}/b%20c</Location>".encode() in answer.body) == (201, True)


def test_the_signer_of_a_form_needs_the_permission(gateway: RunningGateway) -> None:
    """The form is signed correctly, and the object is not created."""
    bucket = gateway.new_bucket()
    post = presigned(gateway, bucket, "a", gateway.role(signature="s3v4"))
    answer = send(post["url"], post["fields"], b"1")
    assert (answer.status, b"not authorized to perform: s3:PutObject" in answer.body) == (403, True)
    assert refused_with(gateway.s3().head_object, Bucket=bucket, Key="a")[0] == 404


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"key": "other"}, (403, b"AccessDenied")),
        ({"x-amz-signature": "0" * 64}, (403, b"SignatureDoesNotMatch")),
        ({"x-amz-security-token": "invented"}, (400, b"InvalidToken")),
        ({"acl": "public-read"}, (403, b"AccessDenied")),
        ({"x-amz-meta-more": "1"}, (403, b"AccessDenied")),
        ({"policy": ""}, (400, b"InvalidArgument")),
    ],
)
def test_a_changed_form_is_refused(
    gateway: RunningGateway, change: Mapping[str, str], expected: tuple[int, bytes]
) -> None:
    """The policy names every field, and its signature covers the policy."""
    bucket = gateway.new_bucket()
    post = presigned(gateway, bucket, "a")
    answer = send(post["url"], {**post["fields"], **change}, b"1")
    assert (answer.status, b"<Code>%b</Code>" % expected[1] in answer.body) == (expected[0], True)
    assert "Contents" not in gateway.s3().list_objects_v2(Bucket=bucket)


def test_a_redirect_of_a_website_is_refused_by_name(gateway: RunningGateway) -> None:
    """The profiles do not have the website operations."""
    bucket = gateway.new_bucket()
    post = presigned(gateway, bucket, "a", fields={"x-amz-website-redirect-location": "https://evil.test/"})
    answer = send(post["url"], post["fields"], b"1")
    assert (answer.status, b"x-amz-website-redirect-location" in answer.body) == (501, True)


@pytest.mark.parametrize("end", ["\r\n", "", f"\r\n--{BOUNDARY}--\r\n"])
def test_a_form_with_another_end_changes_nothing(gateway: RunningGateway, end: str) -> None:
    """A form that is cut, or that has a second file, is refused."""
    bucket = gateway.new_bucket()
    post = presigned(gateway, bucket, "a")
    assert send(post["url"], post["fields"], b"1" * 200_000, end=end).status == 400
    assert "Contents" not in gateway.s3().list_objects_v2(Bucket=bucket)


def test_a_form_without_a_signature_is_anonymous(gateway: RunningGateway) -> None:
    """Only a bucket policy can allow it."""
    bucket = gateway.new_bucket()
    answer = send(f"{gateway.url}/{bucket}", {"key": "a"}, b"1")
    assert (answer.status, b"<Code>AccessDenied</Code>" in answer.body) == (403, True)
