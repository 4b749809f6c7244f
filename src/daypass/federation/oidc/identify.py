"""From the text of a token to the identity it proves, in one synchronous step.

Owns the order of the three parts (read, verify, understand) and the one retry with fresh keys. Finding the
provider in the account comes before, the trust policy after; both are the operation's work.
"""

from datetime import datetime
from typing import Protocol

from daypass.federation.oidc.claims import WebIdentity, read_identity
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import UnverifiedToken
from daypass.federation.oidc.verify import KeyNotFound, SignatureInvalid, verify_token


class KeysAtHand(Protocol):
    """Where verification finds keys. Neither method waits."""

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:
        """Return keys, or say that fetching them comes first; raise if that has just failed."""
        ...

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:
        """Tell whether fetching again may be tried for a token that the keys do not verify."""
        ...


def identify(
    token: UnverifiedToken, *, provider: ProviderTerms, keys: KeysAtHand, now: datetime
) -> WebIdentity | NeedsFetch:
    """Return whom the token speaks for, refuse it, or ask for a fetch after which to call once more.

    The second call comes within the cool-down of the first one's fetch, so it never asks again.
    """
    found = keys.cached_keys(provider, now)
    if isinstance(found, NeedsFetch):
        return found
    try:
        verified = verify_token(token, keys=found, provider=provider, now=now)
    except (KeyNotFound, SignatureInvalid):
        # The issuer may have rotated, with a new key id, without key ids, or with the old one used again.
        if keys.may_look_again(provider, now):
            return NeedsFetch(provider)
        raise
    return read_identity(verified, provider)
