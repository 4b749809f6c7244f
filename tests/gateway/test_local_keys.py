"""Keys of a gateway beside the store: the server's checks, from the cache."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec
import pytest
from tests.authenticate.directory import (
    ENDS,
    ISSUED,
    KEY_ID,
    ROOT_KEY_ID,
    SECRET,
    SESSION_KEY_ID,
    Directory,
    session,
)
from tests.authenticate.sigv4.signing import NOW

from daypass.authenticate.sigv4.signing_key import SigningKeys
from daypass.directory.changes import Changes, Position
from daypass.directory.store import StoreUnavailableError
from daypass.directory.stored_sealing_keys import save_sealing_ring
from daypass.errors import ExpiredToken, Fault, InvalidClientTokenId, ServiceUnavailable
from daypass.gateway.local_keys import DirectoryCaller, LocalKeys
from daypass.mint.session import Session, SessionKind
from daypass.storage.cache import StoreCache
from daypass.storage.memory import MemoryStore
from daypass.verify.keys import KeyClaim, KeyGrant, NotLoadedError

BEFORE = NOW - timedelta(seconds=1)


class Gateway:
    """A provider of keys over a directory, whose cache is updated by hand."""

    def __init__(self) -> None:
        self.directory = Directory()
        with self.directory.store.write() as writer:
            save_sealing_ring(writer, self.directory.sealing_ring, self.directory.vault)
        self.cache = StoreCache(self.directory.store, monotonic=lambda: 0.0)
        self.keys = LocalKeys(self.cache.cached_only, self.cache.loading, self.directory.keychain, self.directory.vault)

    def claim(self, made: Session | None, key_id: str = SESSION_KEY_ID, token: str | None = None) -> KeyClaim:
        """Return the claim of a request that a session or a long-term key signs."""
        sent = token if made is None else self.directory.token(made)
        return KeyClaim(key_id, sent, "20240717", "us-east-1", "s3", "", "", presigned=False, signed_at=NOW)

    def find(self, claim: KeyClaim, now: datetime = BEFORE) -> KeyGrant:
        """Return the grant, and load whatever is missing first."""
        while True:
            try:
                return self.keys.find(claim, now)
            except NotLoadedError as missing:
                missing.load()

    def fault(self, claim: KeyClaim, now: datetime = BEFORE) -> Fault:
        """Return the refusal of a claim."""
        with pytest.raises(Fault) as caught:
            self.find(claim, now)
        return caught.value


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Return a gateway beside a store."""
    made = Gateway()
    yield made
    made.cache.close()


@pytest.mark.parametrize("kind", SessionKind)
def test_a_session_gets_the_caller_that_the_server_finds(gateway: Gateway, kind: SessionKind) -> None:
    """The principal, the names and the signing key are the same at both."""
    made = session(kind)
    grant = gateway.find(gateway.claim(made))
    server = gateway.directory.signer(SESSION_KEY_ID, gateway.directory.token(made), now=BEFORE).caller
    caller = grant.caller
    assert isinstance(caller, DirectoryCaller)
    assert (caller.known, caller.principal, caller.arn, caller.expires) == (server, server.principal, server.arn, ENDS)
    assert grant.signing_key.sign(b"x") == SigningKeys(1).key_for(SECRET, "20240717", "us-east-1", "s3").sign(b"x")


@pytest.mark.parametrize("key_id", [KEY_ID, ROOT_KEY_ID])
def test_a_long_term_key_does_not_expire(gateway: Gateway, key_id: str) -> None:
    """Only an end in the directory ends it."""
    caller = gateway.find(gateway.claim(None, key_id)).caller
    assert (caller.access_key_id, caller.expires) == (key_id, None)


def test_the_first_request_of_a_key_has_to_load(gateway: Gateway) -> None:
    """The event loop never waits for the store."""
    claim = gateway.claim(session())
    with pytest.raises(NotLoadedError):
        gateway.keys.find(claim, BEFORE)
    assert gateway.find(claim).caller is gateway.keys.find(claim, BEFORE).caller


