"""DPoP proofs as AWS's clients make them, and proofs with one part changed."""

import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

PUBLIC = "https://sts.example.org"


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return the key of a client."""
    return ec.generate_private_key(ec.SECP256R1())


def jwk_of(key: Any) -> dict[str, Any]:
    """Return the public JWK of a key on P-256, as botocore writes it."""
    found = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    return {name: found[name] for name in ("kty", "x", "y", "crv")}


def proof(key: Any, url: str, **changes: Any) -> str:
    """Return a proof for a POST to `url`.

    `changes` replace claims, or remove them if they are `...`; `header`, `algorithm` and `signer` replace those of the
    signature.
    """
    header = {"typ": "dpop+jwt", "jwk": jwk_of(key), **changes.pop("header", {})}
    algorithm, signer = changes.pop("algorithm", "ES256"), changes.pop("signer", key)
    claims = {"htm": "POST", "htu": url, "iat": int(time.time()), "jti": str(uuid.uuid4()), **changes}
    claims = {name: value for name, value in claims.items() if value is not ...}
    header = {name: value for name, value in header.items() if value is not ...}
    return jwt.encode(claims, signer, algorithm=algorithm, headers=header)
