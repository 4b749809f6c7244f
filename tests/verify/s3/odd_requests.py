"""Odd requests, and what a store does with them.

`OddRequests` draws requests whose path, query and headers a store may read in another way than the verifier. A request
that the verifier routes is signed and sent to the store; `StoreWatch.check` compares what changed with what was judged.
"""

import hashlib
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPResponse
from itertools import count
from random import Random
from typing import Any

from tests.gateway.stores import StoreServer
from tests.verify.s3.s3_requests import head_of, verified

from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.object_keys import KeyRule, folded_name
from daypass.verify.s3.operations.request import S3Request, parse_s3_request
from daypass.verify.s3.permissions.actions import permissions
from daypass.verify.s3.resign import BackendAddress, BackendKey, sign_for_backend


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_SEGMENTS = _words("""
    secret public a b .. . %2e%2e %2E a. .a ... a%20 %20 + %25 %252e %3F %23 %C3%BC u%CC%88 %0a %09 %7f ; : * %27 %22
    & = ~ %E2%80%8B A %5c a%5cb %2F %00 %ff .uploads x.versions policy acl
""")
_SEPARATORS = ("/", "/", "/", "/", "/", "//", "%2F", "%2f", "\\", "%5C", "/./", "/../", "?", "%3F")
_QUERIES = _words("""
    policy acl ACL cors torrent lifecycle versioning tagging uploads delete versionId=null versionId= versionId=..%2Fx
    x-id=GetObject x-id=PutObject x-id=DeleteObject list-type=2 prefix=secret%2F prefix=..%2Fsecret marker=a
    delimiter=%2F max-keys=1 partNumber=1 uploadId=u uploadId=..%2Fsecret response-content-type=a key=secret%2Fx
    location restore x-amz-copy-source=b%2Fsecret x-amz-acl=public-read unknown=1 unknown
""")
_METHODS = ("GET", "GET", "HEAD", "PUT", "PUT", "PUT", "DELETE", "DELETE", "POST")
_OBJECT_WRITES = frozenset({"PutObject", "CopyObject", "DeleteObject"})
_SENT = _OBJECT_WRITES | {"GetObject", "HeadObject", "ListObjects", "ListObjectsV2"}


@dataclass(frozen=True)
class OddRequest:
    """A method, a target as sent, and headers."""

    method: str
    target: str
    headers: Mapping[str, str]


class OddRequests:
    """Draws requests about two buckets."""

    def __init__(self, random: Random, buckets: tuple[str, str]) -> None:
        self._random = random
        self._buckets = buckets

    def draw(self) -> OddRequest:
        """Return the next request."""
        random = self._random
        target = "/" + self._bucket() + self._key()
        if random.random() < 0.3:
            target += "?" + "&".join(random.choice(_QUERIES) for _ in range(random.choice((1, 1, 2))))
        method = random.choice(_METHODS)
        headers: dict[str, str] = {}
        if method == "PUT" and random.random() < 0.3:
            prefix = random.choice(("", "/", "//", "%2F"))
            headers["x-amz-copy-source"] = prefix + self._bucket() + self._key()
        return OddRequest(method, target, headers)

    def _bucket(self) -> str:
        odd = ("", "/", "%2F", "./", "../", "%2e%2e/")
        return (self._random.choice(odd) if self._random.random() < 0.1 else "") + self._random.choice(self._buckets)

    def _key(self) -> str:
        random = self._random
        if random.random() < 0.5:
            return random.choice(_SEPARATORS) + "secret" + random.choice(_SEPARATORS) + random.choice(("x", "y"))
        return "".join(
            random.choice(_SEPARATORS) + random.choice(_SEGMENTS) for _ in range(random.choice((1, 1, 2, 3)))
        )


@dataclass
class StoreWatch:
    """A store with two buckets, and the objects that it should have."""

    store: StoreServer
    rule: KeyRule
    buckets: tuple[str, str]
    bodies: Iterator[int] = field(default_factory=count)
    routed: int = 0
    client: Any = None

    def __post_init__(self) -> None:
        self.client = self.store.client()

    def parse(self, request: OddRequest) -> S3Request | None:
        """Return the routed request, or None if the verifier refuses it."""
        try:
            return parse_s3_request(
                head_of(request.method, request.target, request.headers),
                verified(),
                domains=(),
                key_rules=lambda _bucket: self.rule,
            )
        except S3Error:
            return None

    def check(self, request: OddRequest) -> str:
        """Send a request, and return what the store did beyond it, or "" for nothing."""
        judged = self.parse(request)
        if judged is None or judged.operation not in _SENT:
            return ""
        self.routed += 1
        before = self._objects()
        body = f"body {next(self.bodies)}".encode() if judged.operation == "PutObject" else b""
        status, answer = self._send(judged, body)
        after = self._objects()
        changed = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
        allowed = _writable(judged)
        if changed - allowed:
            return f"{request}: judged {judged}, but the store changed {changed - allowed}"
        if judged.operation == "GetObject" and status == 200 and answer:
            named = {before.get((one.bucket, one.resource.split("/", 1)[1])) for one in permissions(judged)}
            if hashlib.md5(answer, usedforsecurity=False).hexdigest() not in named:
                return f"{request}: judged {judged}, but the store returned {answer!r}"
        return ""

    def seed(self) -> None:
        """Create the objects that a misreading would show or change."""
        for bucket in self.buckets:
            for key in ("secret/x", "secret/y", "public/x"):
                self.client.put_object(Bucket=bucket, Key=key, Body=f"{bucket} {key}".encode())

    def _objects(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for bucket in self.buckets:
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                found.update({(bucket, one["Key"]): one["ETag"].strip('"') for one in page.get("Contents", [])})
        return found

    def _send(self, judged: S3Request, body: bytes) -> tuple[int, bytes]:
        store = self.store
        key = BackendKey(store.access_key_id, store.secret, store.region)
        address = BackendAddress(f"127.0.0.1:{store.port}".encode(), key)
        length = {b"content-length": str(len(body)).encode()} if judged.method in {"PUT", "POST"} else {}
        head = sign_for_backend(
            judged,
            backend=address,
            payload=hashlib.sha256(body).hexdigest(),
            body_headers=length,
            now=datetime.now(UTC),
        ).head
        with socket.create_connection(("127.0.0.1", store.port), timeout=60) as connection:
            connection.sendall(head + body)
            answer = HTTPResponse(connection, method=judged.method)
            answer.begin()
            try:
                return answer.status, answer.read()
            except OSError:
                return answer.status, b""


def _writable(judged: S3Request) -> set[tuple[str, str]]:
    if judged.operation not in _OBJECT_WRITES:
        return set()
    names = {judged.key, folded_name(judged.key, folds_slashes=judged.folds_slashes)}
    if judged.folds_slashes:
        names.add(judged.key + "/")  # SeaweedFS drops the empty object `k/` of a folder with `k`
    return {(judged.bucket, name) for name in names if name}
