"""Bounded fuzzing of unauthenticated input: it is refused or accepted, and no other exception is raised."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federation.oidc.setting import claims, header, judge, key, token

from daypass.errors import ExpiredTokenException, Fault, InvalidIdentityToken, ValidationError
from daypass.federation.oidc.claims import WebIdentity
from daypass.federation.oidc.keys import KeySet, UnreadableKeySetError, parse_jwks
from daypass.federation.oidc.token import read_token
from daypass.strict_json import NotStrictJsonError, parse_object
from daypass.testing.tokens import compact

AWS = "https://aws.amazon.com/"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
CLAIMS = st.sampled_from(
    (
        "iss",
        "sub",
        "aud",
        "azp",
        "iat",
        "nbf",
        "exp",
        "amr",
        "email",
        "events",
        f"{AWS}tags",
        f"{AWS}roles",
        f"{AWS}source_identity",
    )
)
MEMBERS = st.sampled_from(["alg", "kid", "typ", "cty", "crit", "jwk", "b64", "x5c", "other"])


def outcome(call: Callable[[], object]) -> object:
    """Return the result of a call: its value, or an allowed refusal."""
    try:
        return call()
    except (Fault, UnreadableKeySetError, NotStrictJsonError) as refusal:
        return refusal


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_text(text: str) -> None:
    """No random string is a token."""
    assert isinstance(outcome(lambda: read_token(text)), InvalidIdentityToken | ValidationError)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(CLAIMS, JSON, max_size=4))
def test_claims(changes: dict[str, Any]) -> None:
    """A genuine signature over any claims gives an identity or one of AWS's errors."""
    found = outcome(lambda: judge(token({**claims(), **changes})))
    assert isinstance(found, WebIdentity | InvalidIdentityToken | ExpiredTokenException)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(MEMBERS, JSON, min_size=1, max_size=3))
def test_headers(changes: dict[str, Any]) -> None:
    """A genuine signature under any header gives an identity or one of AWS's errors."""
    found = outcome(lambda: judge(compact({**header(), **changes}, claims(), key("RS256"))))
    assert isinstance(found, WebIdentity | InvalidIdentityToken)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "kid", "use", "alg", "key_ops", "d"]), JSON))
def test_keys(changes: dict[str, Any]) -> None:
    """A key entry with any added or replaced members is either skipped or used."""
    data = json.dumps({"keys": [{**key("ES256").jwk(), **changes}]}).encode()
    assert isinstance(outcome(lambda: parse_jwks(data)), KeySet | UnreadableKeySetError)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes(data: bytes) -> None:
    """For any bytes the JSON parser either parses or refuses."""
    assert isinstance(outcome(lambda: parse_object(data)), dict | NotStrictJsonError)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), st.integers(-(10**17), 10**17)))
def test_what_json_writes_is_read_back(value: dict[str, int]) -> None:
    """Strict parsing accepts every honest document."""
    assert parse_object(json.dumps(value).encode()) == value


def test_the_depth_of_json_is_bounded() -> None:
    """Sixteen levels are enough for every claim; the seventeenth is refused, even with brackets in strings."""
    deepest = b'{"a":' + b"[" * 15 + b'"[[[[{{{{\\"]"' + b"]" * 15 + b"}"
    assert isinstance(parse_object(deepest), dict)
    assert isinstance(
        outcome(lambda: parse_object(deepest.replace(b":[", b":[[", 1).replace(b"]}", b"]]}", 1))), NotStrictJsonError
    )
