"""Attacks on the compact form and on signatures: spellings, sizes, serialisations, impossible numbers."""

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from tests.federation.oidc.setting import claims, header, judge, key, segments, token
from tests.growth import least_seconds

from daypass.base64url import parse_base64url
from daypass.errors import InvalidIdentityToken, ValidationError
from daypass.federation.oidc.token import read_token
from daypass.testing.tokens import SigningKey, encode, encode_json

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def resigned(signature: bytes, alg: str = "ES256") -> str:
    """Return a genuine token with another signature."""
    head, body, _ = segments(token(alg=alg))
    return f"{head}.{body}.{encode(signature)}"


def altered(part: int, change: Callable[[str], str]) -> str:
    """Return a genuine token with one segment changed."""
    parts = list(segments(token()))
    parts[part] = change(parts[part])
    return ".".join(parts)


def flipped(text: str) -> str:
    """Return a segment with one bit of its bytes flipped."""
    data = bytearray(parse_base64url(text))
    data[len(data) // 2] ^= 1
    return encode(bytes(data))


def stray_bits(text: str) -> str:
    """Return the same bytes in a second spelling: the last character's unused bits are set."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(text) % 4
    return text[:-1] + letters[letters.index(text[-1]) + 1]


def in_der() -> bytes:
    """Return a genuine ECDSA signature in DER, as TLS would have it."""
    signing_key = key("ES256")
    head, body, _ = segments(token(alg="ES256"))
    raw = signing_key.sign(f"{head}.{body}".encode())
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


ATTACKS: dict[str, Callable[[], str]] = {
    "sig-stripped": lambda: ".".join((*segments(token())[:2], "")),
    "sig-two-parts": lambda: ".".join(segments(token())[:2]),
    "sig-four-parts": lambda: token() + ".AAAA",
    "sig-altered": lambda: altered(2, flipped),
    "sig-truncated": lambda: altered(2, lambda text: text[:-4]),
    "sig-extended": lambda: altered(2, lambda text: encode(parse_base64url(text) + b"\0")),
    "payload-altered": lambda: altered(1, lambda _: encode_json(claims(sub="admin"))),
    "header-altered": lambda: altered(0, lambda _: encode_json(header(extra=1))),
    "payload-of-another-token": lambda: altered(1, lambda _: segments(token(sub="admin"))[1]),
    "sig-padded-b64": lambda: altered(2, lambda text: text + "=="),
    "sig-std-b64": lambda: altered(2, lambda text: text.replace("-", "+").replace("_", "/") + "+/+/"),
    "sig-trailing-bits": lambda: altered(2, stray_bits),
    "sig-whitespace": lambda: altered(2, lambda text: text[:20] + "\n" + text[20:]),
    "payload-whitespace": lambda: altered(1, lambda text: text[:8] + " " + text[8:]),
    "psychic-zero": lambda: resigned(bytes(64)),
    "psychic-r-zero": lambda: resigned(bytes(32) + b"\1" * 32),
    "psychic-s-zero": lambda: resigned(b"\1" * 32 + bytes(32)),
    "psychic-order": lambda: resigned(ORDER.to_bytes(32, "big") * 2),
    "ecdsa-der": lambda: resigned(in_der()),
    "ecdsa-of-another-curve's-length": lambda: resigned(bytes(96)),
    "rsa-signature-of-zero": lambda: resigned(bytes(256), "RS256"),
    "huge-token": lambda: token(padding="x" * 13_000_000),
    "token-over-20000": lambda: token(padding="x" * 20_000),
    "huge-unsigned": lambda: "A" * 10_000_000,
    "many-dots": lambda: "." * 1_000_000,
    "jws-json": lambda: '{"payload":"e30","signatures":[]}',
    "jws-json-flat": lambda: json.dumps(
        dict(zip(("protected", "payload", "signature"), segments(token()), strict=True))
    ),
    "empty": lambda: "",
    "spaces": lambda: "    ",
    "bearer": lambda: "Bearer " + token(),
    "newline-end": lambda: token() + "\n",
    "newline-start": lambda: "\n" + token(),
    "nonascii": lambda: token() + "é",
    "nonascii-digits": lambda: altered(2, lambda text: text + "\uff11" * 4),
    "nul": lambda: token() + "\0",
    "three-dots-only": lambda: "..",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_refused(name: str) -> None:
    """A token has exactly one spelling and one signature.

    All others are refused in time linear in the size.
    """
    assert judge(token()).subject == "user-1"
    assert judge(token(alg="ES256")).subject == "user-1"
    text = ATTACKS[name]()

    def refuse() -> None:
        # The API refuses a token of another length before it reads it, in the words of the service model.
        with pytest.raises(InvalidIdentityToken if 4 <= len(text) <= 20_000 else ValidationError):
            judge(text)

    assert least_seconds(refuse, 0.5) < 0.5


def test_the_other_of_two_ecdsa_signatures_is_the_same_identity() -> None:
    """With ECDSA anyone can turn (r, s) into (r, n - s).

    It proves the same claims, so it is not a forgery.
    """
    head, body, tail = segments(token(alg="ES256"))
    raw = parse_base64url(tail)
    s = ORDER - int.from_bytes(raw[32:], "big")
    text = f"{head}.{body}.{encode(raw[:32] + s.to_bytes(32, 'big'))}"
    assert judge(text).subject == "user-1"


def test_der_and_raw_spell_the_same_numbers() -> None:
    """The test's own DER encoder is correct, so that the refusal of DER is only about the form."""
    r, _ = decode_dss_signature(in_der())
    assert 0 < r < ORDER
    assert isinstance(SigningKey.generate("ES256", None).private, ec.EllipticCurvePrivateKey)


_GENUINE = token(alg="ES256").rpartition(".")[0]
_CHARACTERS = 'AQgw09_-+/="\\ \n\0é'


@given(st.text("AQgwEIM048_-", min_size=1, max_size=9) | st.text(_CHARACTERS, min_size=1, max_size=9))
def test_a_segment_is_read_as_any_other_base64url(text: str) -> None:
    """A token's decoder is another one, and refuses the same strings."""
    try:
        expected = parse_base64url(text)
    except ValueError:
        with pytest.raises(InvalidIdentityToken):
            read_token(f"{_GENUINE}.{text}")
    else:
        assert read_token(f"{_GENUINE}.{text}").signature == expected
