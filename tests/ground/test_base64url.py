"""Base64url has one encoding for one sequence of bytes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.base64url import parse_base64url, to_base64url


@given(st.binary(max_size=80))
def test_bytes_come_back(value: bytes) -> None:
    """The encoding equals the standard library's without padding."""
    text = to_base64url(value)
    assert text == base64.urlsafe_b64encode(value).decode().rstrip("=")
    assert parse_base64url(text) == value


@given(st.text("AQgw_-+/= \n.é", max_size=6))
def test_a_text_is_canonical_or_refused(text: str) -> None:
    """A string is the only encoding of its bytes, or it is refused."""
    try:
        value = parse_base64url(text)
    except ValueError:
        return
    assert to_base64url(value) == text


@pytest.mark.parametrize(
    "text", ["YQ==", "YQ=", "YR", "YWJ", "a", "Y Q", "YQ\n", "\nYQ", "+/+/", "é", "YQ\0", "YWJjZ", "=", "Yé"]
)
def test_other_spellings_are_refused(text: str) -> None:
    """Padding, trailing bits, white space, the standard alphabet, and impossible lengths are refused."""
    with pytest.raises(ValueError, match="base64url"):
        parse_base64url(text)
