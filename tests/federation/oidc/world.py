"""The fixtures of the fetching tests: a movable clock, providers for simulated issuers, and the caller."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from daypass.federation.oidc.claims import WebIdentity
from daypass.federation.oidc.identify import identify
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.network.fetch import Fetcher, FetchLimits
from daypass.federation.oidc.network.resolver import Lookup
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import read_token
from daypass.testing.oidc import OidcIssuer

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECONDS = 60.0
"""The limit of a fetch that ends by itself. The machine may be busy."""
SHORT = 0.4
"""The limit of a fetch from an issuer that hangs."""


@dataclass
class MovedClock:
    """A clock with the test's time.

    It begins with the real time, because certificates do.
    """

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """Return the test's time."""
        return self.moment

    def epoch(self) -> float:
        """Return the time as issuers write it."""
        return self.moment.timestamp()

    def move(self, **span: float) -> None:
        """Move the clock forward."""
        self.moment += timedelta(**span)


def terms(simulated: OidcIssuer, /, **changes: object) -> ProviderTerms:
    """Return the terms of a provider for a simulated issuer."""
    honest = {
        "arn": "arn:aws:iam::123456789012:oidc-provider/" + simulated.url.removeprefix("https://"),
        "issuer": simulated.url,
        "client_ids": frozenset({"sts.amazonaws.com"}),
    }
    return ProviderTerms(**{**honest, **changes})  # type: ignore[arg-type]


def fetcher(issuer: OidcIssuer, lookup: Lookup | None = None, *, seconds: float = SECONDS) -> Fetcher:
    """Return a fetcher that trusts the issuer's authority and may connect to loopback."""
    return Fetcher(FetchLimits(LOOPBACK, issuer.ca_bundle, seconds), lookup)


async def exchange(keys: IssuerKeys, provider: ProviderTerms, text: str, clock: MovedClock) -> WebIdentity:
    """Do as the operation does: try, fetch if required, try once more."""
    token = read_token(text)
    found = identify(token, provider=provider, keys=keys, now=clock.now())
    if isinstance(found, NeedsFetch):
        await keys.fetch(found.provider)
        found = identify(token, provider=provider, keys=keys, now=clock.now())
    assert isinstance(found, WebIdentity), "a second fetch was asked for"
    return found
