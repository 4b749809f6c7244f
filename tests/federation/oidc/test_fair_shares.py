"""Accounts share the limits for issuers: one tenant's hanging issuers leave room for another's."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.federation.oidc.world import SHORT, MovedClock, exchange, fetcher, terms

from daypass.errors import Fault
from daypass.federation.oidc.issuers import issuer_keys
from daypass.federation.oidc.issuers.issuer_entries import IssuerEntries
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.network import trust_store
from daypass.federation.oidc.network.fetch import Fetcher, FetchLimits, UnacceptableAnswerError
from daypass.federation.oidc.network.resolver import MAX_PENDING, TooManyLookupsError
from daypass.federation.oidc.network.trust_store import TlsContexts
from daypass.federation.oidc.provider import ProviderTerms
from daypass.federation.oidc.shares import FairLane, Shares, Turn
from daypass.http.fetch_slots import LARGEST, MOST_BYTES, MOST_REQUESTS, FetchSlots
from daypass.testing.oidc import DISCOVERY, Answer, OidcIssuer
from daypass.wire.http import HttpRequest

A, B = "111111111111", "222222222222"
ACCOUNTS = [A, B, "333333333333", ""]


def of(account: str) -> str:
    """Return the ARN of a provider of an account."""
    return f"arn:aws:iam::{account}:oidc-provider/x"


def test_one_accounts_issuers_push_out_nobody_elses() -> None:
    """The account with the most issuers loses its least recently used one."""
    entries = IssuerEntries(100)
    kept = [entries.get((f"https://b{number}", frozenset()), B) for number in range(40)]
    shared = entries.get(("https://shared", frozenset()), B)
    assert entries.get(("https://shared", frozenset()), A) is shared
    for number in range(1_000):
        entries.get((f"https://a{number}", frozenset()), A)
    assert len(entries) == 100
    assert [entries.get((f"https://b{number}", frozenset()), B) for number in range(40)] == kept
    assert all(entries.get((f"https://b{n}", frozenset()), B) is entry for n, entry in enumerate(kept))
    assert entries.get(("https://shared", frozenset()), B) is shared


def test_many_accounts_lose_the_ones_that_nobody_uses() -> None:
    """If each account has one issuer, the account that was inactive longest loses it."""
    entries = IssuerEntries(10)
    made = [entries.get((f"https://i{number}", frozenset()), f"{number}") for number in range(10)]
    assert entries.get(("https://i0", frozenset()), "0") is made[0]
    entries.get(("https://new", frozenset()), "new")
    assert entries.get(("https://i0", frozenset()), "0") is made[0]
    assert entries.get(("https://i1", frozenset()), "1") is not made[1]
    assert len(entries) == 10


@given(st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.integers(1, 40), st.booleans()), max_size=120))
def test_the_whole_is_never_exceeded_and_a_share_is_left(steps: list[tuple[str, int, bool]]) -> None:
    """After any sequence, an account with less than a sixteenth gets more while the resource is not used up."""
    shares, held = Shares(160), dict.fromkeys(ACCOUNTS, 0)
    for account, amount, back in steps:
        if back and held[account] >= amount:
            shares.give_back(account, amount)
            held[account] -= amount
        elif not back:
            after = sum(held.values()) + amount
            taken = shares.take(account, amount)
            assert taken == (after <= 160 and (held[account] + amount <= 10 or after <= 80))
            held[account] += amount * taken
        assert {each: shares.taken_by(each) for each in ACCOUNTS} == held


def test_a_lane_lets_in_whoever_has_least() -> None:
    """An account that fills half of a lane does not delay others, and its turn goes when another account joins it."""

    async def run() -> None:
        lane = FairLane(16)
        async with AsyncExitStack() as inside:
            for _ in range(8):
                await inside.enter_async_context(lane.enter(Turn({A})))
            blocked = Turn({A})
            waiting = asyncio.create_task(_pass(lane, blocked))
            gone = asyncio.create_task(_pass(lane, Turn({A})))
            await asyncio.sleep(0)
            await _pass(lane, Turn({B}))
            assert not waiting.done()
            blocked.accounts.add(B)
            lane.grant()
            await waiting
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
        for _ in range(8):
            await _pass(lane, Turn({A}))

    asyncio.run(run())


async def _pass(lane: FairLane, turn: Turn) -> None:
    async with lane.enter(turn):
        pass


def test_a_tenants_hanging_issuers_leave_lanes_for_another() -> None:
    """One account's hanging new issuers fill its lanes; another's new issuer is fetched at once."""
    clock = MovedClock()
    with OidcIssuer(algorithms=("ES256",), now=clock.epoch) as good:
        authority = good.authority
        with OidcIssuer(algorithms=("ES256",), now=clock.epoch, authority=authority) as hanging:
            hanging.answers[DISCOVERY] = Answer.hang()
            keys = IssuerKeys(fetcher(good, seconds=30), clock)
            bad = [
                terms(hanging, issuer=f"{hanging.url}/{number}", arn=of(A))
                for number in range(issuer_keys.NEW_LANES + 20)
            ]

            async def run() -> None:
                load = [asyncio.create_task(keys.fetch(provider)) for provider in bad]
                await asyncio.sleep(0)
                shared = terms(good, arn=of(A))
                load.append(asyncio.create_task(keys.fetch(shared)))
                await asyncio.sleep(0)
                # A's call for B's issuer waits behind A's hanging ones. B's own call does not wait with it.
                async with asyncio.timeout(20):
                    await exchange(keys, terms(good, arn=of(B)), good.token(alg="ES256"), clock)
                for each in load:
                    each.cancel()
                await keys.close()
                await asyncio.gather(*load, return_exceptions=True)

            asyncio.run(run())


def test_one_accounts_callers_leave_room_at_an_issuer() -> None:
    """While a hundred callers of one account wait for an issuer, another account's may wait too."""
    clock = MovedClock()
    with OidcIssuer(algorithms=("ES256",), now=clock.epoch) as issuer:
        issuer.answers[DISCOVERY] = Answer.hang()
        keys = IssuerKeys(fetcher(issuer, seconds=2 * SHORT), clock)

        async def refused(provider: ProviderTerms) -> str:
            try:
                await exchange(keys, provider, issuer.token(alg="ES256"), clock)
            except Fault as fault:
                return fault.detail
            return ""

        async def run() -> tuple[str, str]:
            crowd = [asyncio.create_task(refused(terms(issuer, arn=of(A)))) for _ in range(issuer_keys.MAX_WAITING)]
            await asyncio.sleep(0)
            answers = await asyncio.gather(refused(terms(issuer, arn=of(A))), refused(terms(issuer, arn=of(B))))
            await asyncio.gather(*crowd)
            await keys.close()
            return answers

        one, other = asyncio.run(run())
    assert one == "too many calls wait for this issuer"
    assert other != one


