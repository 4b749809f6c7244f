"""DPoP proofs: each rule of RFC 9449 section 4.3, with one part of a good proof changed."""

import base64
import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sso.dpop_proofs import PUBLIC, jwk_of, new_key, proof

from daypass.base64url import parse_base64url, to_base64url
from daypass.sso.dpop import WINDOW, InvalidProofError, VerifiedProof, verify_proof

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
IAT = int(NOW.timestamp())
KEY, OTHER = new_key(), new_key()
URL = f"{PUBLIC}/v1/token"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P384 = ec.generate_private_key(ec.SECP384R1())

_HEADER = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk_of(KEY)}
_WORDS = [
    "typ",
    "alg",
    "jwk",
    "kty",
    "crv",
    "x",
    "y",
    "htm",
    "htu",
    "iat",
    "jti",
    "EC",
    "P-256",
    "ES256",
    "POST",
    URL,
    "d",
]
THUMBPRINT = to_base64url(
    hashlib.sha256(json.dumps(jwk_of(KEY), sort_keys=True, separators=(",", ":")).encode()).digest()
)


def _verify(*values: str, public_url: str = PUBLIC) -> VerifiedProof:
    headers = [value.encode() for value in values]
    return verify_proof(headers, method="POST", path="/v1/token", public_url=public_url, now=NOW)


def _proof(key: Any = KEY, url: str = URL, **changes: Any) -> str:
    return proof(key, url, **{"iat": IAT, **changes})