@pytest.mark.parametrize("seconds", [0, 0.000001, 1])
def test_a_session_ends_exactly_at_its_expiration(gateway: Gateway, seconds: float) -> None:
    """A caller that is still in memory ends too."""
    claim = gateway.claim(session())
    gateway.find(claim, NOW - timedelta(microseconds=1))
    fault = gateway.fault(claim, NOW + timedelta(seconds=seconds))
    assert isinstance(fault, ExpiredToken)
    assert (fault.names_known_key, fault.key_account) == (True, gateway.directory.account.id)


def test_a_revocation_ends_a_session_that_was_used_before(gateway: Gateway) -> None:
    """The next request after the change is refused."""
    claim = gateway.claim(session())
    gateway.find(claim)
    gateway.directory.revoke(SESSION_KEY_ID, before=ISSUED + 1)
    assert isinstance(gateway.fault(claim), InvalidClientTokenId)


def test_a_key_ends_with_its_owner_or_its_status(gateway: Gateway) -> None:
    """An inactive key and a deleted user are refused although both were used before."""
    claim, made = gateway.claim(None, KEY_ID), gateway.claim(session(SessionKind.USER))
    gateway.find(claim)
    gateway.find(made)
    gateway.directory.replace(gateway.directory.key, active=False)
    assert isinstance(gateway.fault(claim), InvalidClientTokenId)
    gateway.directory.delete(gateway.directory.user)
    assert isinstance(gateway.fault(made), InvalidClientTokenId)


def test_a_changed_policy_counts_for_the_next_request(gateway: Gateway) -> None:
    """A caller in memory has the policies of the present directory."""
    claim = gateway.claim(session())
    first = gateway.find(claim).caller
    allows = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
    gateway.directory.replace(gateway.directory.role, inline={"all": allows})
    second = gateway.find(claim).caller
    assert (len(first.policies.identity.policies), len(second.policies.identity.policies)) == (0, 1)


@pytest.mark.parametrize("token", ["", "invented", "DPs1invented"])
def test_a_token_that_is_not_the_servers_is_refused(gateway: Gateway, token: str) -> None:
    """A key id alone does not name a caller."""
    assert isinstance(gateway.fault(gateway.claim(None, SESSION_KEY_ID, token)), InvalidClientTokenId)


def test_a_token_of_another_key_is_refused(gateway: Gateway) -> None:
    """The token and the key id must belong together."""
    claim = msgspec.structs.replace(gateway.claim(session()), access_key_id="ASIAQNZGKIQY56JQ7WMZ")
    assert isinstance(gateway.fault(claim), InvalidClientTokenId)


def test_the_age_of_an_mfa_code_is_not_kept(gateway: Gateway) -> None:
    """It depends on the moment of each request."""
    caller = gateway.find(gateway.claim(session(SessionKind.USER, mfa_time=ISSUED))).caller
    assert caller.mfa_at == ISSUED
    assert caller.context["aws:multifactorauthpresent"] == "true"
    assert "aws:multifactorauthage" not in caller.context


def test_secrets_are_not_shown(gateway: Gateway) -> None:
    """The memory of the provider has the secret of each key, and its repr does not."""
    gateway.find(gateway.claim(session()))
    assert all(SECRET not in repr(grant) for grant in gateway.keys._grants._values.values())


class _Away(MemoryStore):
    """A store that can stop answering queries for changes."""

    is_away = False

    def changes_since(self, position: Position) -> Changes | None:
        """Return the changes, or raise while the store is away."""
        if self.is_away:
            raise StoreUnavailableError("away")
        return super().changes_since(position)


def test_a_caller_is_refused_when_the_store_is_away_for_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A revocation may be among the changes that the gateway cannot see."""
    monkeypatch.setattr("tests.authenticate.directory.MemoryStore", _Away)
    gateway, seconds = Gateway(), [0.0]
    gateway.cache = StoreCache(gateway.directory.store, stale_seconds=60, monotonic=lambda: seconds[0])
    gateway.keys = LocalKeys(
        gateway.cache.cached_only, gateway.cache.loading, gateway.directory.keychain, gateway.directory.vault
    )
    claim = gateway.claim(session())
    gateway.find(claim)
    monkeypatch.setattr(_Away, "is_away", True)
    seconds[0] = 59.9
    assert gateway.find(claim).caller.expires == ENDS
    seconds[0] = 60.0
    assert isinstance(gateway.fault(claim), ServiceUnavailable)
