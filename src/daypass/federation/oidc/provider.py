"""What an account says about an issuer that it trusts.

Owns the values that a stored OpenID Connect provider, or one of the built-in ones, hands to verification and
fetching, and the form an issuer's URL may have. Storing providers is directory/'s work.
Source: IAM API Reference, CreateOpenIDConnectProvider; IAM User Guide, "AssumeRoleWithWebIdentity".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import words
from daypass.federation.oidc.further_claims import FurtherClaim
from daypass.federation.oidc.keys import KeySet

SCHEME = "https://"
_ACCOUNT_PART = 4
MAX_URL = 255
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_PATH = r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
_ISSUER = re.compile(rf"https://{_HOST}{_PATH}")
_KEYS_URL = re.compile(rf"https://{_HOST}{_PATH}(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


class UnsafeAnyAudience(Enum):
    """Marks a built-in provider: nobody registers client ids, the trust policy alone names the audience."""

    ANY = "any"


ANY_AUDIENCE = UnsafeAnyAudience.ANY


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """The terms on which one account believes one issuer. An empty list of client ids believes nobody.

    `thumbprints` matter only where an operator enforces them; `pinned` replaces fetching.
    """

    arn: str
    issuer: str
    client_ids: frozenset[str] | UnsafeAnyAudience
    further_claims: tuple[FurtherClaim, ...] = ()
    thumbprints: frozenset[str] = frozenset()
    pinned: KeySet | None = None

    @property
    def account(self) -> str:
        """Return the account that registered the provider. Built-in providers belong to no account."""
        parts = self.arn.split(":")
        return parts[_ACCOUNT_PART] if len(parts) > _ACCOUNT_PART else ""

    @property
    def key_prefix(self) -> str:
        """Return what stands before the colon of this issuer's condition keys, path and last slash kept."""
        return self.issuer.removeprefix(SCHEME)


@dataclass(frozen=True, slots=True)
class NeedsFetch:
    """The keys at hand do not settle the matter. Await `IssuerKeys.fetch(provider)`, then ask once more."""

    provider: ProviderTerms


def is_issuer_url(text: str) -> bool:
    """Tell whether `text` may be an issuer: https, no query, fragment, user or odd characters."""
    return len(text) <= MAX_URL and _ISSUER.fullmatch(text) is not None


def is_keys_url(text: str) -> bool:
    """Tell whether `text` may be the address of a key set: as an issuer's, and a query is allowed."""
    return len(text) <= 2 * 1024 and _KEYS_URL.fullmatch(text) is not None


# Providers that exist in every account, by the name that trust policies give them. Where tokens of one
# cannot be verified (Login with Amazon and Facebook hand out opaque access tokens that only their own
# services can judge), there is no issuer, and the answer is a refusal.
BUILT_IN: Mapping[str, str | None] = {
    "accounts.google.com": "https://accounts.google.com",
    "cognito-identity.amazonaws.com": "https://cognito-identity.amazonaws.com",
    "www.amazon.com": None,
    "graph.facebook.com": None,
}


def find_built_in(issuer: str) -> ProviderTerms | None:
    """Return the terms of the built-in provider whose tokens say `issuer`, or None."""
    name = issuer.removeprefix(SCHEME)
    if BUILT_IN.get(name) != issuer:
        return None
    return ProviderTerms(arn=name, issuer=issuer, client_ids=ANY_AUDIENCE)


def refuse_access_token(provider_id: str) -> InvalidIdentityToken:
    """Return the refusal for a call that names a provider of opaque access tokens in ProviderId."""
    if provider_id == "www.amazon.com":
        return InvalidIdentityToken(words.NOT_LOGIN_WITH_AMAZON, detail="opaque tokens cannot be verified")
    return InvalidIdentityToken(words.NOT_VALIDATED, detail="ProviderId names no verifiable provider")


def refuse_unknown_issuer(unverified_issuer: str) -> InvalidIdentityToken:
    """Return the refusal for a token whose issuer the account has no provider for."""
    return InvalidIdentityToken(words.NO_PROVIDER.format(issuer=unverified_issuer[:MAX_URL]))
