"""The promises of the protocol `Keys`, tested against every provider.

StaticKeys has fixed keys, LocalKeys opens the store of this machine, and RemoteKeys asks a server over a real socket.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from botocore.credentials import Credentials
from tests.documents import allow, document, new_key
from tests.resource_server.claims import claim_of
from tests.resource_server.test_changes import until

from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.signing_key import signing_key
from daypass.bootstrap import RootKey
from daypass.errors import ExpiredToken, InvalidClientTokenId
from daypass.gateway.local_keys import LocalKeys
from daypass.policy.decision import Allowed, Denied
from daypass.storage.cache import StoreCache
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer
from daypass.verify.caller import compile_resource_policy, static_caller
from daypass.verify.decision import decide
from daypass.verify.keys import KeyClaim, KeyGrant, Keys, NotLoadedError, StaticKeys
from daypass.verify.remote import RemoteKeys

OBJECT = "arn:aws:s3:::bucket/key"
READ = allow("s3:GetObject", "arn:aws:s3:::bucket/*")
_ROUNDS = 20  # values that may be missing before the answer is at hand


@dataclass(frozen=True)
class Provided:
    """A provider, a long-term key and a session that it knows, and how to make the long-term key inactive."""

    keys: Keys
    key: Credentials
    session: Credentials
    expires: datetime
    now: Callable[[], datetime]
    deactivate: Callable[[], None] | None = None

    def find(self, claim: KeyClaim, now: datetime | None = None) -> KeyGrant:
        """Return the grant, loading whatever is missing first."""
        at = now or self.now()
        for _ in range(_ROUNDS):
            try:
                return self.keys.find(claim, at)
            except NotLoadedError as missing:
                missing.load()
        raise AssertionError("the grant did not become available")


@dataclass(frozen=True)
class Entities:
    """A user's key and a session of it, at a server."""

    key: Credentials
    session: Credentials
    expires: datetime
    deactivate: Callable[[], None]


@pytest.fixture
def entities(iam: Any, as_caller: ClientFactory) -> Entities:
    """Create a user with a key, and a session."""
    made = new_key(iam, "reader", READ)
    session = as_caller("sts", made).get_session_token(DurationSeconds=900)["Credentials"]
    return Entities(
        Credentials(made["AccessKeyId"], made["SecretAccessKey"]),
        Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]),
        session["Expiration"],
        lambda: iam.update_access_key(UserName="reader", AccessKeyId=made["AccessKeyId"], Status="Inactive"),
    )


@pytest.fixture
def static(server: RunningServer) -> Provided:
    """Return fixed keys."""
    expires = server.clock.now().replace(microsecond=0) + timedelta(minutes=15)
    key, session = Credentials("AKIDSTATIC", "s" * 40), Credentials("ASIDSTATIC", "t" * 40, "a-token")
    policy = msgspec.json.encode({"Version": "2012-10-17", "Statement": [READ]}).decode()
    keys = StaticKeys()
    keys.add(static_caller("111122223333", "alice", policy, access_key_id=key.access_key), secret=key.secret_key)
    ends = int(expires.timestamp())
    of_session = static_caller("111122223333", "alice", policy, access_key_id=session.access_key, expires=ends)
    keys.add(of_session, secret=session.secret_key, token=session.token)
    return Provided(keys, key, session, expires, server.clock.now)


@pytest.fixture
def local(server: RunningServer, entities: Entities) -> Iterator[Provided]:
    """Return keys beside the server's store."""
    there = server.there
    cache = StoreCache(there.store)
    cache.start()
    keys = LocalKeys(cache.cached_only, cache.loading, Keychain(there.vault), there.vault)
    yield _provided(keys, entities, server)
    cache.close()


@pytest.fixture
def remote(server: RunningServer, keys: RemoteKeys, entities: Entities) -> Provided:
    """Return keys that are asked from the server."""
    return _provided(keys, entities, server)


def _provided(keys: Keys, entities: Entities, server: RunningServer) -> Provided:
    return Provided(keys, entities.key, entities.session, entities.expires, server.clock.now, entities.deactivate)


@pytest.fixture(params=["static", "local", "remote"])
def provided(request: pytest.FixtureRequest, root: RootKey) -> Provided:
    """Return each provider in turn."""
    del root
    found: Provided = request.getfixturevalue(request.param)
    return found


