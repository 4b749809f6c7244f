"""How long an issuer's keys and endpoints are trusted: at each limit and just before it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from tests.federation.oidc.setting import jwks, key
from tests.federation.oidc.world import MovedClock, fetcher, terms

from daypass.errors import IDPCommunicationError, InvalidIdentityToken
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.issuers.endpoint_cache import EndpointCache
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.keys import KeySet, parse_jwks
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.testing.oidc import DISCOVERY, KEYS, Answer, OidcIssuer

MOMENT = timedelta(microseconds=1)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass
class Stage:
    """An issuer and its key cache, filled at `begun`."""

    issuer: OidcIssuer
    clock: MovedClock
    keys: IssuerKeys
    provider: ProviderTerms
    begun: datetime

    def at(self, after: timedelta) -> datetime:
        """Set the clock to this time after the fetch."""
        self.clock.moment = self.begun + after
        return self.clock.moment

    def kept(self, after: timedelta) -> KeySet | NeedsFetch:
        """Return the cached keys at this time after the fetch."""
        return self.keys.cached_keys(self.provider, self.at(after))


@pytest.fixture(scope="module")
def running() -> Iterator[OidcIssuer]:
    """Run one issuer for all tests of the file."""
    with OidcIssuer(algorithms=("ES256",)) as issuer:
        yield issuer


@pytest.fixture
def stage(running: OidcIssuer) -> Stage:
    """Fetch the keys of an honest issuer."""
    running.answers.clear()
    running.requests.clear()
    clock = MovedClock()
    keys, provider = IssuerKeys(fetcher(running), clock), terms(running)
    asyncio.run(keys.fetch(provider))
    return Stage(running, clock, keys, provider, clock.now())


@pytest.mark.parametrize(
    ("after", "fresh"), [(timedelta(), True), (5 * MINUTE - MOMENT, True), (5 * MINUTE, False), (-MOMENT, False)]
)
def test_keys_are_fresh_for_five_minutes(stage: Stage, after: timedelta, *, fresh: bool) -> None:
    """After that they are fetched again.

    Keys with a time in the future count as old.
    """
    assert isinstance(stage.kept(after), KeySet if fresh else NeedsFetch)


@pytest.mark.parametrize(
    ("after", "served", "requests"),
    [(5 * MINUTE - MOMENT, True, 1), (5 * MINUTE, True, 2), (HOUR - MOMENT, True, 2), (HOUR, False, 1)],
)
def test_keys_are_served_for_an_hour_while_they_are_looked_up_again(
    stage: Stage, after: timedelta, requests: int, *, served: bool
) -> None:
    """The refetch runs in the background; from an hour on the caller waits for it."""

    async def run() -> None:
        assert isinstance(stage.kept(after), KeySet if served else NeedsFetch)
        flights = [entry.flight for entry in stage.keys._entries.values() if entry.flight is not None]
        await asyncio.gather(*flights)

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] == requests


@pytest.mark.parametrize(("after", "served"), [(DAY - MOMENT, True), (DAY, False), (DAY + SECOND, False)])
def test_old_keys_serve_for_a_day_while_the_issuer_is_down(stage: Stage, after: timedelta, *, served: bool) -> None:
    """The day counts from the fetch of the keys, not from the issuer's failure."""
    stage.issuer.answers[DISCOVERY] = Answer.fail(503)
    stage.at(after - 5 * SECOND)
    asyncio.run(stage.keys.fetch(stage.provider))
    if served:
        assert isinstance(stage.kept(after), KeySet)
        return
    with pytest.raises(IDPCommunicationError):
        stage.kept(after)


@pytest.mark.parametrize(
    ("after", "may"),
    [(timedelta(), False), (10 * SECOND - MOMENT, False), (10 * SECOND, True), (11 * SECOND, True), (-MOMENT, True)],
)
def test_an_issuer_is_contacted_again_after_ten_seconds(stage: Stage, after: timedelta, *, may: bool) -> None:
    """The number of tokens that its keys do not verify does not matter."""
    assert stage.keys.may_look_again(stage.provider, stage.at(after)) is may
    asyncio.run(stage.keys.fetch(stage.provider))
    assert stage.issuer.requests[KEYS] == (2 if may else 1)


def test_pinned_keys_are_not_looked_up_again(stage: Stage) -> None:
    """Pinned keys are never fetched."""
    pinned = terms(stage.issuer, pinned=parse_jwks(jwks(key("ES256").jwk())))
    assert stage.keys.cached_keys(pinned, stage.at(DAY)) is pinned.pinned
    assert not stage.keys.may_look_again(pinned, stage.at(DAY))


@pytest.mark.parametrize("after", [timedelta(), 10 * SECOND - MOMENT])
def test_a_failure_is_told_again_for_ten_seconds(stage: Stage, after: timedelta) -> None:
    """After ten seconds the issuer is contacted again."""
    stage.issuer.answers[DISCOVERY] = Answer.fail(503)
    other = terms(stage.issuer, issuer=stage.issuer.url + "/other")
    asyncio.run(stage.keys.fetch(other))
    with pytest.raises(IDPCommunicationError):
        stage.keys.cached_keys(other, stage.at(after))
    assert isinstance(stage.keys.cached_keys(other, stage.at(10 * SECOND)), NeedsFetch)


@pytest.mark.parametrize("scheme", ["http", "file", "ftp"])
def test_an_issuer_that_is_not_an_https_url_is_not_contacted(stage: Stage, scheme: str) -> None:
    """No request is sent, and its tokens are refused."""
    asked = stage.issuer.requests.copy()
    odd = terms(stage.issuer, issuer=stage.issuer.url.replace("https", scheme, 1))
    asyncio.run(stage.keys.fetch(odd))
    with pytest.raises(InvalidIdentityToken) as refused:
        stage.keys.cached_keys(odd, stage.at(timedelta()))
    assert "not a plain https URL" in refused.value.detail
    assert stage.issuer.requests == asked


@pytest.mark.parametrize(
    ("after", "requests"), [(timedelta(), 1), (5 * MINUTE - MOMENT, 1), (5 * MINUTE, 2), (-MOMENT, 2)]
)
def test_the_places_to_sign_in_at_are_kept_for_five_minutes(stage: Stage, after: timedelta, requests: int) -> None:
    """Then the provider's discovery document is read again."""
    stage.issuer.requests.clear()
    where = {"authorization_endpoint": "https://idp.example/a", "token_endpoint": "https://idp.example/t"}
    stage.issuer.answers[DISCOVERY] = Answer.document({"issuer": stage.issuer.url, **where})
    places, client = EndpointCache(fetcher(stage.issuer), stage.clock.now), Client(stage.issuer.url, "c")

    async def run() -> None:
        first = await places.find(client)
        stage.at(after)
        assert await places.find(client) == first

    stage.at(timedelta())
    asyncio.run(run())
    assert stage.issuer.requests[DISCOVERY] == requests
