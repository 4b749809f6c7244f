"""A body that ends after its bucket was deleted and created again by another account."""

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import md5
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer

from daypass.bootstrap import RootKey

BODY = b"x" * 1_000
BOUNDARY = b"form-boundary"
DELETE = b"<Delete><Object><Key>key</Key></Object></Delete>"


@pytest.fixture(scope="module")
def gateway(moto_store: StoreServer) -> Iterator[RunningGateway]:
    """Run a gateway."""
    with running_gateway(moto_store) as running:
        yield running


@pytest.fixture(scope="module")
def other(gateway: RunningGateway) -> RootKey:
    """Return the root key of a second account."""
    return gateway.server.new_account()


Held = tuple[str, str, list[str], bytes]
"""A request whose end is held back: its method, its URL, its headers and its body."""


def signer(gateway: RunningGateway) -> Any:
    """Return a client whose URLs have a signature of version 4."""
    return gateway.s3(signature_version="s3v4", request_checksum_calculation="when_required")


def put(gateway: RunningGateway, bucket: str) -> Held:
    """Upload an object."""
    s3 = signer(gateway)
    return "PUT", s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "key"}), [], BODY


def part(gateway: RunningGateway, bucket: str) -> Held:
    """Upload a part of an upload that is aborted before the bucket is deleted."""
    s3, upload = signer(gateway), {"Bucket": bucket, "Key": "key"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    return "PUT", s3.generate_presigned_url("upload_part", {**upload, "PartNumber": 1}), [], BODY


def delete(gateway: RunningGateway, bucket: str) -> Held:
    """Delete objects by a document, which is collected before it is decided."""
    digest = b64encode(md5(DELETE, usedforsecurity=False).digest()).decode()
    request = AWSRequest("POST", f"{gateway.url}/{bucket}?delete=", {"content-md5": digest})
    root = gateway.server.root
    S3SigV4QueryAuth(Credentials(root.access_key_id, root.secret_access_key), "s3", "eu-test-1").add_auth(request)
    return "POST", str(request.url), [f"content-md5: {digest}"], DELETE


def form(gateway: RunningGateway, bucket: str) -> Held:
    """Upload an object by an HTML form."""
    post = signer(gateway).generate_presigned_post(bucket, "key")
    field = b'--%b\r\nContent-Disposition: form-data; name="%b"'
    body = b"".join(
        field % (BOUNDARY, name.encode()) + b"\r\n\r\n%b\r\n" % value.encode() for name, value in post["fields"].items()
    )
    body += field % (BOUNDARY, b"file") + b'; filename="f"\r\n\r\n' + BODY + b"\r\n--" + BOUNDARY + b"--\r\n"
    return "POST", post["url"], [f"content-type: multipart/form-data; boundary={BOUNDARY.decode()}"], body


@contextmanager
def held_back(gateway: RunningGateway, request: Held) -> Iterator[Callable[[], str]]:
    """Send a request but for its last byte. The value sends that, and returns the answer."""
    method, url, headers, body = request
    parts = urlsplit(url)
    lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", f"host: {parts.netloc}", "connection: close"]
    lines += ["expect: 100-continue", f"content-length: {len(body)}", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", gateway.path.port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        answer = connection.makefile("rb")
        assert b"100" in answer.readline()  # The head was judged.
        answer.readline()
        connection.sendall(body[:-1])

        def end() -> str:
            connection.sendall(body[-1:])
            return answer.read().decode()

        yield end


def replace_bucket(gateway: RunningGateway, bucket: str, other: RootKey) -> None:
    """Delete a bucket, and create it in another account, with one object."""
    s3, theirs = gateway.s3(), gateway.s3(other)
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=bucket)
    theirs.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-test-1"})
    theirs.put_object(Bucket=bucket, Key="key", Body=b"theirs")


@pytest.mark.parametrize("request_of", [put, part, delete, form])
def test_a_bucket_of_another_account_does_not_get_the_end_of_an_older_request(
    gateway: RunningGateway, other: RootKey, request_of: Callable[[RunningGateway, str], Held]
) -> None:
    """The request was allowed in a bucket that does not exist any more."""
    bucket = gateway.new_bucket()
    with held_back(gateway, request_of(gateway, bucket)) as end:
        replace_bucket(gateway, bucket, other)
        assert "<Code>NoSuchBucket</Code>" in end()
    stored = gateway.s3(other).get_object(Bucket=bucket, Key="key")["Body"].read()
    assert stored == b"theirs"


@pytest.mark.parametrize("request_of", [put, part, delete, form])
def test_a_slow_request_is_performed_in_a_bucket_that_is_the_same(
    gateway: RunningGateway, request_of: Callable[[RunningGateway, str], Held]
) -> None:
    """A policy of the bucket that changes meanwhile does not end the request, and makes the record load again."""
    bucket = gateway.new_bucket()
    with held_back(gateway, request_of(gateway, bucket)) as end:
        gateway.s3().delete_public_access_block(Bucket=bucket)
        answer = end()
    assert answer.partition("\r\n")[0].split()[1] in {"200", "204"}, answer
