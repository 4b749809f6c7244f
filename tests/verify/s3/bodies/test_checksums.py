"""Checksums: the algorithms against published check values, and one that is not available."""

import sys

import pytest

from daypass.verify.s3.bodies.checksums import (
    ALGORITHMS,
    decode_checksum,
    expect_md5,
    find_algorithm,
    is_checksum_header,
)
from daypass.verify.s3.errors import S3Error

# The check values of "123456789": the catalogue of parametrised CRC algorithms, RFC 1321, RFC 3174, FIPS 180-4.
CHECK_VALUES = {
    "crc32": "cbf43926",
    "crc32c": "e3069283",
    "crc64nvme": "ae8b14860a799888",
    "md5": "25f9e794323b453885f5181f1b624d0b",
    "sha1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}


@pytest.mark.parametrize("name", CHECK_VALUES)
def test_an_algorithm_has_its_check_value(name: str) -> None:
    """Rule: pieces give the same checksum as the whole."""
    checksum = ALGORITHMS[f"x-amz-checksum-{name}".encode()].start()
    checksum.update(b"1234")
    checksum.update(memoryview(b"56789"))
    assert checksum.digest().hex() == CHECK_VALUES[name]


def test_an_algorithm_without_its_library_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: a checksum that cannot be compared is not ignored."""
    monkeypatch.setitem(sys.modules, "awscrt.checksums", None)
    with pytest.raises(S3Error, match="CRC64NVME is not available"):
        find_algorithm(b"x-amz-checksum-crc64nvme").start()


def test_an_unknown_algorithm_is_refused_by_name() -> None:
    """Rule: a header of a checksum that this version does not know is refused."""
    with pytest.raises(S3Error, match="x-amz-checksum-xxhash64"):
        find_algorithm(b"x-amz-checksum-xxhash64")


@pytest.mark.parametrize("name", [b"x-amz-checksum-mode", b"x-amz-checksum-type", b"x-amz-checksum-algorithm"])
def test_a_header_about_checksums_is_not_a_checksum(name: bytes) -> None:
    """Rule: these headers describe an answer or an object."""
    assert not is_checksum_header(name)


@pytest.mark.parametrize("value", [b"", b"AAAA", b"!!!!!!==", b"AAAAAA", b"AAAAAA==\n", b"AAAAAA== ", b"AAAAAAA="])
def test_a_malformed_value_is_refused(value: bytes) -> None:
    """Rule: a value is Base64 of the right length."""
    assert decode_checksum(value, 4) is None
    with pytest.raises(S3Error, match="InvalidDigest"):
        expect_md5(value)
