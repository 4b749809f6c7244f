"""Attacks on the header: algorithms, key ids, keys in the message, critical extensions.

Each row is refused with AWS's code, and only the token is read. The same token without the manipulation is accepted.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.federation.oidc.setting import claims, header, judge, key, token
from tests.growth import least_seconds

from daypass.errors import InvalidIdentityToken
from daypass.testing.tokens import SigningKey, compact, encode, encode_json

PEM = key("RS256").public_pem


def signed(changes: dict[str, Any], *, by: SigningKey | None = None, alg: str | None = "RS256") -> str:
    """Return a token whose header is changed and then correctly signed."""
    return compact(header(**changes), claims(), by or key("RS256"), alg=alg)


def unsigned(alg: object) -> str:
    """Return a token without a signature, with an algorithm that says so."""
    return compact(header(alg=alg), claims(), None)  # type: ignore[arg-type]


def confused(secret: bytes, alg: str = "HS256", **changes: object) -> str:
    """Return a token authenticated with a public key used as a secret."""
    return compact(header(alg, kid="RS256-good", **changes), claims(), SigningKey(None, alg, secret))


def raw_header(text: str) -> str:
    """Return a genuine signature over a header with the forger's own spelling."""
    return compact(text.encode(), claims(), key("RS256"))


DEEP = "[" * 7_000 + "]" * 7_000
ATTACKER = key("RS256", "attacker")

