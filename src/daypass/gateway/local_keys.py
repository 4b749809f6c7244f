"""The keys of a gateway that opens the store itself.

Owns the provider of keys beside a store. Its rules:

- Keys, tokens, revocations and principals are checked by the function that the server uses, in the same order.
- The event loop uses cached values alone. If one is missing, it gets NotLoadedError, and a worker thread loads it.
- A caller that was built once is used again while each cached value that it was built from is the present one. A change
  of the store, such as a revocation, replaces the value, so it counts within a second as at the server.
- While the database does not answer, cached values count for `stale_seconds`. After that, every request is refused with
  ServiceUnavailable (storage/cache.py).

Leaves the comparison of signatures to daypass.verify: the caller has proved nothing when this provider returns it.
"""

from contextlib import suppress
from datetime import datetime

import msgspec

from daypass.authenticate.authenticate import Lookup, find_caller
from daypass.authenticate.caller import Caller
from daypass.authenticate.keychain import Keychain
from daypass.authorize.verified_caller import verified_caller
from daypass.bounded_memory import BoundedMemory
from daypass.directory.recorded_views import CachedValue, RecordedViews, are_present
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import CachedViews, Views, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.errors import ExpiredToken, InvalidClientTokenId
from daypass.verify.caller import VerifiedCaller
from daypass.verify.hidden_members import hidden_rich_repr
from daypass.verify.keys import KeyClaim, KeyGrant, NotLoadedError

_CAPACITY = 4096


class DirectoryCaller(VerifiedCaller, frozen=True):
    """A caller that the store knows, with its entry in the directory."""

    known: Caller | None = None


class _Grant(msgspec.Struct):
    """A caller and its secret, with the cached values that they were derived from.

    In `generation`, these values were present. `last` is the last scope and its key: it depends on the secret alone.
    """

    caller: DirectoryCaller
    secret: str
    expires: float
    derived_from: tuple[CachedValue, ...]
    generation: int | None = None
    last: tuple[tuple[str, str, str], KeyGrant] | None = None

    def __repr__(self) -> str:
        return "<secret>"

    __rich_repr__ = hidden_rich_repr


class LocalKeys:
    """The provider of keys over an opened store.

    `views` are those of the event loop, and `waiting` those of a worker thread.
    """

    def __init__(self, views: CachedViews, waiting: Views, keychain: Keychain, vault: SecretBox) -> None:
        self._views = views
        self._waiting = waiting
        self._keychain = keychain
        self._vault = vault
        self._grants: BoundedMemory[tuple[str, str | None], _Grant] = BoundedMemory(_CAPACITY)

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        """Return the grant for a claim, from the cache alone."""
        try:
            return self._find(claim, now, self._views)
        except WouldBlockError as problem:
            raise NotLoadedError(lambda: self._load(claim, now)) from problem

    def _load(self, claim: KeyClaim, now: datetime) -> None:
        with suppress(ExpiredToken, InvalidClientTokenId):  # the next question finds the same
            self._find(claim, now, self._waiting)

    def _find(self, claim: KeyClaim, now: datetime, views: Views) -> KeyGrant:
        name = (claim.access_key_id, claim.token)
        grant = self._grants.get(name)
        if grant is None or not self._is_present(grant, views):
            grant = self._grants.put(name, self._open(claim, now, views))
        # The expiry is exclusive, as at the server.
        if now.timestamp() >= grant.expires:
            grant = self._open(claim, now, views)  # raises ExpiredToken, with the facts for the audit event
        scope = (claim.date, claim.region, claim.service)
        if grant.last is not None and grant.last[0] == scope:
            return grant.last[1]
        found = KeyGrant(self._keychain.signing_key(grant.secret, *scope), grant.caller)
        grant.last = (scope, found)
        return found

    def _is_present(self, grant: _Grant, views: Views) -> bool:
        """Return whether each value that a grant was derived from is the present one."""
        # Read before the values: one that leaves the cache in between is noticed by the next request.
        generation = self._views.generation() if views is self._views else None
        if generation is not None and generation == grant.generation:
            return True
        if not are_present(grant.derived_from, views):
            return False
        if generation is not None:
            grant.generation = generation
        return True

    def _open(self, claim: KeyClaim, now: datetime, views: Views) -> _Grant:
        recorded = RecordedViews(views)
        lookup = Lookup(
            recorded,
            self._keychain,
            lambda: recorded.get(load_sealing_ring, self._vault),
            _is_region,
            now,
        )
        caller, secret = find_caller(claim.access_key_id, claim.token, lookup)
        session = caller.session
        verified = DirectoryCaller(**msgspec.structs.asdict(verified_caller(caller, recorded)), known=caller)
        expires = float("inf") if session is None else session.expires
        return _Grant(verified, secret, expires, tuple(recorded.read))


def _is_region(_name: str) -> bool:
    return True  # the verifier has checked the scope
