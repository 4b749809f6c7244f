"""Requests and signers for the tests of daypass.verify: a signer of our own, written from AWS's pages.

Owns the signing that the code under test does not share: hmac and hashlib alone. The tests with botocore, curl and
JavaScript sign with those programs.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from daypass.verify import StaticKeys, static_caller
from daypass.verify.head import RequestHead, parse_head

ACCOUNT = "111122223333"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = hashlib.sha256(b"").hexdigest()
ALLOW_ALL = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'


def make_keys(*, token: str | None = None, expires: int | None = None) -> StaticKeys:
    """Return a provider with the key of AWS's examples."""
    keys = StaticKeys()
    caller = static_caller(ACCOUNT, "alice", ALLOW_ALL, access_key_id=KEY_ID, expires=expires)
    keys.add(caller, secret=SECRET, token=token)
    return keys


def raw_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a head."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1")


@dataclass
class Signing:
    """One request that is to be signed, as S3 or (`plain`) as another service."""

    method: str = "GET"
    path: str = "/bucket/key"
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    payload: str | None = None
    service: str = "s3"
    region: str = "us-east-1"
    when: datetime = NOW
    token: str | None = None
    plain: bool = False
    leave_unsigned: frozenset[str] = frozenset()

    @property
    def stamp(self) -> str:
        """Return the time in the basic format."""
        return self.when.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        """Return the credential scope."""
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"

    def by_header(self) -> RequestHead:
        """Return the head, signed in the Authorization header."""
        return parse_head(self.block_by_header())

    def block_by_header(self) -> bytes:
        """Return the bytes of the head, signed in the Authorization header."""
        headers = {"host": "s3.example", "x-amz-date": self.stamp, **self.headers}
        if not self.plain:
            headers.setdefault("x-amz-content-sha256", EMPTY if self.payload is None else self.payload)
        if self.token is not None:
            headers["x-amz-security-token"] = self.token
        signed = sorted(name for name in headers if name not in self.leave_unsigned)
        signature = self.sign(self.canonical(self.query, headers, signed, self.payload or EMPTY))
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{self.scope}, SignedHeaders={';'.join(signed)}, "
            f"Signature={signature}"
        )
        return raw_head(self.method, self.path + (f"?{self.query}" if self.query else ""), headers)

    def presigned(self, expires: int | str = 3600, **more: str) -> RequestHead:
        """Return the head, signed in the query."""
        return parse_head(self.block_presigned(expires, **more))

    def block_presigned(self, expires: int | str = 3600, **more: str) -> bytes:
        """Return the bytes of the head, signed in the query."""
        headers = {"host": "s3.example", **self.headers}
        signed = sorted(name for name in headers if name not in self.leave_unsigned)
        parameters = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{KEY_ID}/{self.scope}",
            "X-Amz-Date": self.stamp,
            "X-Amz-Expires": str(expires),
            "X-Amz-SignedHeaders": ";".join(signed),
            **({} if self.token is None else {"X-Amz-Security-Token": self.token}),
            **more,
        }
        encoded = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        query = f"{self.query}&{encoded}" if self.query else encoded
        signature = self.sign(
            self.canonical(query, headers, signed, self.payload or (EMPTY if self.plain else "UNSIGNED-PAYLOAD"))
        )
        return raw_head(self.method, f"{self.path}?{query}&X-Amz-Signature={signature}", headers)

    def canonical(self, query: str, headers: Mapping[str, str], signed: list[str], payload: str) -> str:
        """Return the canonical request."""
        path = quote(self.path, safe="/-_.~") if self.plain else quote(unquote(self.path), safe="/-_.~")
        pairs = [part.partition("=") for part in query.split("&") if part]
        encoded = sorted((quote(unquote(n), safe="-_.~"), quote(unquote(v), safe="-_.~")) for n, _, v in pairs)
        lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in signed]
        return "\n".join(
            [
                self.method,
                path,
                "&".join(f"{name}={value}" for name, value in encoded),
                "".join(lines),
                ";".join(signed),
                payload,
            ]
        )

    def sign(self, canonical: str) -> str:
        """Return the signature of a canonical request."""
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{self.stamp}\n{self.scope}\n{digest}"
        key = ("AWS4" + SECRET).encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()
