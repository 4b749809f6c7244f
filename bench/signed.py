"""Requests that were really signed, as the bytes that go over the wire.

Owns the HTTP framing; the signature is botocore's own, made before the clock starts.
"""

from collections.abc import Mapping
from urllib.parse import urlencode
from uuid import uuid4

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_REGION = "us-east-1"


def sign(
    parameters: Mapping[str, str], *, key_id: str, secret: str, port: int, service: str = "sts", token: str = ""
) -> bytes:
    """Return one signed POST of the Query protocol for a server on loopback. No two are alike."""
    url = f"http://127.0.0.1:{port}/"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        # SDKs number their calls so, in a header that is signed. It keeps two requests of one second apart,
        # and no server is praised for remembering its last answer.
        "amz-sdk-invocation-id": str(uuid4()),
        "amz-sdk-request": "attempt=1",
    }
    request = AWSRequest(method="POST", url=url, data=urlencode(parameters).encode(), headers=headers)
    SigV4Auth(Credentials(key_id, secret, token or None), service, _REGION).add_auth(request)
    prepared = request.prepare()
    sent = {
        "Host": f"127.0.0.1:{port}",
        "User-Agent": "daypass-bench",
        **{name: _text(value) for name, value in prepared.headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    body: bytes = prepared.body
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
