"""The issuers that an account trusts, and on which terms.

Owns the conversion of stored providers to ProviderTerms: one cached value per account, with keys and claims parsed
once. The sender chooses a token's issuer string, so it is never a cache key.
Source: IAM User Guide, "Create an OpenID Connect identity provider in IAM"; "AssumeRoleWithWebIdentity".
"""

from collections.abc import Mapping
from types import MappingProxyType

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.store import Reader
from daypass.federation.oidc.extra_claims import ExtraClaim
from daypass.federation.oidc.keys import parse_jwks
from daypass.federation.oidc.provider import ProviderTerms, find_built_in

Issuers = Mapping[str, ProviderTerms]


def load_issuers(reader: Reader, account: str) -> Issuers:
    """Return the terms of every provider of an account, by issuer."""
    return MappingProxyType({provider.issuer: terms_of(provider) for provider in providers_of(reader, account)})


def providers_of(reader: Reader, account: str) -> list[OidcProvider]:
    """Return the providers of an account, by name."""
    return list(records.each(reader, OidcProvider, account))


def terms_of(provider: OidcProvider) -> ProviderTerms:
    """Return a stored provider's terms.

    Raises ValueError if a part is unreadable: terms without it would differ.
    """
    return ProviderTerms(
        arn=provider.arn,
        issuer=provider.issuer,
        client_ids=frozenset(provider.client_ids),
        further_claims=tuple(map(ExtraClaim.parse, provider.further_claims)),
        thumbprints=frozenset(provider.thumbprints),
        pinned=parse_jwks(provider.pinned_keys.encode()) if provider.pinned_keys else None,
        context_provider=provider.context_provider,
    )


def find_terms(issuers: Issuers, unverified_issuer: str) -> ProviderTerms | None:
    """Return the terms for tokens of an issuer, or None.

    An account's own provider takes precedence over a built-in one.
    """
    return issuers.get(unverified_issuer) or find_built_in(unverified_issuer)
