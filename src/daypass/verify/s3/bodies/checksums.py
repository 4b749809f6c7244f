"""The checksums of a body that a client can announce.

Owns the algorithms by their header, and Content-MD5. S3's XXHASH algorithms are not supported. CRC32C and CRC64NVME
need the package awscrt; without it, a request with one of them is refused, because a checksum that is not compared does
not protect the object.
Source: Amazon S3 User Guide, "Checking object integrity".
"""

import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from hashlib import md5, sha1, sha256, sha512
from hmac import compare_digest
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

import msgspec

from daypass.verify.s3.errors import s3_error

CHECKSUM_PREFIX = b"x-amz-checksum-"
_NOT_CHECKSUMS = frozenset({b"x-amz-checksum-algorithm", b"x-amz-checksum-mode", b"x-amz-checksum-type"})
MD5_SIZE = 16


class Checksum(Protocol):
    """A checksum that is computed piece by piece."""

    def update(self, data: Any, /) -> None:
        """Add the next bytes."""

    def digest(self) -> bytes:
        """Return the checksum of the bytes so far."""


class _Crc:
    """A CRC whose function takes the value so far."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[Any, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: Any, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class ChecksumAlgorithm(msgspec.Struct, frozen=True):
    """An algorithm: its name at S3, the bytes of its checksum, and its start.

    `start` raises S3Error if this installation does not have the algorithm.
    """

    name: str
    size: int
    start: Callable[[], Checksum]

    @property
    def header(self) -> bytes:
        """Return the name of the header or trailer with the checksum."""
        return CHECKSUM_PREFIX + self.name.lower().encode()


def _start_crc32() -> Checksum:
    return _Crc(zlib.crc32, 4)


def _start_md5() -> Checksum:
    return md5(usedforsecurity=False)


def _start_from_awscrt(name: str, size: int) -> Callable[[], Checksum]:
    def start() -> Checksum:
        try:
            function = getattr(import_module("awscrt.checksums"), name)
        except (ImportError, AttributeError) as error:
            raise s3_error(
                "NotImplemented",
                f"The checksum algorithm {name.upper()} is not available here. Install the Python package awscrt.",
            ) from error
        return _Crc(function, size)

    return start


ALGORITHMS: Mapping[bytes, ChecksumAlgorithm] = MappingProxyType(
    {
        algorithm.header: algorithm
        for algorithm in (
            ChecksumAlgorithm("CRC32", 4, _start_crc32),
            ChecksumAlgorithm("CRC32C", 4, _start_from_awscrt("crc32c", 4)),
            ChecksumAlgorithm("CRC64NVME", 8, _start_from_awscrt("crc64nvme", 8)),
            ChecksumAlgorithm("MD5", MD5_SIZE, _start_md5),
            ChecksumAlgorithm("SHA1", 20, sha1),
            ChecksumAlgorithm("SHA256", 32, sha256),
            ChecksumAlgorithm("SHA512", 64, sha512),
        )
    }
)


class ExpectedChecksum:
    """A checksum that is computed and then compared with the announced value."""

    __slots__ = ("_checksum", "_expected", "_mismatch", "update")

    def __init__(self, checksum: Checksum, expected: bytes, mismatch: str) -> None:
        self._checksum = checksum
        self._expected = expected
        self._mismatch = mismatch
        self.update: Callable[[Any], None] = checksum.update

    def verify(self) -> None:
        """Raise S3Error unless the bytes have the announced checksum."""
        if not compare_digest(self._checksum.digest(), self._expected):
            raise s3_error("BadDigest", self._mismatch)


def is_checksum_header(name: bytes) -> bool:
    """Return whether the header has the checksum of a body or an object."""
    return name.startswith(CHECKSUM_PREFIX) and name not in _NOT_CHECKSUMS


def find_algorithm(name: bytes) -> ChecksumAlgorithm:
    """Return the algorithm of a header or trailer. Raises S3Error."""
    algorithm = ALGORITHMS.get(name)
    if algorithm is None:
        raise s3_error(
            "InvalidRequest", f"The checksum {name[:64].decode('latin-1')} is not supported by this gateway."
        )
    return algorithm


def decode_checksum(value: bytes, size: int) -> bytes | None:
    """Return the bytes of a checksum in Base64, or None if it is malformed."""
    try:
        decoded = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        return None
    return decoded if len(decoded) == size else None


def expect_md5(value: bytes) -> ExpectedChecksum:
    """Return the check of a Content-MD5 header. Raises S3Error."""
    expected = decode_checksum(value, MD5_SIZE)
    if expected is None:
        raise s3_error("InvalidDigest", "The Content-MD5 you specified is not valid.")
    return ExpectedChecksum(_start_md5(), expected, "The Content-MD5 you specified did not match what we received.")
