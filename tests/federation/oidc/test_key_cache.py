"""The time and number of fetches of keys, and the keys that are used meanwhile."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.federation.oidc.setting import jwks, key
from tests.federation.oidc.world import SHORT, MovedClock, exchange, fetcher, terms

from daypass.errors import Fault, IDPCommunicationError, InvalidIdentityToken
from daypass.federation.oidc.issuers import issuer_keys
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.keys import KeySet, parse_jwks
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.testing.oidc import DISCOVERY, KEYS, Answer, OidcIssuer
from daypass.testing.tokens import SigningKey, compact


class Stage:
    """An issuer, a clock and a cache, at one time."""

    def __init__(self) -> None:
        self.clock = MovedClock()
        self.issuer = OidcIssuer(algorithms=("ES256",), now=self.clock.epoch)

    def open(self) -> None:
        """Create the cache, once the issuer runs."""
        self.keys = IssuerKeys(fetcher(self.issuer), self.clock)
        self.provider = terms(self.issuer)

    async def accepted(self, text: str | None = None) -> bool:
        """Tell whether a token, a genuine one by default, is accepted now."""
        try:
            await exchange(self.keys, self.provider, text or self.issuer.token(alg="ES256"), self.clock)
        except Fault:
            return False
        return True

    def unknown(self, kid: str) -> str:
        """Return a token with the id of a key that is not published."""
        return compact({"alg": "ES256", "kid": kid}, self.issuer.claims(), key("ES256", "attacker"))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Set up a stage."""
    scene = Stage()
    with scene.issuer:
        scene.open()
        yield scene


def test_one_fetch_serves_many_tokens(stage: Stage) -> None:
    """Keys are fetched once and kept, parsed."""

    async def run() -> None:
        for _ in range(50):
            assert await stage.accepted()

    asyncio.run(run())
    assert stage.issuer.requests == {DISCOVERY: 1, KEYS: 1}


def test_the_same_issuer_in_several_accounts_is_fetched_once(stage: Stage) -> None:
    """Keys belong to the issuer, not to the account that trusts it."""
    other = terms(stage.issuer, arn="arn:aws:iam::999999999999:oidc-provider/x")

    async def run() -> None:
        assert await stage.accepted()
        await exchange(stage.keys, other, stage.issuer.token(alg="ES256"), stage.clock)

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] == 1


def test_many_at_once_share_one_flight(stage: Stage) -> None:
    """There is one fetch at a time for each issuer, however many tokens wait for it."""

    async def run() -> list[bool]:
        return await asyncio.gather(*[stage.accepted() for _ in range(60)])

    assert all(asyncio.run(run()))
    assert stage.issuer.requests == {DISCOVERY: 1, KEYS: 1}


def test_whoever_goes_away_does_not_take_the_flight_along(stage: Stage) -> None:
    """A caller that gives up must not cancel the fetch for the others."""

    async def run() -> bool:
        first = asyncio.create_task(stage.accepted())
        second = asyncio.create_task(stage.accepted())
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(run())


def test_a_rotated_key_is_accepted_within_twenty_seconds(stage: Stage) -> None:
    """The worst case: the set was fetched the moment before the rotation."""

    async def run() -> None:
        assert await stage.accepted()
        stage.issuer.rotate("ES256")
        stage.clock.move(seconds=9)
        assert not await stage.accepted()
        stage.clock.move(seconds=1)
        assert await stage.accepted()

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] == 2


def test_a_key_that_took_over_the_old_name(stage: Stage) -> None:
    """An issuer that was set up again may give its new key the old id.

    This is noticed as quickly.
    """

    async def run() -> None:
        assert await stage.accepted()
        stage.issuer.rotate("ES256", SigningKey.generate("ES256", stage.issuer.signing["ES256"].kid))
        stage.clock.move(seconds=10)
        assert await stage.accepted()

    asyncio.run(run())


def test_rotation_every_minute(stage: Stage) -> None:
    """Each new key is accepted, and each costs one fetch."""

    async def run() -> None:
        assert await stage.accepted()
        for _ in range(12):
            stage.clock.move(minutes=1)
            stage.issuer.rotate("ES256")
            assert await stage.accepted()

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] == 13


