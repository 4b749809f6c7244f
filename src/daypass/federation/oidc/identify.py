"""From a token string to a verified identity, in one synchronous step.

Owns the order (parse, verify, interpret) and the one retry with fresh keys. The operation finds the provider before,
and evaluates the trust policy after.
"""

from datetime import datetime
from typing import Protocol

from daypass.errors import IDPCommunicationError
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.claims import WebIdentity, read_identity
from daypass.federation.oidc.keys import KeySet
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import UnverifiedToken
from daypass.federation.oidc.verify import KeyNotFoundError, SignatureInvalidError, VerifiedToken, verify_token


class KeysNeededError(IDPCommunicationError):
    """The call needs the provider's keys, which have to be fetched first.

    The call has changed no state yet. A caller that can wait fetches them and calls again; for others this is the
    refusal.
    """

    def __init__(self, provider: ProviderTerms, *more: ProviderTerms) -> None:
        super().__init__(oidc_messages.UNREACHABLE, detail="the issuer's keys were not fetched in time")
        self.provider = provider
        # A sign-in reads the providers of every account with the issuer, an API call one.
        self.providers = (provider, *more)


class KeysAtHand(Protocol):
    """A source of keys for verification. Neither method waits."""

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:
        """Return keys, or say that they must be fetched first.

        Raises a Fault if a fetch has just failed.
        """
        ...

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:
        """Tell whether the keys may be fetched again.

        The caller's token does not verify.
        """
        ...

    @property
    def enforces_thumbprints(self) -> bool:
        """Whether keys depend on the thumbprints of a provider."""
        ...


class NoKeys:
    """A source without keys, for callers that cannot fetch any.

    Every token is refused.
    """

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:  # noqa: ARG002 - a promise
        """Refuse."""
        raise IDPCommunicationError(oidc_messages.UNREACHABLE, detail="keys are not fetched here")

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - a promise
        """Return False: these callers never fetch."""
        return False

    @property
    def enforces_thumbprints(self) -> bool:
        """Return False: there are no keys."""
        return False


NO_KEYS: KeysAtHand = NoKeys()


def identify(
    token: UnverifiedToken, *, provider: ProviderTerms, keys: KeysAtHand, now: datetime
) -> WebIdentity | NeedsFetch:
    """Return the identity in the token, or request a fetch.

    After the fetch, call once more: within its cool-down, the call never asks again. Raises a Fault if the token is not
    valid.
    """
    verified = verify(token, provider=provider, keys=keys, now=now)
    return verified if isinstance(verified, NeedsFetch) else read_identity(verified, provider)


def verify(
    token: UnverifiedToken, *, provider: ProviderTerms, keys: KeysAtHand, now: datetime
) -> VerifiedToken | NeedsFetch:
    """Return the verified token, or request a fetch, as `identify` does."""
    found = keys.cached_keys(provider, now)
    if isinstance(found, NeedsFetch):
        return found
    try:
        return verify_token(token, keys=found, provider=provider, now=now)
    except (KeyNotFoundError, SignatureInvalidError):
        # The issuer may have rotated its keys: with a new key id, without key ids, or with the old key id.
        if keys.may_look_again(provider, now):
            return NeedsFetch(provider)
        raise
