"""Cache issuers' keys: fetched rarely, one fetch at a time per issuer.

Owns the cache between synchronous verification and asynchronous fetching. Tokens of one issuer never wait for another
issuer. The rules:

* Keys are fresh for five minutes. After that they are refetched in the background.
* After an hour the caller waits for the refetch.
* While the issuer is down, its keys are used for a day.
* A token that the keys cannot verify may cause one refetch in ten seconds.

Accounts share the limited resources (issuer_entries.py, shares.py): entries, fetches and waiting callers. fetch.py
reads documents, verify.py decides about tokens.
Source: OpenID Connect Discovery 1.0 section 4; OpenID Connect Core 1.0 section 10.1.1, "Rotation".
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from daypass.errors import Fault, IDPCommunicationError, InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.issuers.issuer_entries import IssuerEntries, IssuerEntry
from daypass.federation.oidc.keys import KeySet, UnreadableKeySetError, parse_jwks
from daypass.federation.oidc.network.fetch import (
    CrowdedError,
    Fetcher,
    IssuerUnreachableError,
    UnacceptableAnswerError,
    WrongThumbprintError,
)
from daypass.federation.oidc.provider import MAX_URL, NeedsFetch, ProviderTerms, is_issuer_url, is_keys_url
from daypass.federation.oidc.shares import FairLane, Turn
from daypass.metrics.histogram import Histogram
from daypass.ports import Clock
from daypass.strict_json import NotStrictJsonError, parse_object

DISCOVERY_PATH = "/.well-known/openid-configuration"
COOL_DOWN = timedelta(seconds=10)
FRESH_FOR = timedelta(minutes=5)
SERVED_FOR = timedelta(hours=1)
STALE_FOR = timedelta(hours=24)
MAX_ISSUERS = 1000
MAX_WAITING = 100
PROVEN_LANES, NEW_LANES, FAILED_LANES = 64, 256, 64


class IssuerKeys:
    """The keys of all issuers that this process has used.

    They are fetched within one event loop. `fetches` are the durations by outcome, and `on_fetch` is called after each
    fetch with its outcome and the values of `monotonic` at its beginning and its end.

    The two methods that never wait may be called from any thread. Thumbprints are checked only if the operator sets
    `enforce_thumbprints`.
    """

    def __init__(self, fetcher: Fetcher, clock: Clock, *, enforce_thumbprints: bool = False) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._enforces = enforce_thumbprints
        self._entries = IssuerEntries(MAX_ISSUERS)
        self.fetches = {outcome: Histogram() for outcome in ("success", "failure")}
        self.on_fetch: Callable[[str, float, float], None] | None = None
        # Issuers that failed last time have their own lanes: hanging ones delay only one another.
        self._proven = FairLane(PROVEN_LANES)
        self._new = FairLane(NEW_LANES)
        self._failed = FairLane(FAILED_LANES)

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:
        """Return the provider's keys without waiting, or request a fetch.

        Raises the failure of a fetch a moment ago if there are no older keys to use.
        """
        if provider.pinned is not None:
            return provider.pinned
        entry = self._entry(provider)
        if entry.keys is None or not _is_within(entry.fetched, now, STALE_FOR):
            return self._without_keys(entry, provider, now)
        if _is_within(entry.fetched, now, FRESH_FOR) or not self._is_due(entry, provider, now):
            return entry.keys
        if _is_within(entry.fetched, now, SERVED_FOR) and self._refresh_behind(provider, entry):
            return entry.keys
        return NeedsFetch(provider)

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:
        """Tell whether a token that the keys could not verify justifies a refetch."""
        if provider.pinned is not None:
            return False
        entry = self._entry(provider)
        has_room = entry.flight is not None and entry.waiting[provider.account] < MAX_WAITING
        return self._may_attempt(entry, provider, now) or has_room

    @property
    def enforces_thumbprints(self) -> bool:
        """Whether keys depend on the thumbprints of a provider."""
        return self._enforces

    async def fetch(self, provider: ProviderTerms) -> None:
        """Bring the provider's keys, or the reason of a failure, into the cache.

        Each issuer has one fetch, for which later callers wait. Never raises for a failure of the issuer, and never
        takes longer than the fetcher's limit and the wait for a lane together.
        """
        entry = self._entry(provider)
        if entry.flight is None:
            if not self._may_attempt(entry, provider, self._clock.now()):
                return
            self._take_off(provider, entry)
        account = provider.account
        if entry.flight is None or entry.waiting[account] >= MAX_WAITING:
            return
        entry.waiting[account] += 1
        self._join(entry, account)
        try:
            # A caller that gives up must not cancel the fetch for the others.
            await asyncio.shield(entry.flight)
        finally:
            entry.waiting[account] -= 1
            entry.waiting += Counter()  # Removes accounts that no longer wait.

    def health(self, now: datetime) -> tuple[int, int, float]:
        """Return the numbers of good and failing issuers, and the oldest age.

        It is the age of the oldest keys, in seconds.
        """
        entries = self._entries.values()
        failing = sum(entry.failure is not None for entry in entries)
        good = sum(entry.failure is None and entry.keys is not None for entry in entries)
        ages = [(now - entry.fetched).total_seconds() for entry in entries if entry.fetched is not None]
        return good, failing, max(0.0, max(ages, default=0.0))

    def _note_fetch(self, outcome: str, began: float) -> None:
        now = monotonic()
        self.fetches[outcome].observe(now - began)
        if self.on_fetch is not None:
            self.on_fetch(outcome, began, now)

    async def close(self) -> None:
        """Cancel the running fetches."""
        flights = [entry.flight for entry in self._entries.values() if entry.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _entry(self, provider: ProviderTerms) -> IssuerEntry:
        # Keys that matched one account's enforced thumbprints must not be used for another account.
        key = (provider.issuer, provider.thumbprints if self._enforces else frozenset[str]())
        return self._entries.get(key, provider.account)

    def _without_keys(self, entry: IssuerEntry, provider: ProviderTerms, now: datetime) -> NeedsFetch:
        if entry.flight is None and _is_within(entry.held_up.get(provider.account), now, COOL_DOWN):
            raise IDPCommunicationError(
                oidc_messages.UNREACHABLE, detail="too many issuers are contacted for this account"
            )
        if entry.flight is None and not self._may_attempt(entry, provider, now) and entry.failure is not None:
            raise _again(entry.failure)
        if entry.waiting[provider.account] >= MAX_WAITING:
            raise IDPCommunicationError(oidc_messages.UNREACHABLE, detail="too many calls wait for this issuer")
        return NeedsFetch(provider)

    def _may_attempt(self, entry: IssuerEntry, provider: ProviderTerms, now: datetime) -> bool:
        held_up = _is_within(entry.held_up.get(provider.account), now, COOL_DOWN)
        return entry.flight is None and not held_up and not _is_within(entry.attempted, now, COOL_DOWN)

    def _is_due(self, entry: IssuerEntry, provider: ProviderTerms, now: datetime) -> bool:
        # Keys older than an hour wait for the running fetch, unless the last one failed: then the issuer is down.
        overdue = entry.failure is None and not _is_within(entry.fetched, now, SERVED_FOR)
        return self._may_attempt(entry, provider, now) or (overdue and entry.flight is not None)

    def _refresh_behind(self, provider: ProviderTerms, entry: IssuerEntry) -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._take_off(provider, entry)
        return True

    def _take_off(self, provider: ProviderTerms, entry: IssuerEntry) -> None:
        entry.attempted = self._clock.now()
        entry.turn, entry.lane = Turn({provider.account}), self._lane(entry)
        entry.flight = asyncio.create_task(self._fly(provider, entry, entry.turn, entry.lane), name="oidc-keys")
        entry.flight.add_done_callback(lambda _: setattr(entry, "flight", None))

    @staticmethod
    def _join(entry: IssuerEntry, account: str) -> None:
        """Let an account join a fetch that may still wait for a lane.

        A limit that delays another account does not delay this one.
        """
        if entry.turn is not None and entry.lane is not None and account not in entry.turn.accounts:
            entry.turn.accounts.add(account)
            entry.lane.grant()

    async def _fly(self, provider: ProviderTerms, entry: IssuerEntry, turn: Turn, lane: FairLane) -> None:
        began = monotonic()
        try:
            async with asyncio.timeout(2 * self._fetcher.seconds), lane.enter(turn):
                async with asyncio.timeout(self._fetcher.seconds):
                    keys = await self._read_keys(provider, self._fetcher.on_behalf_of(turn.accounts))
        except (IssuerUnreachableError, TimeoutError) as fault:
            if isinstance(fault, CrowdedError) or not turn.is_granted:
                self._hold_up(entry, turn)
                return
            entry.failure = IDPCommunicationError(oidc_messages.UNREACHABLE, detail=str(fault) or "no answer in time")
        except WrongThumbprintError as fault:
            entry.failure = InvalidIdentityToken(oidc_messages.WRONG_THUMBPRINT, detail=str(fault))
        except (UnacceptableAnswerError, NotStrictJsonError, UnreadableKeySetError) as fault:
            entry.failure = InvalidIdentityToken(oidc_messages.NO_KEY, detail=str(fault))
        else:
            entry.keys, entry.fetched, entry.failure = keys, self._clock.now(), None
        self._note_fetch("success" if entry.failure is None else "failure", began)
        # From the end of the fetch too: a caller that waited must not start another one at once.
        entry.attempted = self._clock.now()
        entry.held_up.clear()

    def _hold_up(self, entry: IssuerEntry, turn: Turn) -> None:
        """Note that the issuer was not contacted, for lack of capacity.

        For accounts with capacity this is not a failure.
        """
        entry.attempted = None
        entry.held_up.update(dict.fromkeys(turn.accounts, self._clock.now()))

    def _lane(self, entry: IssuerEntry) -> FairLane:
        if entry.failure is not None:
            return self._failed
        return self._new if entry.fetched is None else self._proven

    async def _read_keys(self, provider: ProviderTerms, fetcher: Fetcher) -> KeySet:
        if not is_issuer_url(provider.issuer):
            raise UnacceptableAnswerError("the issuer is not a plain https URL")
        discovery = await _get(fetcher, provider.issuer.rstrip("/") + DISCOVERY_PATH)
        address = _keys_address(parse_object(discovery), provider.issuer)
        thumbprints = provider.thumbprints if self._enforces else frozenset[str]()
        if self._enforces and not thumbprints:
            raise UnacceptableAnswerError("thumbprints are enforced, and the provider has none")
        return parse_jwks(await _get(fetcher, address, thumbprints))


async def _get(fetcher: Fetcher, address: str, thumbprints: frozenset[str] = frozenset()) -> bytes:
    try:
        return await fetcher.get(address, thumbprints)
    except (IssuerUnreachableError, UnacceptableAnswerError) as fault:
        # The reason must say which of the two documents failed.
        raise type(fault)(f"{address}: {fault}") from None


def require_name(document: Mapping[str, Any], issuer: str) -> None:
    """Refuse the discovery document of another issuer.

    Its `issuer` must equal the requested one (OpenID Connect Discovery 1.0 section 4.3).
    """
    named = document.get("issuer")
    if named != issuer:
        # The usual cause is a slash at the end: the audit log and inspections must show it.
        raise UnacceptableAnswerError(f"its discovery document names another issuer, {str(named)[:MAX_URL]!a}")


def _keys_address(document: Mapping[str, Any], issuer: str) -> str:
    require_name(document, issuer)
    address = document.get("jwks_uri")
    if not isinstance(address, str) or not is_keys_url(address):
        raise UnacceptableAnswerError("its discovery document has no https address of keys")
    return address


def _is_within(moment: datetime | None, now: datetime, span: timedelta) -> bool:
    # Times in the future, after the clock was set back, count as old.
    return moment is not None and timedelta(0) <= now - moment < span


def _again(failure: Fault) -> Fault:
    # A raised exception collects tracebacks, so each caller gets a new one.
    return type(failure)(failure.message, detail=failure.detail)
