"""Codes of authenticator apps, tested with the vectors of their RFCs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.mint.totp import STEP, find_step, hotp

SEED = b"12345678901234567890"
CODES = ("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489")
NOW = 1_773_500_966


@pytest.mark.parametrize(
    ("counter", "code"),
    list(enumerate(CODES)),
)
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    """RFC 4226, Appendix D."""
    assert hotp(SEED, counter) == code


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238(now: int, code: str) -> None:
    """RFC 6238, Appendix B: our code is the last six of its eight digits."""
    assert find_step(SEED, code[2:], now=now, window=0) == now // STEP


@pytest.mark.parametrize("distance", range(-4, 5))
def test_a_code_is_good_two_steps_either_way(distance: int) -> None:
    """AWS accepts the codes of exactly five steps."""
    step = NOW // STEP + distance
    assert find_step(SEED, hotp(SEED, step), now=NOW) == (step if abs(distance) <= 2 else None)


STEP_START = NOW - NOW % STEP


@pytest.mark.parametrize(
    ("now", "good"),
    [
        (STEP_START - 2 * STEP - 1, False),
        (STEP_START - 2 * STEP, True),
        (STEP_START - 2 * STEP + 1, True),
        (STEP_START + 3 * STEP - 2, True),
        (STEP_START + 3 * STEP - 1, True),
        (STEP_START + 3 * STEP, False),
    ],
)
def test_the_window_of_a_code_opens_and_closes_on_the_second(now: int, *, good: bool) -> None:
    """A step ends with the first second of the next: RFC 6238 4.2."""
    step = STEP_START // STEP
    assert find_step(SEED, hotp(SEED, step), now=now) == (step if good else None)


@given(st.text(max_size=8) | st.text("0123456789\u0660\u0661\uff12\uff13", min_size=6, max_size=6))
def test_only_six_ascii_digits_are_a_code(text: str) -> None:
    """Python would read other digits, spaces and signs as numbers."""
    found = find_step(SEED, text, now=NOW)
    assert found is None or (text.isascii() and text.isdigit() and hotp(SEED, found) == text)


def test_the_digits_of_another_script_are_no_code() -> None:
    """The right code in full-width digits is a wrong code."""
    code = hotp(SEED, NOW // STEP)
    wide = code.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    for text in (wide, f" {code}", f"{code}\n", f"+{code[1:]}", code[1:], f"0{code}"):
        assert find_step(SEED, text, now=NOW) is None


def test_the_first_minute_of_time_has_no_steps_before_it() -> None:
    """A window that would start below zero is cut."""
    assert find_step(SEED, hotp(SEED, 0), now=0) == 0
