"""Uploads in every payload form, signed as a client signs them.

Owns an encoder that is independent of the code under test. An upload is built in two steps, because chunk signatures
start from the signature of the head: `UploadForm.headers`, then `encode`. Source: Amazon S3 API Reference, "Signature
calculations: transferring payload in multiple chunks" and "… with trailing headers".
"""

import hmac
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from urllib.parse import quote

from awscrt.checksums import crc32c, crc64nvme

CRLF = b"\r\n"
_CHECKSUMS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": lambda body: int(crc32c(body)).to_bytes(4, "big"),
    "crc64nvme": lambda body: int(crc64nvme(body)).to_bytes(8, "big"),
    "sha256": lambda body: sha256(body).digest(),
    "md5": lambda body: md5(body, usedforsecurity=False).digest(),
}
_EMPTY = sha256(b"").hexdigest()
_HTTP_CHUNK = 10_000


@dataclass(frozen=True)
class ClientKey:
    """An access key, and the session token if it has one."""

    access_key_id: str
    secret: str
    token: str = ""
    region: str = "us-east-1"


@dataclass(frozen=True)
class HeadSignature:
    """The signature of a head, and what the signatures of its chunks need."""

    signature: str
    timestamp: str
    scope: str
    key: bytes

    def sign(self, *lines: str) -> str:
        """Return the signature of a string to sign."""
        return hmac.digest(self.key, "\n".join(lines).encode(), "sha256").hex()


