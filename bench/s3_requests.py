"""Signed S3 requests, and the session that signs them.

Owns the role with its policy, and the heads. botocore makes the signatures, before the clock starts.
"""

import json
from collections.abc import Mapping
from typing import Any

import boto3
from bench.servers import Server
from bench.subjects import Keys
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

BUCKET = "bench"
_REGION = "us-east-1"


class _UnsignedBody(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """The signature of a request whose body is not hashed."""

    def payload(self, request: Any) -> str:  # noqa: ARG002 - the signature of botocore
        """Return the value of x-amz-content-sha256."""
        return "UNSIGNED-PAYLOAD"


def new_session(server: Server, root: Keys) -> Credentials:
    """Return a session of a new role that may read and write the objects of the bucket."""
    endpoint = f"http://127.0.0.1:{server.port}"
    iam = _client("iam", endpoint, root)
    user = iam.create_user(UserName="transfers")["User"]["Arn"]
    key = iam.create_access_key(UserName="transfers")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="transfers", AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
    objects = f"arn:aws:s3:::{BUCKET}/*"
    policy = _document(
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": objects},
        {"Effect": "Deny", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/secret/*"},
    )
    iam.put_role_policy(RoleName="transfers", PolicyName="objects", PolicyDocument=policy)
    sts = _client("sts", endpoint, Keys(key["AccessKeyId"], key["SecretAccessKey"]))
    session = sts.assume_role(RoleArn=role, RoleSessionName="bench")["Credentials"]
    return Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])


def _client(service: str, endpoint: str, keys: Keys) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=_REGION,
        aws_access_key_id=keys.key_id,
        aws_secret_access_key=keys.secret,
    )


def _document(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def get_object(session: Credentials, port: int, key: str) -> bytes:
    """Return a signed GetObject."""
    return _signed(S3SigV4Auth(session, "s3", _REGION), "GET", port, key)


def put_object(session: Credentials, port: int, key: str, size: int) -> bytes:
    """Return the head of a signed PutObject of `size` bytes, which the signature does not cover."""
    return _signed(_UnsignedBody(session, "s3", _REGION), "PUT", port, key, {"Content-Length": str(size)})


def _signed(auth: Any, method: str, port: int, key: str, framing: dict[str, str] | None = None) -> bytes:
    path = f"/{BUCKET}/{key}"
    request = AWSRequest(method=method, url=f"http://127.0.0.1:{port}{path}")
    auth.add_auth(request)
    headers = {"Host": f"127.0.0.1:{port}", "User-Agent": "daypass-bench", **request.headers, **(framing or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()