def test_a_proof_shows_the_key_and_its_single_use() -> None:
    """The thumbprint is that of RFC 7638; the claim depends on key and jti and lasts while iat is accepted."""
    found = _verify(_proof(jti="one"))
    assert found.thumbprint == THUMBPRINT
    assert found.claim_ends == NOW + timedelta(seconds=WINDOW + 1)
    assert _verify(_proof(jti="one")).claim == found.claim
    assert len({found.claim, _verify(_proof(jti="two")).claim, _verify(_proof(OTHER, jti="one")).claim}) == 3


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 9449 section 4.1 shows a proof, and section 6.1 the thumbprint of its key."""
    sent = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJo"
        "RjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJ"
        "qdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0Ijox"
        "NTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    found = verify_proof(
        [sent.encode()],
        method="POST",
        path="/token",
        public_url="https://server.example.com",
        now=datetime.fromtimestamp(1562262616, UTC),
    )
    assert found.thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


CHANGED: dict[str, tuple[str, str]] = {
    "another type": (_proof(header={"typ": "JWT"}), "typ"),
    "no type": (_proof(header={"typ": "dpop"}), "typ"),
    "a symmetric algorithm": (_proof(signer="x" * 64, algorithm="HS256"), "alg"),
    "no algorithm": (_proof(signer=None, algorithm="none"), "alg"),
    "another asymmetric algorithm": (_proof(signer=RSA, algorithm="RS256"), "alg"),
    "a larger curve": (_proof(signer=P384, algorithm="ES384"), "alg"),
    "a critical extension": (_proof(header={"crit": ["exp"]}), "crit"),
    "a remote key": (_proof(header={"jku": "https://evil.example.org"}), "jku"),
    "a swapped key": (_proof(header={"jwk": jwk_of(OTHER)}), "signature"),
    "no key": (_proof(header={"jwk": ...}), "jwk"),
    "a key of another type": (_proof(header={"jwk": {**jwk_of(KEY), "kty": "RSA"}}), "jwk"),
    "a key of another curve": (_proof(header={"jwk": {**jwk_of(KEY), "crv": "P-384"}}), "jwk"),
    "a private key": (_proof(header={"jwk": {**jwk_of(KEY), "d": "AA"}}), "private"),
    "a point off the curve": (_proof(header={"jwk": {**jwk_of(KEY), "y": jwk_of(KEY)["x"]}}), "point"),
    "a long coordinate": (_proof(header={"jwk": {**jwk_of(KEY), "x": to_base64url(b"\1" * 33)}}), "size"),
    "a coordinate that is a number": (_proof(header={"jwk": {**jwk_of(KEY), "x": 7}}), "size"),
    "another method": (_proof(htm="GET"), "htm"),
    "another case of the method": (_proof(htm="post"), "htm"),
    "another path": (_proof(htu=f"{PUBLIC}/v1/tokens"), "htu"),
    "another host": (_proof(htu="https://evil.example.org/v1/token"), "htu"),
    "another port": (_proof(htu=f"{PUBLIC}:444/v1/token"), "htu"),
    "another scheme": (_proof(htu="http://sts.example.org/v1/token"), "htu"),
    "a name before the host": (_proof(htu="https://sts.example.org@evil.example.org/v1/token"), "htu"),
    "an address that is not a string": (_proof(htu=[URL]), "htu"),
    "an address that is broken": (_proof(htu="https://[/v1/token"), "htu"),
    "no address": (_proof(htu=...), "htu"),
    "an old proof": (_proof(iat=IAT - WINDOW - 1), "iat"),
    "a proof of the future": (_proof(iat=IAT + WINDOW + 1), "iat"),
    "no time": (_proof(iat=...), "iat"),
    "a time with a fraction": (_proof(iat=IAT + 0.5), "iat"),
    "a time that is true": (_proof(iat=True), "iat"),
    "no jti": (_proof(jti=...), "jti"),
    "an empty jti": (_proof(jti=""), "jti"),
    "a long jti": (_proof(jti="x" * 257), "jti"),
    "a signature with an appendix": (_proof() + "AA", "r and s"),
    "a fourth segment": (_proof() + ".e30", "segments"),
    "padding": (_proof() + "=", "base64url"),
    "a proof of 5,000 bytes": (_proof(jti="x" * 5000), "longer"),
    "an empty header": ("", "segments"),
    "a header that is not JSON": (".".join(["AAAA", *_proof().split(".")[1:]]), "JSON"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_changed_proof_is_refused(case: str) -> None:
    """One wrong part is enough, and the message names it."""
    sent, names = CHANGED[case]
    with pytest.raises(InvalidProofError, match=names):
        _verify(sent)


@pytest.mark.parametrize("values", [(), (_proof(), _proof())], ids=["none", "two"])
def test_a_request_has_exactly_one_proof(values: tuple[str, ...]) -> None:
    """With two headers, a proxy and this server could read different ones."""
    with pytest.raises(InvalidProofError, match="exactly one"):
        _verify(*values)


def test_a_changed_claim_breaks_the_signature() -> None:
    """The claims are covered by the signature."""
    header, _, signature = _proof().split(".")
    claims = to_base64url(json.dumps({"htm": "POST", "htu": URL, "iat": IAT, "jti": "forged"}).encode())
    with pytest.raises(InvalidProofError, match="signature"):
        _verify(f"{header}.{claims}.{signature}")


@pytest.mark.parametrize("late", [-WINDOW, 0, WINDOW])
def test_the_clocks_may_differ_by_the_window(late: int) -> None:
    """Exactly the window is accepted, on both sides."""
    assert _verify(_proof(iat=IAT + late)).thumbprint == THUMBPRINT


@pytest.mark.parametrize(
    ("public", "htu"),
    [
        (PUBLIC, "HTTPS://STS.example.org:443/v1/token"),
        (PUBLIC, f"{URL}?x=1#part"),
        ("https://sts.example.org/sts", "https://sts.example.org/sts/v1/token"),
        ("http://127.0.0.1:7878", "http://localhost:7878/v1/token"),
    ],
)
def test_the_address_is_compared_as_an_address(public: str, htu: str) -> None:
    """Case, default port, query and fragment do not matter; a path of the endpoint and loopback names are accepted."""
    assert _verify(_proof(htu=htu), public_url=public).thumbprint == THUMBPRINT


def test_a_coordinate_without_its_leading_zero_is_the_same_key() -> None:
    """Some clients write numbers instead of octets: the thumbprint must not change between two of their releases."""
    key = next(key for key in iter(new_key, None) if parse_base64url(jwk_of(key)["x"])[0] == 0)
    jwk = jwk_of(key)
    short = {**jwk, "x": base64.urlsafe_b64encode(parse_base64url(jwk["x"])[1:]).rstrip(b"=").decode()}
    assert _verify(_proof(key)).thumbprint == _verify(_proof(key, header={"jwk": short})).thumbprint


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(_WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=6,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(header=_JSON, claims=_JSON)
def test_any_content_is_refused_or_verified(header: Any, claims: Any) -> None:
    """Content that nobody expected is a refusal, never another error."""
    jws = [{**_HEADER, **header} if isinstance(header, dict) else header, claims]
    if isinstance(claims, dict):
        jws[1] = {"htm": "POST", "htu": URL, "iat": IAT, "jti": "x", **claims}
    signed = b".".join(to_base64url(json.dumps(part).encode()).encode() for part in jws)
    r, s = decode_dss_signature(KEY.sign(signed, ec.ECDSA(SHA256())))
    value = signed + b"." + to_base64url(r.to_bytes(32) + s.to_bytes(32)).encode()
    with suppress(InvalidProofError):
        found = verify_proof([value], method="POST", path="/v1/token", public_url=PUBLIC, now=NOW)
        assert found.thumbprint == THUMBPRINT


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_header_is_refused(value: bytes) -> None:
    """The bytes of a header may be anything."""
    with pytest.raises(InvalidProofError):
        verify_proof([value], method="POST", path="/v1/token", public_url=PUBLIC, now=NOW)