def test_a_withdrawn_key_is_refused_after_the_next_fetch(stage: Stage) -> None:
    """A key that the issuer no longer publishes verifies no token after the next fetch."""

    async def run() -> None:
        old = stage.issuer.token(alg="ES256")
        assert await stage.accepted(old)
        stage.issuer.rotate("ES256")
        stage.clock.move(seconds=10)
        assert await stage.accepted()
        assert not await stage.accepted(old)

    asyncio.run(run())


def test_a_thousand_unknown_key_ids_cause_one_fetch_in_ten_seconds(stage: Stage) -> None:
    """A flood of invented key ids causes one request to the issuer in ten seconds, and does not affect good tokens."""

    async def run() -> None:
        assert await stage.accepted()
        for number in range(1000):
            stage.clock.move(milliseconds=30)
            assert not await stage.accepted(stage.unknown(f"invented-{number}"))
        assert await stage.accepted()

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] <= 4


def test_unknown_key_ids_do_not_keep_a_rotated_key_out(stage: Stage) -> None:
    """The fetches that the flood causes bring the new key."""

    async def run() -> None:
        assert await stage.accepted()
        stage.issuer.rotate("ES256")
        for number in range(20):
            stage.clock.move(seconds=1)
            await stage.accepted(stage.unknown(f"invented-{number}"))
        assert await stage.accepted()

    asyncio.run(run())


def test_old_keys_are_served_while_the_issuer_is_down(stage: Stage) -> None:
    """During hours of status 500, tokens of published keys stay valid, for a day."""

    async def run() -> None:
        assert await stage.accepted()
        stage.issuer.answers[DISCOVERY] = Answer.fail(500)
        for _ in range(46):
            stage.clock.move(minutes=30)
            assert await stage.accepted()
        stage.clock.move(hours=2)
        assert not await stage.accepted()
        stage.issuer.answers.clear()
        stage.clock.move(seconds=10)
        assert await stage.accepted()

    asyncio.run(run())


@pytest.mark.parametrize("answer", [b'{"keys":[]}', b"null", b"<html>", b'{"keys":[{"kty":"oct","k":"AA"}]}'])
def test_a_broken_set_does_not_replace_a_good_one(stage: Stage, answer: bytes) -> None:
    """An empty or unreadable set is a failure of the issuer; the cached keys stay."""

    async def run() -> None:
        assert await stage.accepted()
        stage.issuer.answers[KEYS] = Answer(body=answer)
        stage.clock.move(hours=2)
        assert await stage.accepted()

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] == 2


def test_keys_are_looked_up_again_behind_the_callers_back(stage: Stage) -> None:
    """After five minutes no caller waits, and the set is still renewed."""

    async def run() -> None:
        assert await stage.accepted()
        stage.clock.move(minutes=6)
        stage.issuer.rotate("ES256")
        assert isinstance(stage.keys.cached_keys(stage.provider, stage.clock.now()), KeySet)
        await stage.keys.fetch(stage.provider)
        assert stage.issuer.requests[KEYS] == 2
        assert await stage.accepted()

    asyncio.run(run())
    assert stage.issuer.requests[KEYS] == 2


def test_after_an_hour_the_caller_waits_for_a_fetch(stage: Stage) -> None:
    """A key that was withdrawn long ago is not trusted for the sake of a quick answer."""

    async def run() -> None:
        old = stage.issuer.token(alg="ES256", exp=int(stage.clock.epoch()) + 10**6)
        assert await stage.accepted(old)
        stage.issuer.rotate("ES256")
        stage.clock.move(hours=2)
        assert isinstance(stage.keys.cached_keys(stage.provider, stage.clock.now()), NeedsFetch)
        assert not await stage.accepted(old)

    asyncio.run(run())


def test_without_an_event_loop_the_caller_is_told_to_fetch(stage: Stage) -> None:
    """Without an event loop there is no background work."""
    asyncio.run(stage.keys.fetch(stage.provider))
    stage.clock.move(minutes=6)
    assert isinstance(stage.keys.cached_keys(stage.provider, stage.clock.now()), NeedsFetch)


