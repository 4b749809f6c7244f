"""The formats of access key IDs, secrets and unique IDs."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.mint.access_keys import account_of, new_access_key_id, new_secret, new_unique_id
from daypass.mint.secret import Secret

ACCOUNTS = st.integers(0, 10**12 - 1).map("{:012d}".format)


@pytest.mark.parametrize(
    ("access_key_id", "account"),
    [("ASIAQNZGKIQY56JQ7WML", "029608264753"), ("ASIAY34FZKBOKMUTVV7A", "609629065308")],
)
def test_the_account_of_real_ids_is_known(access_key_id: str, account: str) -> None:
    """GetAccessKeyInfo must know the account of IDs that AWS issued."""
    assert account_of(access_key_id) == account


@given(ACCOUNTS, st.sampled_from(["AKIA", "ASIA"]), st.binary(min_size=5, max_size=5))
def test_an_id_carries_its_account(account: str, prefix: str, random: bytes) -> None:
    """An ID has AWS's format and contains its account, for any entropy."""
    access_key_id = new_access_key_id(prefix, account, lambda _: random)  # type: ignore[arg-type]
    assert re.fullmatch(prefix + "[A-Z2-7]{16}", access_key_id)
    assert account_of(access_key_id) == account


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AKIAIOSFODNN7EXAMPLE",  # of the older kind, which does not contain an account
        "AKIAI44QH8DHBEXAMPLE",
        "ASIAQNZGKIQY56JQ7WM",
        "ASIAQNZGKIQY56JQ7WMLA",
        "asiaqnzgkiqy56jq7wml",
        "AIDAQNZGKIQY56JQ7WML",
        "ASIAQNZGKIQY56JQ7WM\n",
        "ASIA7777777777777777",  # forty bits can encode more than twelve digits
        "ASIAQNZGKIQY56JQ7WM\uff21",
    ],
)
def test_what_carries_no_account_says_so(text: str) -> None:
    """A string without an account returns None and never raises."""
    assert account_of(text) is None


@given(st.text(max_size=24))
def test_any_string_may_be_looked_up(text: str) -> None:
    """GetAccessKeyInfo accepts any string."""
    assert account_of(text) is None or text[:4] in ("AKIA", "ASIA")


@pytest.mark.parametrize("account", ["1000000000000", "-1"])
def test_an_account_that_is_none_is_refused(account: str) -> None:
    """An ID must contain a valid account."""
    with pytest.raises(ValueError, match="twelve digits"):
        new_access_key_id("AKIA", account, os.urandom)


def test_ids_differ() -> None:
    """The IDs of one account differ through entropy."""
    assert len({new_access_key_id("ASIA", "029608264753", os.urandom) for _ in range(500)}) == 500


def test_a_secret_is_forty_characters_of_base64() -> None:
    """SDKs and tools expect AWS's format of a secret."""
    for _ in range(50):
        assert re.fullmatch("[A-Za-z0-9+/]{40}", new_secret(os.urandom).text)


def test_secrets_compare_by_value_and_print_nothing() -> None:
    """A secret equals itself, and its repr does not show it."""
    secret = Secret("sesame")
    assert secret == Secret("sesame")
    assert hash(secret) == hash(Secret("sesame"))
    assert secret not in (Secret("Sesame"), "sesame")
    assert f"{secret}{secret!r}{[secret]}" == "<secret><secret>[<secret>]"


@pytest.mark.parametrize("entropy", [os.urandom, bytes, lambda count: b"\xff" * count])
def test_a_unique_id_is_prefix_and_seventeen(entropy: object) -> None:
    """Unique IDs have one format, for any entropy."""
    assert re.fullmatch("AROA[A-Z0-9]{17}", new_unique_id("AROA", entropy))  # type: ignore[arg-type]


def test_how_much_is_left_to_chance() -> None:
    """A secret has 240 random bits.

    A unique ID takes forty bits more than it shows, thus its characters are uniform.
    """
    asked: list[int] = []

    def entropy(count: int, /) -> bytes:
        asked.append(count)
        return os.urandom(count)

    new_secret(entropy)
    new_unique_id("AROA", entropy)
    new_access_key_id("AKIA", "123456789012", entropy)
    assert asked == [30, 16, 5]


@pytest.mark.parametrize("account", ["-1", "1000000000000"])
def test_an_id_carries_no_number_that_is_no_account(account: str) -> None:
    """A number with thirteen digits would be read as another account."""
    with pytest.raises(ValueError, match="twelve digits"):
        new_access_key_id("AKIA", account, os.urandom)
