"""A sealed string opens only for its ring, purpose and bound name.

It has exactly one spelling.
"""

import string
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mint.material import NOW, Counted

from daypass.mint.purpose import Purpose
from daypass.mint.seal import PayloadTooLargeError, SealBrokenError, seal, sealed_length, unseal
from daypass.mint.sealing_keys import SealingMaterial, SealingRing, first_sealing_ring

ENTROPY = Counted()
RING = first_sealing_ring(now=NOW, entropy=ENTROPY)
ALPHABET = string.ascii_letters + string.digits + "-_"
PAYLOADS = st.binary(max_size=150) | st.binary(max_size=4).map(lambda end: end + b"\x80\x00\x00")
NAME = "ASIAQNZGKIQY56JQ7WML"


def sealed(payload: bytes = b"payload", purpose: Purpose = Purpose.SESSION, name: str = NAME) -> str:
    """Return a sealed string."""
    return seal(purpose, payload, bound_to=name, sealing_ring=RING, now=NOW, entropy=ENTROPY)


def opened(text: str, purpose: Purpose = Purpose.SESSION, name: str = NAME) -> bytes:
    """Open a sealed string."""
    return unseal(purpose, text, bound_to=name, sealing_ring=RING)


@settings(deadline=None)
@given(PAYLOADS, st.text(max_size=9))
def test_what_was_sealed_comes_out(payload: bytes, name: str) -> None:
    """Any payload of any purpose is returned unchanged, even if it ends like padding."""
    for purpose in Purpose:
        text = sealed(payload, purpose, name)
        assert opened(text, purpose, name) == payload
        assert len(text) == sealed_length(len(payload))


@pytest.mark.parametrize(("made", "used"), list(permutations(Purpose, 2)))
def test_no_text_serves_another_purpose(made: Purpose, used: Purpose) -> None:
    """A string of one purpose is not valid for another, even with its tag."""
    text = sealed(b"x", made)
    for attempt in (text, used.value.tag + text[4:]):
        with pytest.raises(SealBrokenError):
            opened(attempt, used)


@settings(deadline=None)
@given(st.data())
def test_any_altered_character_is_refused(data: st.DataObject) -> None:
    """Tag, key ID, salt, content and seal cannot be changed."""
    text = sealed()
    position = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(ALPHABET + "+/=. \n\x00é"))
    if letter == text[position]:
        return
    with pytest.raises(SealBrokenError):
        opened(text[:position] + letter + text[position + 1 :])


def test_every_truncation_and_extension_is_refused() -> None:
    """A part of a string, and a longer string, are refused."""
    text = sealed()
    for length in range(len(text)):
        with pytest.raises(SealBrokenError):
            opened(text[:length])
    for extra in ("A", "AAAA", "=", "====", "\n", " ", ".", text):
        for attempt in (text + extra, extra + text):
            with pytest.raises(SealBrokenError):
                opened(attempt)


def test_a_text_has_one_spelling() -> None:
    """The base64 alphabets do not mix, and padding is not accepted.

    The last character has no spare bits.
    """
    spellings = 0
    for length in range(40):
        text = sealed(b"\xff" * length)
        assert set(text) <= set(ALPHABET)
        for other in {text.replace("-", "+").replace("_", "/"), text.rstrip("A"), text.swapcase()} - {text}:
            spellings += 1
            with pytest.raises(SealBrokenError):
                opened(other)
        for last in ALPHABET:
            if last != text[-1]:
                with pytest.raises(SealBrokenError):
                    opened(text[:-1] + last)
    assert spellings > 40


def test_a_text_opens_beside_its_name_alone() -> None:
    """The bound name is part of the seal, with any characters."""
    text = sealed()
    for name in ("", NAME[:-1], NAME + "A", NAME.lower(), "\ud800"):
        with pytest.raises(SealBrokenError):
            opened(text, name=name)


def test_a_ring_without_the_key_opens_nothing() -> None:
    """A ring needs the key itself, not only a key with the same ID."""
    other = SealingRing((replace(RING.keys[0], material=SealingMaterial(bytes(32))),))
    for sealing_ring in (SealingRing(), first_sealing_ring(now=NOW, entropy=ENTROPY), other):
        with pytest.raises(SealBrokenError):
            unseal(Purpose.SESSION, sealed(), bound_to=NAME, sealing_ring=sealing_ring)


def test_two_seals_of_one_payload_have_nothing_in_common() -> None:
    """The salt makes every string different after the tag and the key ID."""
    first, second = sealed(), sealed()
    assert first[:12] == second[:12]
    assert first[12:] != second[12:]


@pytest.mark.parametrize("purpose", Purpose)
def test_a_text_is_never_longer_than_its_purpose_allows(purpose: Purpose) -> None:
    """A string that is too long is refused when it is sealed and, unread, when it is opened."""
    room = max(size for size in range(8_000) if sealed_length(size) <= purpose.value.longest)
    assert opened(sealed(b"x" * room, purpose), purpose) == b"x" * room
    with pytest.raises(PayloadTooLargeError):
        sealed(b"x" * (room + 1), purpose)
    with pytest.raises(SealBrokenError):
        opened(purpose.value.tag + "A" * 1_000_000, purpose)


def test_tags_tell_purposes_apart() -> None:
    """Every tag is four characters of base64, which encode three bytes.

    Every label is unique.
    """
    assert len({purpose.value.tag for purpose in Purpose}) == len(Purpose)
    assert len({purpose.value.label for purpose in Purpose}) == len(Purpose)
    for purpose in Purpose:
        assert sealed(b"", purpose).startswith(purpose.value.tag)


def test_sealing_material_shows_nothing() -> None:
    """The repr of a key or a ring does not show its secret.

    A key of another size is refused.
    """
    material = RING.keys[0].material
    assert material.secret.hex() not in f"{RING} {RING.keys} {material}"
    assert repr(material) == "<secret>"
    assert material == SealingMaterial(material.secret)
    with pytest.raises(ValueError, match="32 bytes"):
        SealingMaterial(b"short")
