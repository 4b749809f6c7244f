"""The checks of a whole body: hash, Content-MD5 and checksum.

Owns which headers announce a checksum of the body, and S3's errors for a wrong one. A request has at most one checksum,
in a header or in a trailer.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Protocol

from daypass.verify.http_chunks import Piece
from daypass.verify.payload import PayloadForm, PayloadKind
from daypass.verify.s3.bodies.checksums import (
    ChecksumAlgorithm,
    ExpectedChecksum,
    decode_checksum,
    expect_md5,
    find_algorithm,
    is_checksum_header,
)
from daypass.verify.s3.errors import S3Error, s3_error

TRAILER_HEADER = b"x-amz-trailer"
_ONE_CHECKSUM = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."


class _Check(Protocol):
    @property
    def update(self) -> Callable[[Any], None]: ...

    def verify(self) -> None: ...


class _PayloadHash:
    """The SHA-256 that the signature of the head covers."""

    __slots__ = ("_expected", "_hash", "update")

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._hash = sha256()
        self.update: Callable[[Any], None] = self._hash.update

    def verify(self) -> None:
        computed = self._hash.hexdigest()
        if not compare_digest(computed, self._expected):
            fields = {"ClientComputedContentSHA256": self._expected, "S3ComputedContentSHA256": computed}
            raise s3_error("XAmzContentSHA256Mismatch", **fields)


class _TrailerChecksum:
    """A checksum whose value is in the trailer."""

    __slots__ = ("_algorithm", "_checksum", "update")

    def __init__(self, algorithm: ChecksumAlgorithm) -> None:
        self._algorithm = algorithm
        self._checksum = algorithm.start()
        self.update: Callable[[Any], None] = self._checksum.update

    def verify(self, value: bytes) -> None:
        name = self._algorithm.header.decode()
        expected = decode_checksum(value, self._algorithm.size)
        if expected is None:
            raise s3_error("InvalidRequest", f"Value for {name} trailing header is invalid.")
        if not compare_digest(self._checksum.digest(), expected):
            raise _mismatch(self._algorithm)


class BodyChecks:
    """The checks of one body. `update` every piece, then `verify` once."""

    __slots__ = ("_checks", "_trailer", "_updates")

    def __init__(self, checks: list[_Check], trailer: ChecksumAlgorithm | None) -> None:
        self._checks = checks
        self._trailer = None if trailer is None else _TrailerChecksum(trailer)
        self._updates = [check.update for check in checks]
        if self._trailer is not None:
            self._updates.append(self._trailer.update)

    def update(self, pieces: list[Piece]) -> None:
        """Add the next bytes of the body."""
        for add in self._updates:
            for piece in pieces:
                add(piece)

    def verify(self, trailer_value: bytes) -> None:
        """Raise S3Error unless every announced value is right."""
        for check in self._checks:
            check.verify()
        if self._trailer is not None:
            self._trailer.verify(trailer_value)


def parse_trailer_header(headers: Mapping[bytes, bytes]) -> ChecksumAlgorithm:
    """Return the algorithm of the one declared trailer. Raises S3Error."""
    value = headers.get(TRAILER_HEADER, b"").lower()
    if not is_checksum_header(value):
        raise s3_error("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    return find_algorithm(value)


def checks_of(
    payload: PayloadForm, headers: Mapping[bytes, bytes], trailer: ChecksumAlgorithm | None, *, of_object: bool
) -> BodyChecks:
    """Return the checks that a request announces. Raises S3Error.

    `of_object` states that checksum headers belong to an object, not to this body, as in CompleteMultipartUpload.
    """
    checks: list[_Check] = []
    if payload.kind is PayloadKind.HASH:
        checks.append(_PayloadHash(payload.value))
    if b"content-md5" in headers:
        checks.append(expect_md5(headers[b"content-md5"]))
    announced = [] if of_object else list(_announced(headers))
    if len(announced) + (trailer is not None) > 1:
        raise s3_error("InvalidRequest", _ONE_CHECKSUM)
    checks += announced
    return BodyChecks(checks, trailer)


def _announced(headers: Mapping[bytes, bytes]) -> Iterator[ExpectedChecksum]:
    for name in filter(is_checksum_header, headers):
        algorithm = find_algorithm(name)
        expected = decode_checksum(headers[name], algorithm.size)
        if expected is None:
            raise s3_error("InvalidRequest", f"Value for {name.decode()} header is invalid.")
        yield ExpectedChecksum(algorithm.start(), expected, _mismatch(algorithm).message)


def _mismatch(algorithm: ChecksumAlgorithm) -> S3Error:
    return s3_error("BadDigest", f"The {algorithm.name} you specified did not match the calculated checksum.")