def _request(size: int) -> HttpRequest:
    return HttpRequest("POST", b"/", b"", (), b"x" * size, "192.0.2.1", secure=True)


@pytest.mark.parametrize("size", [1, LARGEST])
def test_waiting_requests_are_bounded_in_number_and_bytes(size: int) -> None:
    """One account gets half of the places and of the bytes, and another one still has its share."""
    slots, request = FetchSlots(), _request(size)
    taken = 0
    while slots.take(A, request):
        taken += 1
    assert taken == min(MOST_REQUESTS // 2, MOST_BYTES // 2 // (size + 1))
    assert slots.take(B, request)
    assert not slots.take(B, _request(LARGEST + 1))
    for _ in range(taken):
        slots.give_back(A, request)
    assert slots.take(A, request)


def test_keys_of_one_account_stay_while_another_registers() -> None:
    """A victim's cached keys stay after a tenant's tokens named a thousand issuers of its own."""
    clock = MovedClock()
    with OidcIssuer(algorithms=("ES256",), now=clock.epoch) as issuer:
        keys, victim = IssuerKeys(fetcher(issuer), clock), terms(issuer, arn=of(B))

        async def run() -> None:
            await exchange(keys, victim, issuer.token(alg="ES256"), clock)
            for number in range(issuer_keys.MAX_ISSUERS + 100):
                keys.cached_keys(terms(issuer, issuer=f"https://i{number}.example", arn=of(A)), clock.now())
            before = dict(issuer.requests)
            await exchange(keys, victim, issuer.token(alg="ES256"), clock)
            assert issuer.requests == before

        asyncio.run(run())


def test_a_tenants_names_that_hang_leave_lookups_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One account's name server never answers.

    Names of another account, and a shared one, are resolved.
    """
    clock, release = MovedClock(), threading.Event()
    asked = Counter[str]()

    def hang(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked[host] += 1
        if host.endswith(".hanging.example"):
            release.wait(60)
        raise socket.gaierror("no such name")

    async def run() -> None:
        keys = IssuerKeys(Fetcher(FetchLimits(seconds=30)), clock)
        load = [
            asyncio.create_task(keys.fetch(terms_at(f"https://i{number}.hanging.example", A)))
            for number in range(issuer_keys.NEW_LANES)
        ]
        await until(lambda: len(asked) >= MAX_PENDING // 2)
        shared = "https://shared.example"
        load += [asyncio.create_task(keys.fetch(terms_at(shared, account))) for account in (B, A)]
        await until(lambda: bool(asked["shared.example"]))
        release.set()
        await keys.close()
        await asyncio.gather(*load, return_exceptions=True)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        asyncio.run(asyncio.wait_for(run(), 60))
    finally:
        release.set()
    assert len([host for host in asked if host.endswith(".hanging.example")]) <= MAX_PENDING // 2


def test_want_of_room_is_no_failure_to_another_account() -> None:
    """One account has capacity to contact an issuer, another has not: both get the keys."""
    clock, full = MovedClock(), [True]

    async def lookup(host: str, port: int) -> list[str]:
        if full.pop() if full else False:
            raise TooManyLookupsError("too many names are being resolved")
        return ["127.0.0.1"]

    with OidcIssuer(algorithms=("ES256",), now=clock.epoch) as issuer:
        keys, token = IssuerKeys(fetcher(issuer, lookup), clock), issuer.token(alg="ES256")

        async def run() -> None:
            with pytest.raises(Fault, match="could not be reached") as refused:
                await exchange(keys, terms(issuer, arn=of(A)), token, clock)
            assert refused.value.detail == "too many issuers are contacted for this account"
            await exchange(keys, terms(issuer, arn=of(B)), token, clock)
            await exchange(keys, terms(issuer, arn=of(A)), token, clock)

        asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds that another thread fulfils."""
    while not holds():  # noqa: ASYNC110 - threads set no event
        await asyncio.sleep(0.01)


def terms_at(issuer: str, account: str) -> ProviderTerms:
    """Return the terms of an issuer that no simulator serves."""
    return ProviderTerms(arn=of(account), issuer=issuer, client_ids=frozenset({"x"}))


def thumbprint(number: int) -> frozenset[str]:
    """Return a set of one thumbprint."""
    return frozenset({f"{number:040x}"})


@pytest.mark.slow
def test_thumbprints_of_one_account_leave_the_tls_settings_of_another() -> None:
    """An account with ever new thumbprints loses only its own settings."""
    contexts = TlsContexts(8)
    kept = {0: contexts.get(None, thumbprint(0), {B}), 1: contexts.get(None, thumbprint(1), {A, B})}
    common = contexts.get(None, frozenset(), {A})
    made = {number: contexts.get(None, thumbprint(number), {A}) for number in range(2, 40)}
    assert all(contexts.get(None, thumbprint(number), {B}) is context for number, context in kept.items())
    assert contexts.get(None, frozenset(), ()) is common
    alike = [number for number, context in made.items() if contexts.get(None, thumbprint(number), {A}) is context]
    assert len(alike) <= 8


def test_a_fetch_counts_its_tls_settings_for_its_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fetcher knows the accounts for which it works."""
    contexts = TlsContexts(2)
    monkeypatch.setattr(trust_store, "_contexts", contexts)
    with OidcIssuer() as issuer:
        reading = fetcher(issuer)
        for number, account in ((1, B), (2, A), (3, A)):
            asyncio.run(_fetch(reading.on_behalf_of({account}), issuer, thumbprint(number)))
        assert [kept.accounts for kept in contexts._kept.values()] == [{B}, {A}]


async def _fetch(reading: Fetcher, issuer: OidcIssuer, thumbprints: frozenset[str]) -> None:
    with pytest.raises(UnacceptableAnswerError):
        await reading.get(issuer.url + DISCOVERY, thumbprints)
