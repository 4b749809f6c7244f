"""Uploads through a BodyTransform, without a connection, and a model of the store that gets the result.

Owns the claims of an upload and a decoder that is independent of the code under test.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.gateway.uploads import ClientKey, HeadSignature, UploadForm, sign_head

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.verify.payload import find_payload_form
from daypass.verify.s3.bodies.bodies import BodyClaim, BodyPlan, BodyProfile
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed
from daypass.verify.s3.errors import s3_error

CLIENT = ClientKey("CLIENTKEY", "the-secret-of-the-client")
STORE = ClientKey("STOREKEY", "the-secret-of-the-store")
TIMESTAMP = "20261130T000000Z"
PROFILES = {
    "commits short bodies": BodyProfile(),
    "commits short bodies, trailers": BodyProfile(signed_trailers=True, unsigned_trailers=True),
    "refuses short bodies": BodyProfile(
        commits_short_bodies=False, signed_chunks=True, signed_trailers=True, unsigned_trailers=True
    ),
    "plain bodies alone": BodyProfile(commits_short_bodies=False, signed_chunks=False),
}


def seed_of(signature: HeadSignature) -> ChunkSeed:
    """Return the start of a chain of chunk signatures."""
    return ChunkSeed(signature.signature, signature.timestamp, signature.scope, SigV4SigningKey(signature.key))


def claim_of(
    form: UploadForm, headers: Mapping[str, str], length: int, signature: HeadSignature, operation: str = "PutObject"
) -> BodyClaim:
    """Return the claims of a request. Raises S3Error if its payload form is unknown."""
    payload = find_payload_form(headers["x-amz-content-sha256"])
    if payload is None:
        raise s3_error("InvalidRequest")
    return BodyClaim(
        operation=operation,
        method="PUT",
        payload=payload,
        headers={name.encode(): value.encode() for name, value in headers.items()},
        content_length=None if form.chunked else length,
        chunked=form.chunked,
        seed=seed_of(signature),
    )


def client_signature(headers: Mapping[str, str]) -> HeadSignature:
    """Return the signature of the head of a client."""
    return sign_head(CLIENT, "PUT", "/bucket/key", {"host": "gateway", **headers}, TIMESTAMP)[1]


def store_signature(plan: BodyPlan) -> HeadSignature:
    """Return the signature of the head that goes to the store."""
    headers = {"host": "store", "x-amz-content-sha256": plan.payload}
    return sign_head(STORE, "PUT", "/bucket/key", headers, TIMESTAMP)[1]


@dataclass
class StoreModel:
    """A store that received some bytes after a head."""

    plan: BodyPlan
    received: bytes = b""
    head_sent: bool = False

    def add(self, pieces: Iterable[bytes | memoryview], *, last: bool = False) -> None:
        """Receive bytes. The head comes with the first ones."""
        data = b"".join(pieces)
        self.head_sent = self.head_sent or bool(data) or last
        self.received += data

    @property
    def complete(self) -> bool:
        """Return whether the store has a whole request, which it may commit."""
        length = self.plan.headers.get(b"content-length")
        if not self.head_sent:
            return False
        return len(self.received) >= int(length) if length else self.received.endswith(b"0\r\n\r\n")

    def body(self) -> bytes:
        """Return the body as the plan's payload frames it, without the coding of HTTP."""
        if b"transfer-encoding" not in self.plan.headers:
            return self.received
        return b"".join(data for _line, data in split_chunks(self.received))

    def decoded(self) -> bytes:
        """Return the bytes of the object so far."""
        if not self.plan.payload.startswith("STREAMING-"):
            return self.body()
        return b"".join(data for _line, data in split_chunks(self.body()))


def split_chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the line and the data of each chunk of a well-formed body, up to its end or to the last chunk."""
    at = 0
    while at < len(body):
        end = body.index(b"\r\n", at)
        line = body[at:end]
        size = int(line.split(b";")[0], 16)
        if not size:
            return
        yield line, body[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
