"""KeyedHash is HMAC-SHA256 for every length of key."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from daypass.keyed_hash import KeyedHash


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_it_is_the_hmac_of_the_standard_library(key: bytes, message: bytes) -> None:
    """Keys longer than a block are hashed first; shorter ones are padded."""
    keyed, expected = KeyedHash(key), hmac.digest(key, message, "sha256")
    assert keyed.digest(message) == keyed.digest(message) == expected
    assert keyed.hexdigest(message) == expected.hex()


def test_it_does_not_show_its_key() -> None:
    """A key must not be printed by accident."""
    assert "key" not in repr(KeyedHash(b"key"))