def test_a_failure_is_remembered_for_ten_seconds(stage: Stage) -> None:
    """Until then callers get the same answer at once; then the issuer is contacted again."""

    async def run() -> None:
        stage.issuer.answers[DISCOVERY] = Answer.fail(500)
        for _ in range(20):
            with pytest.raises(IDPCommunicationError):
                await exchange(stage.keys, stage.provider, stage.issuer.token(alg="ES256"), stage.clock)
        assert stage.issuer.requests[DISCOVERY] == 1
        stage.issuer.answers.clear()
        stage.clock.move(seconds=10)
        assert await stage.accepted()

    asyncio.run(run())


def test_a_clock_that_was_set_back(stage: Stage) -> None:
    """Keys with a time in the future are not fresh for as long as the clock was wrong."""

    async def run() -> None:
        assert await stage.accepted()
        stage.clock.move(days=-30)
        stage.issuer.rotate("ES256")
        assert await stage.accepted()

    asyncio.run(run())


def test_pinned_keys_are_never_fetched(stage: Stage) -> None:
    """For an issuer without network, exactly the keys that an operator pinned are trusted."""
    pinned = terms(stage.issuer, pinned=parse_jwks(jwks(stage.issuer.signing["ES256"].jwk())))

    async def run() -> None:
        await exchange(stage.keys, pinned, stage.issuer.token(alg="ES256"), stage.clock)
        with pytest.raises(InvalidIdentityToken):
            await exchange(stage.keys, pinned, stage.unknown("invented"), stage.clock)

    asyncio.run(run())
    assert not stage.issuer.requests


def test_the_number_of_issuers_is_bounded(stage: Stage) -> None:
    """The least recently used one is dropped first."""
    for number in range(issuer_keys.MAX_ISSUERS + 50):
        stage.keys.cached_keys(terms(stage.issuer, issuer=f"https://i{number}.example"), stage.clock.now())
    assert len(stage.keys._entries) == issuer_keys.MAX_ISSUERS


def test_the_number_of_waiting_callers_is_bounded(stage: Stage) -> None:
    """At most a hundred callers wait for a hanging issuer; the others are refused at once."""
    stage.issuer.answers[DISCOVERY] = Answer.hang()
    stage.keys = IssuerKeys(fetcher(stage.issuer, seconds=3 * SHORT), stage.clock)

    async def run() -> None:
        waiting = [asyncio.create_task(stage.accepted()) for _ in range(issuer_keys.MAX_WAITING)]
        await asyncio.sleep(0.05)
        assert not await stage.accepted()
        assert not any(task.done() for task in waiting)
        assert not any(await asyncio.gather(*waiting))

    asyncio.run(run())


@pytest.mark.slow
def test_hanging_issuers_do_not_delay_others(stage: Stage) -> None:
    """A hundred issuers hang, twice, while tokens of another one are verified for the first time and then again.

    The limit of a fetch is long, because the machine may be busy.
    """
    authority = stage.issuer.authority
    with OidcIssuer(algorithms=("ES256",), now=stage.clock.epoch, authority=authority) as hanging:
        stage.keys = IssuerKeys(fetcher(stage.issuer, seconds=5), stage.clock)
        hanging.answers[DISCOVERY] = Answer.hang()
        token = hanging.token(alg="ES256")
        bad = [terms(hanging, issuer=f"{hanging.url}/{number}") for number in range(100)]

        async def worn_out(provider: ProviderTerms) -> bool:
            try:
                await exchange(stage.keys, provider, token, stage.clock)
            except IDPCommunicationError:
                return True
            return False

        async def run() -> None:
            for _ in range(2):
                load = [asyncio.create_task(worn_out(provider)) for provider in bad]
                await asyncio.sleep(0.02)
                assert await stage.accepted()
                assert not any(task.done() for task in load)
                assert all(await asyncio.gather(*load))
                stage.clock.move(seconds=11)
                stage.issuer.rotate("ES256")
            await stage.keys.close()

        asyncio.run(run())
