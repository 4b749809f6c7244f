"""KeyedHash is HMAC-SHA256, whatever the length of its key."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from daypass.keyed_hash import KeyedHash


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_it_is_the_hmac_of_the_standard_library(key: bytes, message: bytes) -> None:
    """Keys longer than a block are hashed first; shorter ones are filled up."""
    keyed, expected = KeyedHash(key), hmac.digest(key, message, "sha256")
    assert keyed.digest(message) == keyed.digest(message) == expected
    assert keyed.hexdigest(message) == expected.hex()


def test_it_does_not_show_its_key() -> None:
    """A key that is printed by accident is no key any more."""
    assert "key" not in repr(KeyedHash(b"key"))
