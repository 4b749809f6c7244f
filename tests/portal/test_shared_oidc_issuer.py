"""Many tenants trust one issuer. A tenant cannot hide or delay another tenant's roles."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from daypass.authenticate.keychain import Keychain
from daypass.authorize.context import RequestInfo
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.errors import Fault, IDPCommunicationError
from daypass.federation.oidc import verify
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.keys import KeySet, parse_jwks
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import read_token
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.sign_in import oidc_roles
from daypass.sign_in.oidc_roles import offer_roles
from daypass.storage.cache import StoreCache
from daypass.storage.views import BlockingView
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.http import HttpRequest

VICTIM, LOW = "500000000000", "000000000001"
ISSUER, CLIENT = "https://login.example.org", "the-portal"
KEY = SigningKey.generate("ES256", "k")
REQUEST = HttpRequest("GET", b"/", b"", (), b"", "127.0.0.1", secure=True)


class Keys:
    """The issuer's key, cached for all accounts except those that lack it."""

    def __init__(self) -> None:
        self.lacking: set[str] = set()
        self.failed: set[str] = set()
        self._keys = parse_jwks(json.dumps({"keys": [KEY.jwk()]}).encode())

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:  # noqa: ARG002 - a promise
        """Return the key."""
        if provider.account in self.failed:
            raise IDPCommunicationError("It could not be reached.")
        return NeedsFetch(provider) if provider.account in self.lacking else self._keys

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - a promise
        """Return False: there are no other keys."""
        return False

    @property
    def enforces_thumbprints(self) -> bool:
        """Return False: the key counts for every provider."""
        return False


def people(iam: Any, account: str, *names: str, clients: tuple[str, ...] = (CLIENT,)) -> None:
    """Allow users of the issuer to assume roles of an account."""
    host = ISSUER.removeprefix("https://")
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=list(clients))
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{host}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": CLIENT}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    for name in names:
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server on which an account with a low number has many open roles, and the victim two."""
    with running_server(account=VICTIM) as running:
        make = client_factory(running)
        people(make("iam"), VICTIM, "developer", "reader")
        people(make("iam", running.new_account(LOW)), LOW, *(f"r{number:03}" for number in range(60)))
        other_root = running.new_account()
        people(make("iam", other_root), other_root.account, "other", clients=("another-client",))
        yield running


@contextmanager
def a_world(server: RunningServer, keys: Keys) -> Iterator[RequestContext]:
    """Open the request context of a portal step."""
    settings = ServiceSettings(public_url=server.url, regions=frozenset({"us-east-1"}))
    views = StoreCache(server.there.store).loading
    store_view = BlockingView(server.there, views, Keychain(server.there.vault), settings, keys, lambda _: True)
    with store_view.open(StoreAccess.BLOCKING, server.clock.now(), "us-east-1") as ctx:
        yield ctx


def offered(server: RunningServer, keys: Keys | None = None, *, wanted: str = "") -> list[str]:
    """Return the ARNs of the roles that a person who signs in is offered."""
    now = int(server.clock.now().timestamp())
    claims = {"iss": ISSUER, "sub": "alice", "aud": CLIENT, "iat": now, "exp": now + 3_600}
    unverified = read_token(compact({"alg": "ES256", "kid": "k"}, claims, KEY))
    with a_world(server, keys or Keys()) as ctx:
        request_info = RequestInfo(ctx.now, REQUEST, "us-east-1")
        found = offer_roles(unverified, "alice", request_info, ctx, wanted=wanted)
    return [candidate.arn for candidate, _ in found.roles]


DEVELOPER = f"arn:aws:iam::{VICTIM}:role/developer"
LAST = f"arn:aws:iam::{LOW}:role/r059"


def test_everybody_s_roles_are_offered(server: RunningServer) -> None:
    """The offer has the roles of each account that trusts the issuer and the client."""
    assert len(offered(server)) == 62


def test_accounts_take_turns_where_there_are_too_many(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many roles of one account do not displace those of another, nor the role that a command requests."""
    monkeypatch.setattr(oidc_roles, "_MOST_EVALUATED", 8)
    for _ in range(5):
        found = offered(server)
        assert len(found) == 8
        assert DEVELOPER in found
    assert LAST not in offered(server)
    assert LAST in offered(server, wanted=LAST)


def test_a_token_is_verified_once_an_account(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is not verified once per role."""
    verified: list[str] = []
    verify_signature = verify.verify_signature

    def noted(token: Any, keys: KeySet) -> None:
        verified.append(token.unverified_issuer)
        verify_signature(token, keys)

    monkeypatch.setattr(verify, "verify_signature", noted)
    offered(server)
    assert len(verified) == 3


def test_another_accounts_change_lets_no_roles_be_read_again(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each account's roles are cached separately, and stay cached while another account creates roles."""
    read: list[str] = []
    to_entity = records.to_entity

    def noted(kind: Any, record: Any) -> Any:
        if kind is Role:
            read.append(record.account)
        return to_entity(kind, record)

    cache = StoreCache(server.there.store)
    monkeypatch.setattr(records, "to_entity", noted)
    cache.loading.get(oidc_roles.load_candidates, VICTIM, ISSUER)
    cache.loading.get(oidc_roles.load_candidates, LOW, ISSUER)
    read.clear()
    with server.there.store.write() as writer:
        model = records.find(writer, Role, LOW, "r000")
        assert model is not None
        records.replace(writer, model)
    cache.loading.get(oidc_roles.load_candidates, VICTIM, ISSUER)
    cache.loading.get(oidc_roles.load_candidates, LOW, ISSUER)
    assert set(read) == {LOW}


def test_one_accounts_missing_keys_keep_nobody_waiting(server: RunningServer) -> None:
    """All missing keys are requested together. If they cannot be fetched, the other accounts' roles are offered."""
    keys = Keys()
    keys.lacking = {VICTIM, LOW}
    with pytest.raises(KeysNeededError) as needed:
        offered(server, keys)
    assert {provider.account for provider in needed.value.providers} == {VICTIM, LOW}
    keys.lacking, keys.failed = set(), {LOW}
    assert set(offered(server, keys)) == {DEVELOPER, f"arn:aws:iam::{VICTIM}:role/reader"}
    keys.failed = {VICTIM, LOW}
    with pytest.raises(Fault):
        offered(server, keys)
