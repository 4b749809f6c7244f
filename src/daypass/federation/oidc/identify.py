"""From the text of a token to the identity it proves, in one synchronous step.

Owns the order of the three parts (read, verify, understand) and the one retry with fresh keys. Finding the
provider in the account comes before, the trust policy after; both are the operation's work.
"""

from datetime import datetime
from typing import Protocol

from daypass.errors import IDPCommunicationError
from daypass.federation.oidc import words
from daypass.federation.oidc.claims import WebIdentity, read_identity
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import UnverifiedToken
from daypass.federation.oidc.verify import KeyNotFound, SignatureInvalid, verify_token


class KeysNeeded(IDPCommunicationError):  # noqa: N818 - read as a sentence
    """A call cannot be answered before the provider's keys are fetched. Nothing was done yet.

    Whoever can wait fetches them and asks again; for everybody else it is the refusal that it says.
    """

    def __init__(self, provider: ProviderTerms, *more: ProviderTerms) -> None:
        super().__init__(words.UNREACHABLE, detail="the issuer's keys were not there in time")
        self.provider = provider
        # A sign-in asks every account that registered the issuer. A call of the API asks one.
        self.providers = (provider, *more)


class KeysAtHand(Protocol):
    """Where verification finds keys. Neither method waits."""

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:
        """Return keys, or say that fetching them comes first; raise if that has just failed."""
        ...

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:
        """Tell whether fetching again may be tried for a token that the keys do not verify."""
        ...


class NoKeys:
    """The keys of whoever neither has any nor can fetch any: no token is believed."""

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:  # noqa: ARG002 - a promise
        """Refuse."""
        raise IDPCommunicationError(words.UNREACHABLE, detail="keys are not fetched here")

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - a promise
        """Return that there is nowhere to look."""
        return False


NO_KEYS: KeysAtHand = NoKeys()


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
