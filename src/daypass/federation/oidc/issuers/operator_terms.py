"""The terms of an issuer that only an operator may set.

Owns the rules and storage of extra claims and pinned keys. They change which tokens are trusted, so no IAM permission
gives access to them.
"""

from collections.abc import Sequence

import msgspec

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.store import Writer
from daypass.federation.oidc.extra_claims import ExtraClaim
from daypass.federation.oidc.keys import KeySet, parse_jwks


def parse_claims(texts: Sequence[str]) -> tuple[ExtraClaim, ...]:
    """Parse a list of claims.

    Raises ValueError with a message for the operator.
    """
    claims = tuple(ExtraClaim.parse(text) for text in texts)
    # Condition keys are not case-sensitive: two claims must not set the same one.
    if len({claim.name.lower() for claim in claims}) != len(claims):
        raise ValueError("Two claims have the same name for policies.")
    return claims


def set_terms(
    writer: Writer,
    provider: OidcProvider,
    *,
    further_claims: Sequence[str] | None = None,
    pinned_keys: str | None = None,
) -> OidcProvider:
    """Store a provider with changed terms; a term that is None stays as it is.

    An empty `pinned_keys` goes back to the published keys. Raises ValueError with a message for the operator.
    """
    new = provider
    if further_claims is not None:
        parse_claims(further_claims)
        new = msgspec.structs.replace(new, further_claims=tuple(further_claims))
    if pinned_keys is not None:
        if pinned_keys:
            parse_jwks(pinned_keys.encode())
        new = msgspec.structs.replace(new, pinned_keys=pinned_keys)
    records.replace(writer, new)
    return new


def count_pinned(provider: OidcProvider) -> int:
    """Return how many of the pinned keys can verify a token."""
    pinned: KeySet | None = parse_jwks(provider.pinned_keys.encode()) if provider.pinned_keys else None
    return 0 if pinned is None else len(pinned.keys)
