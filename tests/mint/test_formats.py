"""Tokens of version 0.1.0 still open, and the format has not changed.

New tokens are equal byte by byte. Nodes of two versions share a store and a ring, and sessions outlive an upgrade.
"""

import msgspec
import pytest
from tests.mint.material import ACCESS_KEY_ID, ACCOUNT, NOW, role_session

from daypass.mint.exchange_token import (
    ExchangeToken,
    ExchangeTokenBrokenError,
    open_exchange_token,
    seal_exchange_token,
)
from daypass.mint.key_ring import RingKey
from daypass.mint.purpose import Purpose
from daypass.mint.seal import seal, unseal
from daypass.mint.sealing_keys import SealingMaterial, SealingRing
from daypass.mint.tokens import open_session

RING = SealingRing((RingKey("0a0b0c0d0e0f", SealingMaterial(bytes(range(32))), NOW, NOW),))
SEALED = {
    Purpose.SESSION: "DPs1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXwOkt7afDkf5x7rIogo7aQM-PWMol0PRY",
    Purpose.DENIAL: "DPd1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXUM3TIgxlJ8ySv-qxZ1USX4G_IOk-RXcO",
    Purpose.TRADE_IN: "DPt1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXT4asAgovk-JQpZ8CRqUM9OXaP2aM_4nh",
    Purpose.PORTAL: "DPp1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXUB4oDcPTaDs92y2f_rxVDiXLdoqGSXEx",
    Purpose.MARKER: "DPm1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXK99wwvro2aZ_4btFsWwT5GKOBeSGHFSc",
    Purpose.CHAIN: "DPc1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYX5amYx_31IpL_jI4vHs1neFRAyhRAdhTx",
    Purpose.ORIGIN: "DPo1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYX0kq5mJKC-YVg_XyWjK7KEjh3CKUfO76d",
}
LONGEST = {
    Purpose.SESSION: 8_000,
    Purpose.DENIAL: 2_048,
    Purpose.TRADE_IN: 2_048,
    Purpose.PORTAL: 2_048,
    Purpose.MARKER: 320,
    Purpose.CHAIN: 1_024,
    Purpose.ORIGIN: 8_000,
}
TOKEN = (
    "DPs1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXbIhDJbrNmRueJlCx9tLb4JTWC8XNgfkZ1N2iOJ24-APR8aCAvzrjYT5_vxwskeaZM0L9"
    "gOsxMxASBoYdeul6SEtujhEN96e350lsljJVOJpOfK69icBcoRsT_Ry7bZeySm547Sc5z3d00QSJtqhRaDvzu2YpqEx8mCF7v9Q48hvPc_WnBjGe"
    "Byw01toOobXzl0spxYko2UmWK_n459GWzQqvZRscTQEphp8gVBxZtSyfMCPvcAREf9UDHF_Ry-x4PoeT1q8XIL_-Tkf9TEYrBpwT06u5SN0Wtj2c"
    "26CanJuiKOnOtg5-L-Q0zAjzvTsJpz1IEJo6Jw2yf9RdvCRi5rLyzMXoG-wj9K4dR9F82yaTYvis-5fMrqdfPBT_33HGeEcNlpimQiasRmqoKqaR"
    "482WsPUJYvi6zOMNfiwx_5uCXsl-ELPF9DUbZTLNfIa7gHkj3lQoRfh4zsC7NtQ1TjkHkZdaRnoXYAlVTV3PNRoT1rLW5mXzgq6vngKf"
)
TRADE_IN = "DPt1CgsMDQ4PAAECAwQFBgcICQoLDA0ODxAREhMUFRYXrUOxHEh_OQsvWQ9u0GQcaSjSGKJ6SB9qmAuOnJi5"


def counting(count: int, /) -> bytes:
    """Return the bytes 0, 1, 2 and so on, for a known salt."""
    return bytes(range(count))


@pytest.mark.parametrize("purpose", Purpose)
def test_a_sealed_text_has_the_form_that_it_always_had(purpose: Purpose) -> None:
    """A change of tag, key ID, salt, nonce, padding or associated data would invalidate every session."""
    assert seal(purpose, b"payload", bound_to="name", sealing_ring=RING, now=NOW, entropy=counting) == SEALED[purpose]
    assert unseal(purpose, SEALED[purpose], bound_to="name", sealing_ring=RING) == b"payload"


def test_the_longest_texts_are_those_that_other_software_takes() -> None:
    """Headers must pass proxies, and a marker is within IAM's limit."""
    assert {purpose: purpose.value.longest for purpose in Purpose} == LONGEST


def test_a_session_token_of_the_first_version_opens() -> None:
    """Every field keeps its value; the chain is the key that it names."""
    expected = msgspec.structs.replace(role_session(), issuing_keys=(role_session().issuing_key,), has_all_keys=False)
    assert open_session(TOKEN, access_key_id=ACCESS_KEY_ID, sealing_ring=RING) == expected


def test_an_exchange_token_of_the_first_version_opens() -> None:
    """It opens only for the account for which it was made."""
    made = ExchangeToken("dr-1", NOW + 300)
    assert seal_exchange_token(made, account=ACCOUNT, sealing_ring=RING, now=NOW, entropy=counting) == TRADE_IN
    assert open_exchange_token(TRADE_IN, account=ACCOUNT, sealing_ring=RING) == made
    with pytest.raises(ExchangeTokenBrokenError):
        open_exchange_token(TRADE_IN, account="123456789012", sealing_ring=RING)


@pytest.mark.parametrize("payload", [["dr-1", NOW, "only on Tuesdays"], ["dr-1"], ["dr-1", "soon"], {}, b"\xff"])
def test_an_exchange_token_that_says_something_else_is_refused(payload: object) -> None:
    """An additional field may be a restriction of a newer server.

    A missing field makes the token invalid.
    """
    packed = msgspec.msgpack.encode(payload)
    text = seal(Purpose.TRADE_IN, packed, bound_to=ACCOUNT, sealing_ring=RING, now=NOW, entropy=counting)
    with pytest.raises(ExchangeTokenBrokenError):
        open_exchange_token(text, account=ACCOUNT, sealing_ring=RING)


@pytest.mark.parametrize("text", ["", "x", SEALED[Purpose.SESSION], TRADE_IN + "AAAA", TRADE_IN[:-4]])
def test_an_invalid_exchange_token_is_refused(text: str) -> None:
    """A session token is one of the invalid ones."""
    with pytest.raises(ExchangeTokenBrokenError):
        open_exchange_token(text, account=ACCOUNT, sealing_ring=RING)
