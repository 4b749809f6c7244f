"""What only an operator may decide about an issuer: further claims, and keys that are pinned.

Owns their rules and their storing, for every command that sets them. They change what is believed, so no permission of
IAM's reaches them.
"""

from collections.abc import Sequence

import msgspec

from daypass.directory import records
from daypass.directory.oidc_entities import OidcProvider
from daypass.directory.store import Writer
from daypass.federation.oidc.further_claims import FurtherClaim
from daypass.federation.oidc.keys import KeySet, parse_jwks


def parse_claims(texts: Sequence[str]) -> tuple[FurtherClaim, ...]:
    """Return the claims that a list means, or raise ValueError with a sentence for the operator."""
    claims = tuple(FurtherClaim.parse(text) for text in texts)
    # Condition keys are one key in any case: two claims may not fill the same one.
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
    """Store a provider with other terms; what is None stays. An empty text asks the issuer for its keys again.

    Raises ValueError with a sentence for the operator.
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
