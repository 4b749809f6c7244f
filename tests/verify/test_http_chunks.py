"""The chunked transfer coding: strict, and independent of how the bytes arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.verify.http_chunks import LAST_CHUNK, HttpChunkError, HttpChunkReader, encode_http_chunk

REFUSED = (
    b"5;x=y\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n" + b" " * 30,
    b"5\r\nhelloo\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"0\r\nx-amz-acl: public-read\r\n\r\n",
    b"0\r\na: b\r\n\r\n",
    b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    b"g\r\n",
)


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 40), max_size=30), st.binary(max_size=9))
def test_the_split_of_the_input_does_not_matter(bodies: list[bytes], steps: list[int], rest: bytes) -> None:
    """Rule: pieces may be split anywhere, and bytes behind the end are returned as they are."""
    wire = b"".join([*(bytes(part) for body in bodies for part in encode_http_chunk([body])), LAST_CHUNK]) + rest
    reader, decoded, after = HttpChunkReader(), b"", b""
    for step in [*steps, len(wire)]:
        if reader.done:
            after += wire[:step]
        else:
            decoded += b"".join(reader.feed(wire[:step]))
            after = reader.rest
        wire = wire[step:]
    assert reader.done
    assert (decoded, after) == (b"".join(bodies), rest)


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("wire", REFUSED)
def test_lenient_framing_is_refused(wire: bytes, step: int) -> None:
    """Rule: another reader could take a lenient form for another length."""
    with pytest.raises(HttpChunkError):
        read_all(wire, step)


def read_all(wire: bytes, step: int) -> None:
    """Read a body, `step` bytes at a time."""
    reader = HttpChunkReader()
    for at in range(0, len(wire), step):
        reader.feed(wire[at : at + step])


def test_a_chunk_without_data_is_not_encoded() -> None:
    """Rule: an empty chunk would end the body."""
    assert encode_http_chunk([b"", b""]) == []
