"""The terms on which an account trusts an issuer.

Owns the values that verification and fetching take from a stored or built-in provider, and the allowed form of an
issuer's URL.
Source: IAM API Reference, CreateOpenIDConnectProvider; IAM User Guide, "AssumeRoleWithWebIdentity".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.extra_claims import ExtraClaim

if TYPE_CHECKING:
    # The configuration of every process needs the form of an issuer's URL, and a gateway does not need its keys.
    from daypass.directory.entities.propagation_entities import ContextProvider
    from daypass.federation.oidc.keys import KeySet

SCHEME = "https://"
_ACCOUNT_PART = 4
MAX_URL = 255
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_PATH = r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
_ISSUER = re.compile(rf"https://{_HOST}{_PATH}")
_KEYS_URL = re.compile(rf"https://{_HOST}{_PATH}(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")


class UnsafeAnyAudience(Enum):
    """Marks a built-in provider, which has no registered client ids.

    Only the trust policy restricts the audience.
    """

    ANY = "any"


ANY_AUDIENCE = UnsafeAnyAudience.ANY


@dataclass(frozen=True, slots=True)
class ProviderTerms:
    """The terms on which one account trusts one issuer.

    Without client ids every token is refused. `thumbprints` are used only if an operator enforces them; `pinned` keys
    replace fetched ones. The `context_provider` says which claims a session carries.
    """

    arn: str
    issuer: str
    client_ids: frozenset[str] | UnsafeAnyAudience
    further_claims: tuple[ExtraClaim, ...] = ()
    thumbprints: frozenset[str] = frozenset()
    pinned: "KeySet | None" = None
    context_provider: "ContextProvider | None" = None

    @property
    def account(self) -> str:
        """Return the account that registered the provider.

        It is empty for built-in providers.
        """
        parts = self.arn.split(":")
        return parts[_ACCOUNT_PART] if len(parts) > _ACCOUNT_PART else ""

    @property
    def key_prefix(self) -> str:
        """Return the part of this issuer's condition keys before the colon.

        The path and a trailing slash are kept.
        """
        return self.issuer.removeprefix(SCHEME)


@dataclass(frozen=True, slots=True)
class NeedsFetch:
    """The cached keys are not enough to decide.

    Await `IssuerKeys.fetch(provider)`, then retry once.
    """

    provider: ProviderTerms


def is_issuer_url(text: str) -> bool:
    """Tell whether `text` may be an issuer.

    It must be https, without query, fragment, user or odd characters.
    """
    return len(text) <= MAX_URL and _ISSUER.fullmatch(text) is not None


def is_keys_url(text: str) -> bool:
    """Tell whether `text` may be the URL of a key set.

    The rules are those of an issuer, but a query is allowed.
    """
    return len(text) <= 2 * 1024 and _KEYS_URL.fullmatch(text) is not None


# Providers of every account, by their name in trust policies. Only Login with Amazon and Facebook can verify their
# opaque access tokens: these have no issuer, and their tokens are refused.
BUILT_IN: Mapping[str, str | None] = {
    "accounts.google.com": "https://accounts.google.com",
    "cognito-identity.amazonaws.com": "https://cognito-identity.amazonaws.com",
    "www.amazon.com": None,
    "graph.facebook.com": None,
}


def find_built_in(issuer: str) -> ProviderTerms | None:
    """Return the terms of the built-in provider with this issuer, or None."""
    name = issuer.removeprefix(SCHEME)
    if BUILT_IN.get(name) != issuer:
        return None
    return ProviderTerms(arn=name, issuer=issuer, client_ids=ANY_AUDIENCE)


def refuse_access_token(provider_id: str) -> InvalidIdentityToken:
    """Return the refusal for a provider of opaque access tokens.

    The call names it in ProviderId.
    """
    if provider_id == "www.amazon.com":
        return InvalidIdentityToken(oidc_messages.NOT_LOGIN_WITH_AMAZON, detail="opaque tokens cannot be verified")
    return InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="the tokens of this ProviderId cannot be verified")


def refuse_unknown_issuer(unverified_issuer: str) -> InvalidIdentityToken:
    """Return the refusal for a token of an issuer without a provider."""
    return InvalidIdentityToken(oidc_messages.NO_PROVIDER.format(issuer=unverified_issuer[:MAX_URL]))
