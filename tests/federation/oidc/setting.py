"""The fixtures of the token tests: an issuer's keys, a provider's terms, one time.

Keys are made once, because RSA keys are slow to make. daypass.testing, which builds tokens, shares no code with the
code under test.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from daypass.errors import Fault
from daypass.federation.oidc.claims import WebIdentity, read_identity
from daypass.federation.oidc.inspect import inspect_token
from daypass.federation.oidc.keys import parse_jwks
from daypass.federation.oidc.provider import ProviderTerms
from daypass.federation.oidc.token import read_token, without_line_end
from daypass.federation.oidc.verify import verify_token
from daypass.testing.tokens import SigningKey, compact

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
ISSUER = "https://issuer.example"
AUDIENCE = "sts.amazonaws.com"
PROVIDER = ProviderTerms(
    arn="arn:aws:iam::123456789012:oidc-provider/issuer.example",
    issuer=ISSUER,
    client_ids=frozenset({AUDIENCE, "second-client"}),
)


@cache
def key(alg: str, name: str = "good") -> SigningKey:
    """Return the key of that algorithm and name, the same one each time."""
    return SigningKey.generate(alg, f"{alg}-{name}")


def jwks(*entries: dict[str, Any]) -> bytes:
    """Return a JWK Set of these entries, or the issuer's usual one."""
    usual = [key(alg).jwk() for alg in ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")]
    return json.dumps({"keys": list(entries) or usual}).encode()


def claims(**changes: object) -> dict[str, Any]:
    """Return honest claims with changes; None removes."""
    honest = {"iss": ISSUER, "sub": "user-1", "aud": AUDIENCE, "iat": EPOCH, "exp": EPOCH + 600}
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


def header(alg: str = "RS256", **changes: object) -> dict[str, Any]:
    """Return an honest header with changes; None removes."""
    honest = {"alg": alg, "typ": "JWT", "kid": f"{alg}-good"}
    return {name: value for name, value in {**honest, **changes}.items() if value is not None}


def token(payload: object = None, *, alg: str = "RS256", **changes: object) -> str:
    """Return a genuine token, with the test's own payload or changed claims."""
    return compact(header(alg), claims(**changes) if payload is None else payload, key(alg))


def judge(
    text: str, *, keys: bytes | None = None, provider: ProviderTerms = PROVIDER, now: datetime = NOW
) -> WebIdentity:
    """Verify a token completely, as the operation does, or raise the same Fault.

    The inspector must say the same.
    """
    found = parse_jwks(jwks() if keys is None else keys)
    judged: WebIdentity | Fault
    try:
        verified = verify_token(read_token(text), keys=found, provider=provider, now=now)
        judged = read_identity(verified, provider)
    except Fault as fault:
        judged = fault
    report = inspect_token(text, provider=provider, keys=found, now=now)
    if isinstance(judged, Fault):
        # The operation removes the end of the line before it reads a token.
        if without_line_end(text) == text:
            assert (report.verdict, report.code, report.message) == ("refused", judged.code, judged.message)
        raise judged
    # The inspector also refuses a list that allows no role.
    assert judged.roles is not None or (report.verdict, report.failed) == ("accepted", ())
    return judged


def trusting(*client_ids: str) -> ProviderTerms:
    """Return the provider's terms with these client ids."""
    return replace(PROVIDER, client_ids=frozenset(client_ids))


def segments(text: str) -> Sequence[str]:
    """Return the three parts of a token."""
    return text.split(".")
