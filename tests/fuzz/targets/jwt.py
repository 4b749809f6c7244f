"""Web identity tokens: only the issuer's signature makes a token valid."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.fuzz.choices import Choices, mutated

from daypass.errors import Fault
from daypass.federation.oidc.keys import parse_jwks
from daypass.federation.oidc.provider import ProviderTerms
from daypass.federation.oidc.token import read_token
from daypass.federation.oidc.verify import VerifiedToken, verify_token
from daypass.testing.tokens import SigningKey, compact, encode, encode_json

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_KEYS = {alg: SigningKey.generate(alg, f"key-{alg}") for alg in ("ES256", "ES384", "RS256")}
_OTHER_KEYS = {alg: SigningKey.generate(alg, f"key-{alg}") for alg in _KEYS}
_SET = parse_jwks(json.dumps({"keys": [key.jwk() for key in _KEYS.values()]}).encode())
_TERMS = ProviderTerms("arn:aws:iam::1:oidc-provider/x", "https://issuer.example", frozenset({"sts.amazonaws.com"}))
_CLAIMS: dict[str, Any] = {
    "iss": "https://issuer.example",
    "sub": "repo:acme/site",
    "aud": "sts.amazonaws.com",
    "iat": int(_NOW.timestamp()),
    "exp": int(_NOW.timestamp()) + 600,
    "groups": ["a", "b"],
}


def _signed(alg: str, key: SigningKey, claims: object = _CLAIMS, header: Mapping[str, Any] | None = None) -> str:
    return compact({"alg": alg, "typ": "JWT", "kid": key.kid, **(header or {})}, claims, key)


_GENUINE = {alg: _signed(alg, key) for alg, key in _KEYS.items()}


def fuzz_one(data: bytes) -> None:
    """Verify an arbitrary string, a damaged token, one with exchanged parts, or one that another key signed."""
    choices = Choices(data)
    choices.pick((_raw, _bent, _exchanged, _strange, _own))(choices)


def _verified(token: str) -> VerifiedToken | None:
    try:
        return verify_token(read_token(token), keys=_SET, provider=_TERMS, now=_NOW)
    except Fault:
        return None


def _check(token: str) -> None:
    found = _verified(token)
    assert found is None or dict(found.claims) == _CLAIMS, "claims that the issuer did not sign"


def _raw(choices: Choices) -> None:
    assert _verified(choices.rest().decode("utf-8", "surrogateescape")) is None


def _bent(choices: Choices) -> None:
    token = choices.pick(tuple(_GENUINE.values()))
    _check(mutated(token.encode(), choices).decode("latin-1"))


def _exchanged(choices: Choices) -> None:
    parts = choices.pick(tuple(_GENUINE.values())).split(".")
    header = {"alg": choices.pick(("none", "HS256", "ES256", "RS256", "PS256", "ES384")), "kid": choices.text()}
    replacements = (
        encode_json(header),
        encode_json({**_CLAIMS, "sub": choices.text()}),
        encode(choices.chunk()),
        choices.pick(tuple(_GENUINE.values())).split(".")[2],
    )
    for _ in range(1 + choices.below(2)):
        parts[choices.below(3)] = choices.pick(replacements)
    _check(".".join(parts))


def _strange(choices: Choices) -> None:
    alg = choices.pick(tuple(_OTHER_KEYS))
    header = {choices.pick(("jwk", "jku", "x5u", "x5c", "x", "kid", "alg")): _value(choices)}
    assert _verified(_signed(alg, _OTHER_KEYS[alg], header=header)) is None, "a signature by another key"
    secret = _KEYS[alg].public_pem
    forged = SigningKey(f"key-{alg}", "HS256", secret)
    assert _verified(_signed("HS256", forged)) is None, "a public key as a secret"


def _own(choices: Choices) -> None:
    """Sign odd claims with the issuer's key: they are refused or returned unchanged."""
    claims = {**_CLAIMS, choices.pick((*_CLAIMS, "nbf", "azp", "amr", "https://aws.amazon.com/tags")): _value(choices)}
    if choices.flag():
        claims[choices.text()] = _value(choices)
    try:
        token = _signed("ES256", _KEYS["ES256"], claims)
    except UnicodeEncodeError:
        return
    found = _verified(token)
    assert found is None or dict(found.claims) == json.loads(json.dumps(claims))


def _value(choices: Choices) -> Any:
    kind = choices.below(8)
    if kind >= 5:
        return choices.pick((None, True, 1e308, -1, 2**63, [], {}, "sts.amazonaws.com"))
    if kind == 0:
        return choices.text()
    if kind == 1:
        return int(_NOW.timestamp()) + choices.below(1_000) - 500
    if kind == 2:
        return [choices.text() for _ in range(choices.below(4))]
    if kind == 3:
        return {choices.text(): choices.text()}
    return choices.below(65_536) / 7