def signing_key(key: ClientKey, date: str) -> bytes:
    """Return the signing key of a day for S3."""
    derived = b"AWS4" + key.secret.encode()
    for part in (date, key.region, "s3", "aws4_request"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return derived


def sign_head(
    key: ClientKey, method: str, path: str, headers: Mapping[str, str], timestamp: str
) -> tuple[dict[str, str], HeadSignature]:
    """Return the headers with the signature. `headers` have host and payload; `path` is decoded."""
    signed = {name.lower(): value for name, value in headers.items()} | {"x-amz-date": timestamp}
    if key.token:
        signed["x-amz-security-token"] = key.token
    covered = {name: signed[name] for name in sorted(signed) if name not in ("content-length", "transfer-encoding")}
    names = ";".join(covered)
    lines = [f"{name}:{value}\n" for name, value in covered.items()]
    canonical = f"{method}\n{quote(path)}\n\n{''.join(lines)}\n{names}\n{signed['x-amz-content-sha256']}"
    scope = f"{timestamp[:8]}/{key.region}/s3/aws4_request"
    derived = signing_key(key, timestamp[:8])
    text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(derived, text.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={key.access_key_id}/{scope}"
    signed["authorization"] = f"{credential}, SignedHeaders={names}, Signature={signature}"
    return signed, HeadSignature(signature, timestamp, scope, derived)


def checksum(name: str, body: bytes) -> str:
    """Return a checksum in Base64, by the end of its header's name."""
    return b64encode(_CHECKSUMS[name](body)).decode()


@dataclass
class EncodedBody:
    """The parts of an encoded body, which a test may change before it is sent.

    A chunk is [line, data, line end]. A plain body is one chunk without lines. `cut` is the number of bytes after which
    the connection is closed; a negative number counts from the end.
    """

    chunks: list[list[bytes]]
    last: bytes = b""
    trailer: list[bytes] = field(default_factory=list)
    end: bytes = b""
    cut: int | None = None

    def joined(self) -> bytes:
        """Return the body as it is sent, before it is cut."""
        return b"".join([*(part for chunk in self.chunks for part in chunk), self.last, *self.trailer, self.end])


@dataclass(frozen=True)
class UploadForm:
    """One way to send a body: the payload's value, and what protects it.

    `payload` is "hash" for the SHA-256 of the body. `checksum` is sent in a header, or in the trailer if the payload
    has one. `chunked` selects the transfer coding of HTTP.
    """

    name: str
    payload: str
    checksum: str = ""
    md5: bool = False
    chunked: bool = False
    chunk: int = 64 * 1024

    @property
    def streaming(self) -> bool:
        """Return whether the body has chunks of aws-chunked."""
        return self.payload.startswith("STREAMING-")

    @property
    def signed(self) -> bool:
        """Return whether each chunk has a signature."""
        return self.payload.startswith("STREAMING-AWS4-HMAC")

    @property
    def trailer(self) -> bool:
        """Return whether the body ends with a trailer."""
        return self.payload.endswith("-TRAILER")

    @property
    def has_length(self) -> bool:
        """Return whether the length of the object is known before its first byte."""
        return self.streaming or not self.chunked

    @property
    def verified(self) -> bool:
        """Return whether a changed byte of the body can be found out."""
        return self.signed or self.payload == "hash" or bool(self.checksum) or self.md5

    def headers(self, body: bytes) -> dict[str, str]:
        """Return the headers to sign, without host and length."""
        payload = sha256(body).hexdigest() if self.payload == "hash" else self.payload
        headers = {"x-amz-content-sha256": payload}
        if self.streaming:
            headers |= {"x-amz-decoded-content-length": str(len(body)), "content-encoding": "aws-chunked"}
        if self.trailer:
            headers["x-amz-trailer"] = f"x-amz-checksum-{self.checksum}"
        elif self.checksum:
            headers[f"x-amz-checksum-{self.checksum}"] = checksum(self.checksum, body)
        if self.md5:
            headers["content-md5"] = checksum("md5", body)
        return headers

    def encode(self, body: bytes, signature: HeadSignature) -> EncodedBody:
        """Return the encoded body."""
        if not self.streaming:
            return EncodedBody([[b"", body, b""]])
        chain = ChunkChain(signature) if self.signed else None
        chunks = [encode_chunk(body[at : at + self.chunk], chain) for at in range(0, len(body), self.chunk)]
        last = encode_chunk(b"", chain)[0]
        return EncodedBody(chunks, last, self._trailer(body, chain), CRLF)

    def _trailer(self, body: bytes, chain: "ChunkChain | None") -> list[bytes]:
        if not self.trailer:
            return []
        line = f"x-amz-checksum-{self.checksum}:{checksum(self.checksum, body)}".encode()
        if chain is None:
            return [line + CRLF]
        return [line + CRLF, b"x-amz-trailer-signature:" + chain.trailer(line + b"\n").encode() + CRLF]


class ChunkChain:
    """Signs chunks in their order, as a client does."""

    def __init__(self, signature: HeadSignature) -> None:
        self._head = signature
        self._previous = signature.signature

    def _next(self, algorithm: str, *digests: str) -> str:
        self._previous = self._head.sign(algorithm, self._head.timestamp, self._head.scope, self._previous, *digests)
        return self._previous

    def chunk(self, data: bytes) -> str:
        """Return the signature of the next chunk."""
        return self._next("AWS4-HMAC-SHA256-PAYLOAD", _EMPTY, sha256(data).hexdigest())

    def trailer(self, lines: bytes) -> str:
        """Return the signature of the trailer."""
        return self._next("AWS4-HMAC-SHA256-TRAILER", sha256(lines).hexdigest())


def encode_chunk(data: bytes, chain: ChunkChain | None) -> list[bytes]:
    """Return the line, the data and the line end of a chunk."""
    extension = "" if chain is None else f";chunk-signature={chain.chunk(data)}"
    return [f"{len(data):x}{extension}".encode() + CRLF, data, CRLF]


def http_chunks(body: bytes) -> Iterator[bytes]:
    """Yield a body in the chunked transfer coding of HTTP."""
    for at in range(0, len(body), _HTTP_CHUNK):
        data = body[at : at + _HTTP_CHUNK]
        yield f"{len(data):x}".encode() + CRLF + data + CRLF
    yield b"0\r\n\r\n"


_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
FORMS = (
    UploadForm("hash", "hash"),
    UploadForm("hash, http chunks", "hash", chunked=True),
    UploadForm("hash, crc32", "hash", "crc32"),
    UploadForm("hash, md5", "hash", md5=True),
    UploadForm("unsigned", "UNSIGNED-PAYLOAD"),
    UploadForm("unsigned, http chunks", "UNSIGNED-PAYLOAD", chunked=True),
    UploadForm("unsigned, md5", "UNSIGNED-PAYLOAD", md5=True),
    UploadForm("unsigned, crc32c, http chunks", "UNSIGNED-PAYLOAD", "crc32c", chunked=True),
    UploadForm("unsigned, sha256", "UNSIGNED-PAYLOAD", "sha256"),
    UploadForm("signed chunks", _SIGNED),
    UploadForm("signed chunks, http chunks", _SIGNED, chunked=True),
    UploadForm("signed chunks, crc32", _SIGNED, "crc32"),
    UploadForm("signed chunks of 80 KiB", _SIGNED, chunk=80 * 1024),
    UploadForm("signed chunks of 8 KiB", _SIGNED, chunk=8 * 1024),
    UploadForm("signed trailer", _SIGNED + "-TRAILER", "crc32c"),
    UploadForm("signed trailer, http chunks", _SIGNED + "-TRAILER", "sha256", chunked=True),
    UploadForm("unsigned trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "crc32"),
    UploadForm("unsigned trailer, http chunks", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "crc64nvme", chunked=True),
)
