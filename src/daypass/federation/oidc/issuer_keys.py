"""Keep issuers' keys at hand: fetched seldom, one at a time, and never waited for by another issuer's tokens.

Owns the cache between verification, which is synchronous and asks for keys, and fetching, which is neither.
The rules: keys are fresh for five minutes, then looked up again behind the caller's back; after an hour the
caller waits; while the issuer is down they are served for a day. A token that the keys cannot verify is
worth one look in ten seconds. Reading documents is fetch.py's work, deciding about tokens is verify.py's.
Accounts share what is limited (issuer_entries.py, shares.py): the entries, the flights and the callers that wait.
Source: OpenID Connect Discovery 1.0 section 4; OpenID Connect Core 1.0 section 10.1.1, "Rotation".
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from daypass.errors import Fault, IDPCommunicationError, InvalidIdentityToken
from daypass.federation.oidc import words
from daypass.federation.oidc.fetch import CrowdedError, Fetcher, Unacceptable, Unreachable, WrongThumbprint
from daypass.federation.oidc.issuer_entries import IssuerEntries, IssuerEntry
from daypass.federation.oidc.keys import KeySet, KeysUnreadable, parse_jwks
from daypass.federation.oidc.provider import MAX_URL, NeedsFetch, ProviderTerms, is_issuer_url, is_keys_url
from daypass.federation.oidc.shares import FairLane, Turn
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
    """The keys of all issuers that this process has met. They are fetched within one event loop.

    The two questions that never wait may be asked from any thread.
    `enforce_thumbprints` is the operator's switch; without it thumbprints are never looked at.
    """

    def __init__(self, fetcher: Fetcher, clock: Clock, *, enforce_thumbprints: bool = False) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._enforces = enforce_thumbprints
        self._entries = IssuerEntries(MAX_ISSUERS)
        # Issuers that failed last time share lanes of their own: those that hang hold up one another, not the rest.
        self._proven = FairLane(PROVEN_LANES)
        self._new = FairLane(NEW_LANES)
        self._failed = FairLane(FAILED_LANES)

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:
        """Return the provider's keys without waiting, or say that they must be fetched.

        Raises what the last attempt ended with, where it is a moment ago and there are no keys to fall back
        on.
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
        """Tell whether a token that the keys could not verify is worth another look at the issuer."""
        if provider.pinned is not None:
            return False
        entry = self._entry(provider)
        has_room = entry.flight is not None and entry.waiting[provider.account] < MAX_WAITING
        return self._may_attempt(entry, provider, now) or has_room

    async def fetch(self, provider: ProviderTerms) -> None:
        """Bring the provider's keys, or the reason why there are none, into the cache.

        One flight per issuer: whoever comes while it is under way waits for it. Never raises for what an
        issuer does, and never takes longer than the fetcher's limit and the wait for a lane together.
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
            # A caller who goes away must not take the flight from the others.
            await asyncio.shield(entry.flight)
        finally:
            entry.waiting[account] -= 1
            entry.waiting += Counter()  # It keeps no account that waits no more.

    async def close(self) -> None:
        """Give up what is under way."""
        flights = [entry.flight for entry in self._entries.values() if entry.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _entry(self, provider: ProviderTerms) -> IssuerEntry:
        # Where thumbprints count, keys that one account's thumbprints admitted are no keys for another's.
        key = (provider.issuer, provider.thumbprints if self._enforces else frozenset[str]())
        return self._entries.get(key, provider.account)

    def _without_keys(self, entry: IssuerEntry, provider: ProviderTerms, now: datetime) -> NeedsFetch:
        if entry.flight is None and _is_within(entry.held_up.get(provider.account), now, COOL_DOWN):
            raise IDPCommunicationError(words.UNREACHABLE, detail="too many issuers are asked for this account")
        if entry.flight is None and not self._may_attempt(entry, provider, now) and entry.failure is not None:
            raise _again(entry.failure)
        if entry.waiting[provider.account] >= MAX_WAITING:
            raise IDPCommunicationError(words.UNREACHABLE, detail="too many calls wait for this issuer")
        return NeedsFetch(provider)

    def _may_attempt(self, entry: IssuerEntry, provider: ProviderTerms, now: datetime) -> bool:
        held_up = _is_within(entry.held_up.get(provider.account), now, COOL_DOWN)
        return entry.flight is None and not held_up and not _is_within(entry.attempted, now, COOL_DOWN)

    def _is_due(self, entry: IssuerEntry, provider: ProviderTerms, now: datetime) -> bool:
        # After an hour of silence nobody is served before the look that is under way has ended, unless the
        # last one failed: then the issuer is down, and its old keys are what there is.
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
        """Let an account share in a flight that may still wait: what holds up another account does not hold it up."""
        if entry.turn is not None and entry.lane is not None and account not in entry.turn.accounts:
            entry.turn.accounts.add(account)
            entry.lane.grant()

    async def _fly(self, provider: ProviderTerms, entry: IssuerEntry, turn: Turn, lane: FairLane) -> None:
        try:
            async with asyncio.timeout(2 * self._fetcher.seconds), lane.enter(turn):
                async with asyncio.timeout(self._fetcher.seconds):
                    keys = await self._read_keys(provider, self._fetcher.on_behalf_of(turn.accounts))
        except (Unreachable, TimeoutError) as fault:
            if isinstance(fault, CrowdedError) or not turn.is_granted:
                self._hold_up(entry, turn)
                return
            entry.failure = IDPCommunicationError(words.UNREACHABLE, detail=str(fault) or "no answer in time")
        except WrongThumbprint as fault:
            entry.failure = InvalidIdentityToken(words.WRONG_THUMBPRINT, detail=str(fault))
        except (Unacceptable, NotStrictJsonError, KeysUnreadable) as fault:
            entry.failure = InvalidIdentityToken(words.NO_KEY, detail=str(fault))
        else:
            entry.keys, entry.fetched, entry.failure = keys, self._clock.now(), None
        # Counted from the landing as well: whoever waited for this flight does not ask for another at once.
        entry.attempted = self._clock.now()
        entry.held_up.clear()

    def _hold_up(self, entry: IssuerEntry, turn: Turn) -> None:
        """Note that the issuer was not asked, for want of room. That is no failure to the accounts that have room."""
        entry.attempted = None
        entry.held_up.update(dict.fromkeys(turn.accounts, self._clock.now()))

    def _lane(self, entry: IssuerEntry) -> FairLane:
        if entry.failure is not None:
            return self._failed
        return self._new if entry.fetched is None else self._proven

    async def _read_keys(self, provider: ProviderTerms, fetcher: Fetcher) -> KeySet:
        if not is_issuer_url(provider.issuer):
            raise Unacceptable("the issuer is not a plain https URL")
        discovery = await _get(fetcher, provider.issuer.rstrip("/") + DISCOVERY_PATH)
        address = _keys_address(parse_object(discovery), provider.issuer)
        thumbprints = provider.thumbprints if self._enforces else frozenset[str]()
        if self._enforces and not thumbprints:
            raise Unacceptable("thumbprints are enforced, and the provider has none")
        return parse_jwks(await _get(fetcher, address, thumbprints))


async def _get(fetcher: Fetcher, address: str, thumbprints: frozenset[str] = frozenset()) -> bytes:
    try:
        return await fetcher.get(address, thumbprints)
    except (Unreachable, Unacceptable) as fault:
        # Whoever looks for the reason wants to know which of the two documents it is about.
        raise type(fault)(f"{address}: {fault}") from None


def require_name(document: Mapping[str, Any], issuer: str) -> None:
    """Refuse a discovery document that is another's: its issuer is exactly the one asked for (Discovery 4.3)."""
    named = document.get("issuer")
    if named != issuer:
        # Mostly a slash at the end: whoever reads the audit log or an inspection sees which.
        raise Unacceptable(f"its discovery document names another issuer, {str(named)[:MAX_URL]!a}")


def _keys_address(document: Mapping[str, Any], issuer: str) -> str:
    require_name(document, issuer)
    address = document.get("jwks_uri")
    if not isinstance(address, str) or not is_keys_url(address):
        raise Unacceptable("its discovery document has no https address of keys")
    return address


def _is_within(moment: datetime | None, now: datetime, span: timedelta) -> bool:
    # A clock that was set back makes old things look as if they were of the future; those count as old.
    return moment is not None and timedelta(0) <= now - moment < span


def _again(failure: Fault) -> Fault:
    # A raised exception collects the traceback of whoever raised it; each caller gets one of its own.
    return type(failure)(failure.message, detail=failure.detail)
