"""Verify a token: the signature first, then the claims.

Owns the checks, each with AWS's message. issuer_keys.py fetches keys, claims.py interprets the claims. Pure: the time
and the keys are arguments.
Source: answers recorded from AWS STS; OpenID Connect Core 1.0 section 3.1.3.7; RFC 7519 section 4.1.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from daypass.errors import ExpiredTokenException, InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.provider import ProviderTerms, UnsafeAnyAudience
from daypass.federation.oidc.token import UnverifiedToken

TOLERANCE = 300
MAX_SUBJECT = 255
REQUIRED = ("iss", "sub", "aud", "iat", "exp")
_LAST_MOMENT = 253_402_300_799  # the end of the year 9999, the last date that datetime can represent
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]+")


class KeyNotFoundError(InvalidIdentityToken):
    """No key of the issuer fits the token. A refetch of the keys may help."""


class SignatureInvalidError(InvalidIdentityToken):
    """The fitting key did not make this signature.

    A refetch helps only if a key id was reused.
    """


class VerifiedToken(msgspec.Struct, frozen=True):
    """A verified web identity token.

    Its signature, issuer, audience and times were verified.
    """

    issuer: str
    subject: str
    audience: str
    audiences: tuple[str, ...]
    authorized_party: str | None
    expires: datetime
    claims: Mapping[str, Any]

    def __repr__(self) -> str:
        """Return the parts that may be logged."""
        return f"VerifiedToken({self.issuer!r}, {self.subject!r}, {self.audience!r})"


def verify_token(unverified: UnverifiedToken, *, keys: KeySet, provider: ProviderTerms, now: datetime) -> VerifiedToken:
    """Return the verified token under the provider's terms.

    Raises InvalidIdentityToken or ExpiredTokenException if a check fails.
    """
    verify_signature(unverified, keys)
    claims, moment = unverified.unverified_claims, int(now.timestamp())
    audience, party = usual_audience(claims, provider, moment), None
    if audience is not None:
        audiences: tuple[str, ...] = (audience,)
    else:
        for check in _CHECKS:
            check(claims, provider, moment)
        audiences, party = _audiences(claims), claims.get("azp")
    return VerifiedToken(
        issuer=provider.issuer,
        subject=claims["sub"],
        audience=audiences[0] if party is None else party,
        audiences=audiences,
        authorized_party=party,
        expires=datetime.fromtimestamp(claims["exp"], UTC),
        claims=claims,
    )


def verify_signature(unverified: UnverifiedToken, keys: KeySet) -> None:
    """Refuse a token that was not signed with a published key of the issuer."""
    key = keys.find(unverified.kid, unverified.algorithm)
    if key is None:
        raise KeyNotFoundError(oidc_messages.NO_KEY, detail=oidc_messages.NO_FITTING_KEY)
    if not key.is_signed(unverified.algorithm, unverified.signing_input, unverified.signature):
        raise SignatureInvalidError(oidc_messages.NOT_VALIDATED, detail="the signature is not the issuer's")


def check_present(claims: Mapping[str, Any], _provider: ProviderTerms, _now: int) -> None:
    """Refuse a token without one of the five claims that AWS requires.

    A claim that is null counts as absent.
    """
    for name in REQUIRED:
        if claims.get(name) is None:
            raise InvalidIdentityToken(oidc_messages.MISSING_CLAIM.format(name=name))


def check_purpose(claims: Mapping[str, Any], _provider: ProviderTerms, _now: int) -> None:
    """Refuse a security event token or logout token.

    The same issuer signs them with the same keys.
    """
    if claims.get("events") is not None:
        raise InvalidIdentityToken(oidc_messages.NOT_A_JWT, detail="a security event token is not an identity token")


def check_issuer(claims: Mapping[str, Any], provider: ProviderTerms, _now: int) -> None:
    """Refuse another issuer. Slash, case and scheme are significant."""
    if claims["iss"] != provider.issuer:
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="iss is not the provider's URL")


def check_subject(claims: Mapping[str, Any], _provider: ProviderTerms, _now: int) -> None:
    """Refuse a subject that is not 1 to 255 printable characters."""
    subject = claims["sub"]
    if not is_plain_text(subject, MAX_SUBJECT):
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="sub is not 1 to 255 printable characters")


def check_audience(claims: Mapping[str, Any], provider: ProviderTerms, _now: int) -> None:
    """Refuse a token that was not issued for a client of the provider.

    The authorized party takes precedence over aud.
    """
    audiences = _audiences(claims)
    party = claims.get("azp")
    if party is None and len(audiences) > 1:
        raise InvalidIdentityToken(oidc_messages.SEVERAL_AUDIENCES)
    if party is not None and not is_plain_text(party):
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="azp is not 1 to 1,024 printable characters")
    if isinstance(provider.client_ids, UnsafeAnyAudience):
        return
    if (audiences[0] if party is None else party) not in provider.client_ids:
        raise InvalidIdentityToken(
            oidc_messages.NOT_VALIDATED, detail="the audience is not a client id of the provider"
        )


def check_timestamps(claims: Mapping[str, Any], _provider: ProviderTerms, _now: int) -> None:
    """Refuse times that are not whole seconds between 1970 and 9999.

    True is not a valid time, nor is 1e9. A claim that is null counts as absent.
    """
    for name in ("iat", "exp", "nbf"):
        moment = claims.get(name)
        if moment is None:
            continue
        if type(moment) is not int or not 0 <= moment <= _LAST_MOMENT:
            raise InvalidIdentityToken(oidc_messages.BAD_TIMESTAMP, detail=f"{name} is not whole seconds since 1970")


def check_issued(claims: Mapping[str, Any], _provider: ProviderTerms, now: int) -> None:
    """Refuse a token that was issued in the future."""
    if claims["iat"] > now + TOLERANCE:
        raise InvalidIdentityToken(oidc_messages.ISSUED_IN_FUTURE.format(issued=claims["iat"]))


def check_not_before(claims: Mapping[str, Any], _provider: ProviderTerms, now: int) -> None:
    """Refuse a token that is not yet valid."""
    not_before = claims.get("nbf")
    if not_before is not None and not_before > now + TOLERANCE:
        text = oidc_messages.NOT_YET_VALID.format(latest=now + TOLERANCE, not_before=not_before)
        raise InvalidIdentityToken(text)


def check_expiry(claims: Mapping[str, Any], _provider: ProviderTerms, now: int) -> None:
    """Refuse an expired token.

    The expiry is exclusive, with five minutes of tolerance.
    """
    if now - TOLERANCE >= claims["exp"]:
        text = oidc_messages.EXPIRED.format(earliest=now - TOLERANCE, expires=claims["exp"])
        raise ExpiredTokenException(text)


Check = Callable[[Mapping[str, Any], ProviderTerms, int], None]

# In order: presence, issuer and subject, then times. Each may rely on those above.
CLAIM_CHECKS: Mapping[str, Check] = {
    "required claims": check_present,
    "purpose": check_purpose,
    "issuer": check_issuer,
    "subject": check_subject,
    "audience": check_audience,
    "timestamps": check_timestamps,
    "issued at": check_issued,
    "not before": check_not_before,
    "expiry": check_expiry,
}


_CHECKS = tuple(CLAIM_CHECKS.values())
_UNUSUAL = frozenset({"events", "azp"})


def usual_audience(claims: Mapping[str, Any], provider: ProviderTerms, now: int) -> str | None:
    """Return the audience of usual claims that pass each of CLAIM_CHECKS.

    Usual claims have one audience, and no claim of _UNUSUAL. None decides nothing.
    """
    issued, expires, begins = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    if type(issued) is not int or type(expires) is not int or type(begins) is not int:
        return None
    earliest, latest = max(0, now - TOLERANCE + 1), min(now + TOLERANCE, _LAST_MOMENT)
    if not (0 <= issued <= latest and 0 <= begins <= latest and earliest <= expires <= _LAST_MOMENT):
        return None
    subject, audience, clients = claims.get("sub"), claims.get("aud"), provider.client_ids
    if type(audience) is list and len(audience) == 1:
        audience = audience[0]
    if type(subject) is not str or type(audience) is not str or not _UNUSUAL.isdisjoint(claims):
        return None
    if type(clients) is not frozenset or audience not in clients or claims.get("iss") != provider.issuer:
        return None
    return audience if is_plain_text(subject, MAX_SUBJECT) and is_plain_text(audience) else None


def _audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    found = claims["aud"]
    audiences = tuple(found) if isinstance(found, list) else (found,)
    if not audiences or not all(map(is_plain_text, audiences)):
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="aud is not a string or a list of strings")
    return audiences


def is_plain_text(value: object, longest: int = 1024) -> bool:
    """Tell whether `value` is a plain string.

    It has 1 to `longest` characters and no control characters.
    """
    return isinstance(value, str) and len(value) <= longest and _PLAIN.fullmatch(value) is not None
