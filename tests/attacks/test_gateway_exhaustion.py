"""Requests that cost the gateway more than their sender."""

import json
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from tests.growth import least_seconds

from daypass.gateway.judge.edit import own_account
from daypass.verify.s3.bodies.chunks import MAX_CHUNK, MIN_CHUNK, ChunkReader
from daypass.verify.s3.documents.delete_objects import MAX_DELETE_BODY
from daypass.verify.s3.documents.xml_bodies import parse_xml_body
from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.forms.form_data import MAX_FIELDS, FormReader
from daypass.verify.s3.forms.post_policy import check_post_policy, parse_post_policy

_SOON = 1.0  # seconds of processor time; each attack took 2 to 60 before


@pytest.mark.parametrize("element", [b"<a/>", b"<Object/>", b"<Object><Key>a</Key></Object>"])
def test_a_body_of_many_elements_is_refused_early(element: bytes) -> None:
    """An anonymous caller may send it, and its elements take more memory than its bytes."""
    body = b"<Delete>" + element * (MAX_DELETE_BODY // len(element)) + b"</Delete>"

    def parse() -> None:
        with pytest.raises(S3Error) as refusal:
            parse_xml_body(body)
        assert refusal.value.detail == "too many elements"

    assert least_seconds(parse, _SOON) < _SOON


def test_a_form_that_comes_byte_by_byte_is_read_once() -> None:
    """The headers of a part are not parsed again for each piece of its value."""
    headers = b"".join(b"x%d:\r\n" % number for number in range(6_000))
    part = b'--B\r\nContent-Disposition: form-data; name="a"\r\n' + headers + b"\r\n"

    def read() -> None:
        reader = FormReader(b"multipart/form-data; boundary=B", MAX_FIELDS)
        reader.feed(part)
        for _ in range(4_000):
            assert reader.feed(b"v") is None

    assert least_seconds(read, _SOON) < _SOON


@pytest.mark.parametrize("owner", [b"<Owner>", b"<Initiator>", b"<Owner><Initiator></Initiator>"])
def test_a_list_with_open_owners_is_edited_soon(owner: bytes) -> None:
    """A store answers with elements that never end."""
    body = owner * (4 * 1024 * 1024 // len(owner))
    assert least_seconds(lambda: own_account(body, "111122223333"), 4 * _SOON) < 4 * _SOON


def test_a_form_with_many_conditions_and_types_is_checked_soon() -> None:
    """Every condition compares every media type, and 64 KiB have room for thousands of both."""
    document = {
        "expiration": "2999-01-01T00:00:00Z",
        "conditions": [["starts-with", "$content-type", ""]] * 1_500 + [{"bucket": "b"}],
    }
    policy = parse_post_policy(b64encode(json.dumps(document).encode()).decode())

    def check() -> None:
        for types, is_too_long in (("," * 15_000, True), ("," * 1_000, False)):
            with suppress(S3Error):
                check_post_policy(policy, {"content-type": types}, bucket="b", length=1, now=datetime.now(UTC))
                assert not is_too_long

    assert least_seconds(check, _SOON) < _SOON


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        ((MAX_CHUNK,), ""),
        ((MAX_CHUNK + 1,), "InvalidChunkSizeError"),
        ((0xFFFFFFFF,), "InvalidChunkSizeError"),
        ((MIN_CHUNK, 1), ""),
        ((MIN_CHUNK - 1, 1), "InvalidChunkSizeError"),
    ],
)
def test_the_size_of_a_chunk_is_limited(sizes: tuple[int, ...], code: str) -> None:
    """A large one would be buffered, and many small ones cost more than their bytes."""
    reader, found = ChunkReader(2**33, None, b""), ""
    try:
        for size in sizes:
            reader.feed(b"%x\r\n" % size)
            reader.feed(bytes(min(size, MAX_CHUNK)) + b"\r\n")
    except S3Error as refusal:
        found = refusal.code
    assert found == code
