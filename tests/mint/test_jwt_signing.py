"""Tokens that we sign are read by two other libraries, with the public keys that we publish."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import import_key

from daypass.base64url import parse_base64url
from daypass.mint.jwt_signing import JwtKey, load_jwt_key, public_jwk, sign_jwt
from daypass.mint.web_identity import Algorithm, SigningMaterial

CLAIMS = {"iss": "https://sts.example", "sub": "é", "exp": 4_000_000_000, "list": [1, "a", None], "flag": True}
KEYS: dict[str, JwtKey] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
}
ROUNDS = 600  # an r, s, x or y with a leading zero byte comes once in 256


def _pkcs8(key: JwtKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("algorithm", KEYS)
def test_another_library_verifies_a_token_with_the_published_key(algorithm: str) -> None:
    """PyJWT and joserfc find the claims and the header that were signed."""
    token = sign_jwt(KEYS[algorithm], "kid-1", CLAIMS)
    public = public_jwk(KEYS[algorithm])
    assert jwt.decode(token, jwt.PyJWK(public).key, algorithms=[algorithm]) == CLAIMS
    assert jwt.get_unverified_header(token) == {"kid": "kid-1", "typ": "JWT", "alg": algorithm}
    assert json.loads(jws.deserialize_compact(token, import_key(dict(public)), [algorithm]).payload) == CLAIMS


@pytest.mark.parametrize("algorithm", KEYS)
def test_the_published_key_is_what_another_library_writes(algorithm: str) -> None:
    """The members that verify are those of joserfc, and the use and the algorithm stand beside them."""
    theirs = import_key(_pem(KEYS[algorithm]), "RSA" if algorithm == "RS256" else "EC").as_dict(private=False)
    ours = public_jwk(KEYS[algorithm])
    assert {name: value for name, value in ours.items() if name not in {"use", "alg"}} == theirs
    assert (ours["use"], ours["alg"]) == ("sig", algorithm)


@pytest.mark.parametrize(("algorithm", "size"), [("ES256", 64), ("ES384", 96)])
def test_an_ecdsa_signature_has_one_length(algorithm: str, size: int) -> None:
    """R and s keep their leading zeros (RFC 7518 section 3.4)."""
    for number in range(ROUNDS):
        token = sign_jwt(KEYS[algorithm], "k", {"n": number})
        assert len(parse_base64url(token.rpartition(".")[2])) == size


@pytest.mark.parametrize(("curve", "size"), [(ec.SECP256R1(), 32), (ec.SECP384R1(), 48)])
def test_a_coordinate_has_one_length(curve: ec.EllipticCurve, size: int) -> None:
    """X and y keep their leading zeros (RFC 7518 section 6.2.1)."""
    for scalar in range(1, ROUNDS):
        public = public_jwk(ec.derive_private_key(scalar, curve))
        assert [len(parse_base64url(public[name])) for name in ("x", "y")] == [size, size]


def test_a_token_that_was_changed_is_not_verified() -> None:
    """The signature covers the header and the claims."""
    header, claims, signature = sign_jwt(KEYS["ES384"], "k", CLAIMS).split(".")
    other = sign_jwt(KEYS["ES384"], "k", {"sub": "another"}).split(".")
    for changed in ((header, other[1], signature), (other[0] + "A", claims, signature)):
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(".".join(changed), jwt.PyJWK(public_jwk(KEYS["ES384"])).key, algorithms=["ES384"])


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())])
def test_a_key_of_another_kind_is_refused(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """Only the curves of the table have an algorithm."""
    with pytest.raises(ValueError, match="P-256 or P-384"):
        load_jwt_key(_pkcs8(key))


def test_a_stored_key_signs_with_its_own_algorithm_alone() -> None:
    """A record that names another algorithm than its key's is not used."""
    with pytest.raises(ValueError, match="RS256"):
        SigningMaterial(Algorithm.RS256, _pkcs8(KEYS["ES384"]))
    with pytest.raises(ValueError, match="ES384"):
        SigningMaterial(Algorithm.ES384, _pkcs8(KEYS["ES256"]))


def _pem(key: JwtKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
