"""Bodies of uploads through the gateway's transforms, in one process and without a connection.

Owns the bodies and the figures, in MB (10^6 bytes) for each second of CPU time. A body is fed in the pieces in which
uvloop reads it. The bar of 600 MB/s is for signed chunks of 64 KiB and 1 MiB that are verified and signed again.
"""

import time
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import starmap

from bench.figures import Figure

from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.verify.payload import find_payload_form
from daypass.verify.s3.bodies.bodies import BodyClaim, BodyProfile, plan_body
from daypass.verify.s3.bodies.chunk_signatures import ChunkSeed, ChunkSignatures

SIGNED_CHUNKS_BAR = 600.0  # MB/s
_SIZE = 64 * 1024 * 1024
_READ = 256 * 1024
_ROUNDS = 5
_DATA = bytes(_SIZE)
_CHECKSUM = b64encode(zlib.crc32(_DATA).to_bytes(4, "big"))
_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_CHUNKED_STORE = BodyProfile(commits_short_bodies=True, signed_chunks=True)
_STREAMING_STORE = BodyProfile(commits_short_bodies=False, unsigned_trailers=True)


def _seed(secret: str) -> ChunkSeed:
    key = signing_key(secret, "20261130", "us-east-1", "s3")
    return ChunkSeed("0" * 64, "20261130T000000Z", "20261130/us-east-1/s3/aws4_request", key)


_CLIENT, _STORE = _seed("client"), _seed("store")


def _signed_body(chunk: int) -> bytes:
    signatures = ChunkSignatures(_CLIENT)

    def parts() -> Iterator[bytes]:
        for at in range(0, _SIZE, chunk):
            data = _DATA[at : at + chunk]
            yield b"%x;chunk-signature=%b\r\n" % (chunk, signatures.sign_chunk(sha256(data).hexdigest()).encode())
            yield data + b"\r\n"
        yield b"0;chunk-signature=" + signatures.sign_chunk(sha256(b"").hexdigest()).encode() + b"\r\n\r\n"

    return b"".join(parts())


def _trailer_body(chunk: int) -> bytes:
    data = b"".join([b"%x\r\n%b\r\n" % (chunk, _DATA[at : at + chunk]) for at in range(0, _SIZE, chunk)])
    return data + b"0\r\nx-amz-checksum-crc32:" + _CHECKSUM + b"\r\n\r\n"


def signed_chunk_figures() -> list[Figure]:
    """Return the figures that have a bar, under their public names."""
    headers = {b"x-amz-decoded-content-length": b"%d" % _SIZE}
    return [
        _measure("signed_chunks_64k_mb_s", _signed_body(64 * 1024), _SIGNED, headers, _CHUNKED_STORE),
        _measure("signed_chunks_1m_mb_s", _signed_body(1024 * 1024), _SIGNED, headers, _CHUNKED_STORE),
    ]


def measure_upload_bodies() -> list[Figure]:
    """Return the figures of all forms."""
    length = {b"x-amz-decoded-content-length": b"%d" % _SIZE}
    trailer = {**length, b"x-amz-trailer": b"x-amz-checksum-crc32"}
    digest = sha256(_DATA).hexdigest()
    return list(
        starmap(
            _measure,
            (
                ("signed chunks of 64 KiB, signed again", _signed_body(64 * 1024), _SIGNED, length, _CHUNKED_STORE),
                ("signed chunks of 128 KiB, signed again", _signed_body(128 * 1024), _SIGNED, length, _CHUNKED_STORE),
                ("signed chunks of 1 MiB, signed again", _signed_body(1024 * 1024), _SIGNED, length, _CHUNKED_STORE),
                ("unsigned trailer, chunks signed", _trailer_body(1024 * 1024), _UNSIGNED_TRAILER, trailer,
                 _CHUNKED_STORE),
                ("unsigned trailer as it is", _trailer_body(1024 * 1024), _UNSIGNED_TRAILER, trailer,
                 _STREAMING_STORE),
                ("hash, chunks signed", _DATA, digest, {}, _CHUNKED_STORE),
                ("hash as it is", _DATA, digest, {}, _STREAMING_STORE),
                ("unsigned payload, chunks signed", _DATA, "UNSIGNED-PAYLOAD", {}, _CHUNKED_STORE),
                ("unsigned payload as it is", _DATA, "UNSIGNED-PAYLOAD", {}, _STREAMING_STORE),
            ),
        )
    )  # fmt: skip


def _measure(name: str, body: bytes, payload: str, headers: Mapping[bytes, bytes], profile: BodyProfile) -> Figure:
    pieces = [body[at : at + _READ] for at in range(0, len(body), _READ)]
    seconds = min(_run(pieces, payload, headers, profile) for _ in range(_ROUNDS))
    return Figure(name, _SIZE / seconds / 1e6, "MB/s of CPU time")


def _run(pieces: list[bytes], payload: str, headers: Mapping[bytes, bytes], profile: BodyProfile) -> float:
    form = find_payload_form(payload)
    if form is None:
        raise ValueError(payload)
    start = time.process_time()
    claim = BodyClaim(
        operation="PutObject",
        method="PUT",
        payload=form,
        headers=headers,
        content_length=sum(map(len, pieces)),
        chunked=False,
        seed=_CLIENT,
    )
    make = plan_body(claim, profile).make
    if make is None:
        raise ValueError("the body is empty")
    transform = make(_STORE)
    for piece in pieces:
        transform.feed(piece)
    transform.finish()
    return time.process_time() - start


def main() -> int:
    """Print the figures. Return 1 if one of signed chunks is below the bar."""
    figures = measure_upload_bodies()
    for figure in figures:
        print(f"{figure.name:45} {figure.value:8.0f} {figure.unit}")
    signed = [figure.value for figure in figures if figure.name.startswith("signed chunks")]
    return int(min(signed) < SIGNED_CHUNKS_BAR)


if __name__ == "__main__":
    raise SystemExit(main())