def test_it_grants_the_derived_key_of_the_scope_alone(provided: Provided) -> None:
    """The key is the one of the date, region and service; another region has another key."""
    for credentials in (provided.key, provided.session):
        claim = claim_of(credentials)
        granted = provided.find(claim)
        assert granted.signing_key.raw == signing_key(credentials.secret_key, claim.date, "us-east-1", "s3").raw
        assert granted.caller.access_key_id == credentials.access_key
        assert credentials.secret_key not in repr(granted)


def test_the_caller_can_be_decided_without_a_directory(provided: Provided) -> None:
    """Its policies and condition keys are complete."""
    caller = provided.find(claim_of(provided.session)).caller
    assert isinstance(decide(caller, "s3:GetObject", OBJECT, {}), Allowed)
    assert isinstance(decide(caller, "s3:PutObject", OBJECT, {}), Denied)
    assert caller.context["aws:principalaccount"] == caller.account
    assert "aws:multifactorauthage" not in caller.context


@pytest.mark.parametrize("provider", ["local", "remote"])
def test_scope_down_policies_are_policies_of_the_caller(
    request: pytest.FixtureRequest, iam: Any, as_caller: ClientFactory, provider: str
) -> None:
    """Each layer applies, and a resource policy that names the caller does not bypass it."""
    provided: Provided = request.getfixturevalue(provider)
    made = new_key(iam, "wide", allow("*"))
    scoped = as_caller("sts", made).get_session_token()["Credentials"]
    for action in ("*", "s3:Get*"):
        policy = document(allow(action), allow("sts:*"))
        scoped = as_caller("sts", scoped).get_scoped_credentials(Policy=policy)["Credentials"]
    claim = claim_of(Credentials(scoped["AccessKeyId"], scoped["SecretAccessKey"], scoped["SessionToken"]))
    caller = provided.find(claim).caller
    assert len(caller.policies.scoped) == 2
    named = {**allow("s3:*"), "Principal": {"AWS": caller.arn}}
    grant = compile_resource_policy(document(named))
    assert isinstance(decide(caller, "s3:GetObject", OBJECT, {}, resource_policy=grant), Allowed)
    assert isinstance(decide(caller, "s3:PutObject", OBJECT, {}, resource_policy=grant), Denied)


def test_the_end_of_a_session_is_exclusive(provided: Provided) -> None:
    """A session that ends at noon is valid a moment before noon, and not at noon."""
    claim = claim_of(provided.session)
    granted = provided.find(claim, provided.now())
    assert granted.caller.expires == int(provided.expires.timestamp())
    assert provided.find(claim, provided.expires - timedelta(microseconds=1)).caller == granted.caller
    with pytest.raises(ExpiredToken):
        provided.find(claim, provided.expires)


@pytest.mark.parametrize("wrong", ["key", "no token", "empty token", "other token", "token of none"])
def test_a_key_that_is_unknown_or_has_another_token_is_refused(provided: Provided, wrong: str) -> None:
    """The refusal is the same, each time it is asked."""
    session, key = provided.session, provided.key
    claim = {
        "key": lambda: claim_of(Credentials("AKIA" + "B" * 16, key.secret_key)),
        "no token": lambda: claim_of(Credentials(session.access_key, session.secret_key)),
        "empty token": lambda: msgspec.structs.replace(claim_of(session), token=""),
        "other token": lambda: msgspec.structs.replace(claim_of(session), token="A" * 64),
        "token of none": lambda: msgspec.structs.replace(claim_of(key), token=session.token),
    }[wrong]()
    for _ in range(2):
        with pytest.raises(InvalidClientTokenId):
            provided.find(claim)


def test_it_never_waits(provided: Provided) -> None:
    """What is not at hand raises NotLoadedError, whose load the caller runs where waiting is allowed."""
    claim = claim_of(provided.key)
    provided.find(claim)
    assert provided.keys.find(claim, provided.now()).caller.access_key_id == provided.key.access_key


def test_an_inactive_key_is_refused_soon(provided: Provided) -> None:
    """Fixed keys do not change."""
    if provided.deactivate is None:
        return
    provided.find(claim_of(provided.key))
    provided.deactivate()
    until(lambda: _is_refused(provided))


def _is_refused(provided: Provided) -> bool:
    try:
        provided.find(claim_of(provided.key))
    except InvalidClientTokenId:
        return True
    return False
