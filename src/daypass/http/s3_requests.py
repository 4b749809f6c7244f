"""Answer S3 requests that reach the server instead of the gateway.

Owns their recognition and S3's error document with the remedy. A profile's `endpoint_url` sends the requests of every
service here, S3's too. Leaves S3 itself to the gateway.
"""

import re
from collections.abc import Iterable

from daypass.wire.http import HttpResponse

_SCOPE = b"/s3/aws4_request"
_PRESIGNED = re.compile(rb"(?:^|&)X-Amz-Credential=[^&]*(?:/|%2F)s3(?:/|%2F)aws4_request(?:&|$)", re.IGNORECASE)
_MESSAGE = (
    "This is the endpoint of STS and IAM. S3 requests go to the address of `daypass gateway`: set "
    "AWS_ENDPOINT_URL_S3, such as http://127.0.0.1:7880."
)
_DOCUMENT = f"<Error><Code>InvalidRequest</Code><Message>{_MESSAGE}</Message></Error>"
NOT_S3 = HttpResponse(
    400,
    ((b"content-type", b"application/xml"), (b"cache-control", b"no-store")),
    f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCUMENT}'.encode(),
)


def is_for_s3(headers: Iterable[tuple[bytes, bytes]], query: bytes) -> bool:
    """Return whether the header or a presigned URL has the scope of S3."""
    if query and _PRESIGNED.search(query):
        return True
    return any(name == b"authorization" and _SCOPE in value for name, value in headers)