ATTACKS: dict[str, Callable[[], str]] = {
    "alg-none": lambda: unsigned("none"),
    "alg-None": lambda: unsigned("None"),
    "alg-NONE": lambda: unsigned("NONE"),
    "alg-nOnE": lambda: unsigned("nOnE"),
    "alg-none-with-sig": lambda: signed({"alg": "none"}),
    "alg-missing": lambda: compact({"typ": "JWT", "kid": "RS256-good"}, claims(), key("RS256")),
    "alg-null": lambda: raw_header('{"alg":null,"kid":"RS256-good"}'),
    "alg-number": lambda: raw_header('{"alg":256,"kid":"RS256-good"}'),
    "alg-list": lambda: raw_header('{"alg":["RS256"],"kid":"RS256-good"}'),
    "confusion-hs256-spki-pem": lambda: confused(PEM),
    "confusion-hs256-spki-pem-stripped": lambda: confused(PEM.strip()),
    "confusion-hs256-n-b64": lambda: confused(key("RS256").jwk()["n"].encode()),
    "confusion-hs256-empty": lambda: confused(b""),
    "confusion-hs384": lambda: confused(PEM, "HS384"),
    "confusion-ec-pem": lambda: confused(key("ES256").public_pem),
    "control-eddsa (refused: not AWS's)": lambda: compact(header("EdDSA"), claims(), key("EdDSA")),
    "control-ed25519-name (refused: not AWS's)": lambda: compact(header("Ed25519"), claims(), key("EdDSA")),
    "alg-ps256-for-rs256-key": lambda: signed({"alg": "PS256"}, alg="PS256"),
    "alg-rs1": lambda: signed({"alg": "RS1"}, alg="RS1"),
    "alg-rs512-for-rs256-key": lambda: signed({"alg": "RS512"}, alg="RS512"),
    "alg-header-lies": lambda: signed({}, alg="RS512"),
    "kid-traversal": lambda: signed({"kid": "../../../../dev/null"}),
    "kid-nul": lambda: signed({"kid": "RS256-good\0"}),
    "kid-empty": lambda: signed({"kid": ""}),
    "kid-long": lambda: signed({"kid": "k" * 5_000}),
    "kid-cmd": lambda: signed({"kid": "|id"}),
    "kid-unknown": lambda: signed({"kid": "nobody"}),
    "kid-unicode": lambda: signed({"kid": "RS256\u2010good"}),
    "kid-type-int": lambda: signed({"kid": 1}),
    "kid-type-list": lambda: signed({"kid": ["RS256-good"]}),
    "kid-type-dict": lambda: signed({"kid": {"a": 1}}),
    "kid-type-true": lambda: signed({"kid": True}),
    "kid-type-null": lambda: raw_header('{"alg":"RS256","kid":null}'),
    "kid-other-key": lambda: compact(header("ES256", kid="RS256-good"), claims(), key("ES256")),
    "jwk-header": lambda: signed({"jwk": ATTACKER.jwk()}, by=ATTACKER),
    "jwk-header-nokid": lambda: signed({"jwk": ATTACKER.jwk(), "kid": None}, by=ATTACKER),
    "jku-header": lambda: signed({"jku": "https://attacker.example/keys"}, by=ATTACKER),
    "jku-file": lambda: signed({"jku": "file:///etc/passwd"}, by=ATTACKER),
    "x5u-header": lambda: signed({"x5u": "https://attacker.example/chain.pem"}, by=ATTACKER),
    "x5c-header": lambda: signed({"x5c": ["MIIB"]}, by=ATTACKER),
    "attacker-signed": lambda: signed({}, by=ATTACKER),
    "curve-es256-p384": lambda: compact(header("ES256", kid="ES384-good"), claims(), key("ES384"), alg="ES384"),
    "curve-es256-by-p384-sha256": lambda: compact(
        header("ES256", kid="ES384-good"), claims(), key("ES384"), alg="ES256"
    ),
    "es256-for-rsa-kid": lambda: signed({"alg": "ES256"}),
    "dup-header-alg": lambda: raw_header('{"alg":"RS256","alg":"RS256","kid":"RS256-good"}'),
    "dup-header-alg-none": lambda: raw_header('{"alg":"RS256","alg":"none","kid":"RS256-good"}'),
    "crit-unknown": lambda: signed({"crit": ["exp"], "exp": 1}),
    "crit-empty": lambda: signed({"crit": []}),
    "crit-b64": lambda: signed({"crit": ["b64"], "b64": False}),
    "b64-no-crit": lambda: signed({"b64": False}),
    "b64-true": lambda: signed({"b64": True}),
    "crit-string": lambda: signed({"crit": "b64"}),
    "typ-at-jwt": lambda: signed({"typ": "at+jwt"}),
    "typ-at-jwt-long": lambda: signed({"typ": "application/at+jwt"}),
    "typ-logout": lambda: signed({"typ": "logout+jwt"}),
    "typ-number": lambda: signed({"typ": 1}),
    "cty-jwt": lambda: compact(header(cty="JWT"), token().encode(), key("RS256")),
    "cty-jwt-around-claims": lambda: signed({"cty": "JWT"}),
    "zip-header": lambda: signed({"zip": "DEF"}),
    "enc-header": lambda: signed({"enc": "A256GCM"}),
    "jwe-compact": lambda: ".".join((encode_json({"alg": "RSA-OAEP", "enc": "A256GCM"}), "aa", "bb", "cc", "dd")),
    "jwe-pbes2-dos": lambda: ".".join(
        (encode_json({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1, "p2s": "aa"}), *"abcd")
    ),
    "json-deep-unsigned": lambda: f"{encode(DEEP.encode())}.{encode(b'{}')}.{encode(b'x')}",
    "header-list": lambda: raw_header('["RS256"]'),
    "header-bom": lambda: compact(b"\xef\xbb\xbf" + json.dumps(header()).encode(), claims(), key("RS256")),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_refused(name: str) -> None:
    """A token with a manipulated header is never accepted, and costs no more than a genuine one."""
    assert judge(token()).subject == "user-1"
    text = ATTACKS[name]()

    def refuse() -> None:
        with pytest.raises(InvalidIdentityToken) as refusal:
            judge(text)
        assert refusal.value.code == "InvalidIdentityToken"
        assert refusal.value.message

    assert least_seconds(refuse, 0.5) < 0.5


def test_no_refusal_says_what_the_header_held() -> None:
    """The forger's input is not echoed, so that no log or page shows it."""
    with pytest.raises(InvalidIdentityToken) as refusal:
        judge(signed({"kid": "<script>"}))
    assert "<script>" not in refusal.value.message + refusal.value.detail
