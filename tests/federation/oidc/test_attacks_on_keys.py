"""Attacks through the published key set, and unusual but honest sets."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from tests.federation.oidc.setting import claims, header, judge, jwks, key, token

from daypass.base64url import parse_base64url
from daypass.federation.oidc.keys import UnreadableKeySetError, parse_jwks
from daypass.federation.oidc.verify import KeyNotFoundError
from daypass.testing.tokens import SigningKey, compact, encode, encode_number

GOOD = key("RS256")
ATTACKER = key("RS256", "attacker")


@dataclass(frozen=True)
class Case:
    """A token and the key set that verifies it."""

    text: str
    keys: bytes


def weak() -> Case:
    """Return a token signed by an RSA key that is too short, and the set that publishes it."""
    short = SigningKey.generate("RS256", "weak", rsa_bits=1024)
    return Case(compact(header(kid="weak"), claims(), short), jwks(short.jwk()))


def exponent_of_one() -> Case:
    """Return the padded digest as its own signature, which an exponent of one makes valid."""
    parts = compact(header(kid="e1"), claims(), None)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(parts.rstrip(".").encode())
    info = bytes.fromhex("3031300d060960864801650304020105000420") + digest.finalize()
    padded = b"\0\1" + b"\xff" * (256 - 3 - len(info)) + b"\0" + info
    return Case(parts + encode(padded), jwks(GOOD.jwk(kid="e1", e="AQ")))


def symmetric(secret: bytes) -> Case:
    """Return a token authenticated with a secret that the set publishes."""
    shared = SigningKey("shared", "HS256", secret)
    return Case(compact(header("HS256", kid="shared"), claims(), shared), jwks(shared.jwk()))


def off_curve() -> Case:
    """Return a set whose EC point is not on its curve."""
    entry = key("ES256").jwk()
    entry["y"] = encode_number(int.from_bytes(parse_base64url(entry["y"]), "big") ^ 1, 32)
    return Case(token(alg="ES256"), jwks(entry))


def beside(*entries: dict[str, Any]) -> Case:
    """Return a genuine token, and a set without its key."""
    return Case(token(), jwks(*entries))


def twins(first: SigningKey, second: SigningKey, signer: SigningKey) -> Case:
    """Return a token, and a set with two keys of one name."""
    entries = (first.jwk(kid="RS256-good"), second.jwk(kid="RS256-good"))
    return Case(compact(header(), claims(), signer), jwks(*entries))


REFUSED: dict[str, Callable[[], Case]] = {
    "weak-rsa-512": lambda: Case(token(), jwks(GOOD.jwk(n=encode_number((1 << 511) | 1)))),
    "weak-rsa-1024": weak,
    "rsa-2047": lambda: Case(token(), jwks(GOOD.jwk(n=encode_number((1 << 2046) | 1)))),
    "rsa-even-modulus": lambda: Case(token(), jwks(GOOD.jwk(n=encode_number(1 << 2047)))),
    "rsa-huge": lambda: Case(token(), jwks(GOOD.jwk(n=encode_number((1 << 16383) | 1)))),
    "rsa-e-1": exponent_of_one,
    "rsa-e-2": lambda: Case(token(), jwks(GOOD.jwk(e="Ag"))),
    "rsa-e-0": lambda: Case(token(), jwks(GOOD.jwk(e="AA"))),
    "rsa-e-huge": lambda: Case(token(), jwks(GOOD.jwk(e=encode_number((1 << 64) | 1)))),
    "jwks-dup-kid-genuine-first": lambda: twins(GOOD, ATTACKER, GOOD),
    "jwks-dup-kid-genuine-second": lambda: twins(ATTACKER, GOOD, GOOD),
    "jwks-dup-kid-attacker": lambda: twins(GOOD, ATTACKER, ATTACKER),
    "jwks-oct": lambda: symmetric(b"a secret that is published, which is none"),
    "jwks-oct-empty": lambda: symmetric(b""),
    "jwks-use-enc": lambda: beside(GOOD.jwk(use="enc")),
    "jwks-use-list": lambda: beside(GOOD.jwk(use=["sig"])),
    "jwks-key-ops": lambda: beside(GOOD.jwk(key_ops=["encrypt"])),
    "jwks-key-ops-text": lambda: beside(GOOD.jwk(key_ops="verify")),
    "jwks-ec-off-curve": off_curve,
    "jwks-private": lambda: beside(GOOD.jwk(d="AQAB")),
    "jwks-alg-mismatch": lambda: beside(GOOD.jwk(alg="RS512")),
    "jwks-alg-oaep": lambda: beside(GOOD.jwk(alg="RSA-OAEP")),
    "jwks-alg-number": lambda: beside(GOOD.jwk(alg=256)),
    "jwks-kid-list": lambda: beside(GOOD.jwk(kid=["RS256-good"])),
    "jwks-other-kid-only": lambda: beside(GOOD.jwk(kid="another")),
    "jwks-x5c-only": lambda: beside({"kty": "RSA", "kid": "RS256-good", "x5c": ["MIIB"]}),
    "jwks-eddsa": lambda: Case(compact(header("EdDSA"), claims(), key("EdDSA")), jwks(key("EdDSA").jwk())),
    "no-kid-several-fit": lambda: Case(compact(header(kid=None), claims(), GOOD), jwks(GOOD.jwk(), ATTACKER.jwk())),
    "jwks-empty": lambda: Case(token(), b'{"keys":[]}'),
    "jwks-notlist": lambda: Case(token(), b'{"keys":{"kid":"RS256-good"}}'),
    "jwks-nokeys": lambda: Case(token(), b'{"jwks":[]}'),
    "jwks-list": lambda: Case(token(), b"[]"),
    "jwks-null": lambda: Case(token(), b"null"),
    "jwks-keys-null": lambda: Case(token(), b'{"keys":null}'),
    "jwks-no-json": lambda: Case(token(), b"<html>"),
    "jwks-binary": lambda: Case(token(), bytes(range(256))),
    "jwks-dup-member": lambda: Case(token(), b'{"keys":[],"keys":[%s]}' % json.dumps(GOOD.jwk()).encode()),
    "jwks-101-keys": lambda: Case(token(), jwks(*[GOOD.jwk(kid=f"k{n}") for n in range(100)], GOOD.jwk())),
    "jwks-10000-keys": lambda: Case(token(), jwks(*[{"kty": "x"}] * 10_000, GOOD.jwk())),
    "jwks-over-256-kib": lambda: Case(token(), jwks(GOOD.jwk(note="x" * 256 * 1024))),
}

# These sets have usable keys, but not exactly one that fits the token. The other sets do not have a usable key.
WITHOUT_THE_KEY = {
    "jwks-dup-kid-genuine-first",
    "jwks-dup-kid-genuine-second",
    "jwks-dup-kid-attacker",
    "jwks-alg-mismatch",
    "jwks-other-kid-only",
    "no-kid-several-fit",
}

ACCEPTED: dict[str, Callable[[], Case]] = {
    "jwks-one-broken": lambda: Case(
        token(),
        jwks(
            {"kty": "OKP", "crv": "X25519", "kid": "x", "x": "AA"},
            {"kty": "RSA", "kid": "broken", "n": "!!", "e": "AQAB"},
            {"kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA"},
            {"kty": ["RSA"]},
            {},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": GOOD.jwk()["n"], "e": "AQAB"},
            GOOD.jwk(),
        ),
    ),
    "jwks-entry-no-object": lambda: Case(
        token(), json.dumps({"keys": [None, 1, "RS256-good", [], GOOD.jwk()]}).encode()
    ),
    "jwks-no-alg-no-use": lambda: Case(token(), jwks(GOOD.jwk(alg=None, use=None))),
    "jwks-key-ops-verify": lambda: Case(token(), jwks(GOOD.jwk(key_ops=["verify"]))),
    "jwks-same-key-twice": lambda: Case(token(), jwks(GOOD.jwk(), GOOD.jwk())),
    "jwks-dup-kid-other-type": lambda: Case(token(), jwks(key("ES256").jwk(kid="RS256-good"), GOOD.jwk())),
    "jwks-x5c-beside": lambda: Case(token(), jwks(GOOD.jwk(x5c=["AAAA"], x5t="AAAA"))),
    "jwks-rsa-leading-zero": lambda: Case(token(), jwks(GOOD.jwk(n=encode(b"\0" + parse_base64url(GOOD.jwk()["n"]))))),
    "jwks-ec-leading-zero": lambda: Case(
        token(alg="ES256"), jwks(key("ES256").jwk(x=encode(b"\0" + parse_base64url(key("ES256").jwk()["x"]))))
    ),
    "jwks-100-keys": lambda: Case(token(), jwks(*[{"kty": "x"}] * 99, GOOD.jwk())),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """A key that is weak, has another purpose, is ambiguous or is broken verifies no token."""
    assert judge(token(), keys=jwks(GOOD.jwk())).subject == "user-1"
    case = REFUSED[name]()
    with pytest.raises(KeyNotFoundError if name in WITHOUT_THE_KEY else UnreadableKeySetError):
        judge(case.text, keys=case.keys)


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    """Other entries do not affect a good key."""
    case = ACCEPTED[name]()
    assert judge(case.text, keys=case.keys).subject == "user-1"


def test_skipped_keys_are_explained() -> None:
    """The report tells an operator why a key is not used, without the key's content."""
    found = parse_jwks(jwks(GOOD.jwk(d="AQAB", kid="leaked"), GOOD.jwk()))
    assert found.skipped == ("key 0: its private part is published, so any reader can sign with it",)
