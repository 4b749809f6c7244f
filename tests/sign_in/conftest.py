"""A server with an identity provider of each kind, and nodes that hold sign-in sessions of people."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from daypass.audit.event import AuditRecord, to_event
from daypass.authenticate.keychain import Keychain
from daypass.authorize.context import RequestInfo
from daypass.config import ClientSetting, Config
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.keys import KeySet, parse_jwks
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms
from daypass.federation.oidc.token import read_token
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.pipeline import Pipeline
from daypass.sign_in.oidc_roles import verify_token
from daypass.sign_in.open_roles import OpenRole, open_roles
from daypass.sign_in.proofs import identified_by_saml, identified_by_token, saml_proof, token_proof
from daypass.sign_in.saml_roles import verify_saml_response
from daypass.sign_in.sessions import begin, end_session, revoke_session
from daypass.sign_in.take_role import take_role
from daypass.storage.cache import StoreCache
from daypass.storage.views import BlockingView, NonBlockingView, OpenedStore
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair, make_key_pair
from daypass.testing.server import Recorder, RunningServer, running_server
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.http import HttpRequest
from daypass.wiring import build_app

ACCOUNT, OTHER = "123456789012", "500000000000"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
ISSUER, CLIENT = "https://login.example.org", "the-portal"
OIDC_CLIENT = Client(ISSUER, CLIENT)
OIDC_PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}"
REGION = "us-east-1"
REQUEST = HttpRequest("GET", b"/", b"", ((b"user-agent", b"Firefox"),), b"", "192.0.2.7", secure=True)
FEDERATED = ("sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity")


@dataclass
class Keys:
    """The keys that the issuer publishes. `fetched` says whether a node has them."""

    published: list[SigningKey] = field(default_factory=lambda: [SigningKey.generate("ES256", "k1")])
    fetched: bool = True
    enforces_thumbprints: bool = False

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:  # noqa: ARG002 - a promise
        """Return pinned keys or the published ones."""
        if provider.pinned is not None:
            return provider.pinned
        if not self.fetched:
            return NeedsFetch(provider)
        return parse_jwks(json.dumps({"keys": [key.jwk() for key in self.published]}).encode())

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - a promise
        """Return False: the published keys are all there are."""
        return False


@dataclass
class Node:
    """One node of the server: its own cache, on the common store."""

    there: OpenedStore
    pipeline: Pipeline
    audit: Recorder
    blocking: BlockingView
    nonblocking: NonBlockingView
    cache: StoreCache

    @classmethod
    def start(cls, there: OpenedStore, keys: Keys, **settings: Any) -> "Node":
        """Start a node without a listener."""
        audit = Recorder()
        requires_log = settings.pop("audit_log_required", False)
        app = build_app(Config(store="memory:", audit_log_required=requires_log), there, sink=audit)
        cache, keychain = StoreCache(there.store), Keychain(there.vault)
        given = ServiceSettings(**{"oidc_clients": (OIDC_CLIENT,), **settings})
        values = (keychain, given, keys, lambda _: True)
        return cls(
            there,
            app.pipeline,
            audit,
            BlockingView(there, cache.loading, *values),
            NonBlockingView(there, cache.cached_only, *values),
            cache,
        )

    def cached_entries(self) -> int:
        """Return the number of values in the cache."""
        return len(self.cache._entries)

    @contextmanager
    def ctx(self) -> Iterator[RequestContext]:
        """Open the context of a step, as a worker has it."""
        with self.blocking.open(StoreAccess.BLOCKING, self.pipeline.now(), REGION) as ctx:
            yield ctx

    def sign_in_by_saml(self, response: str) -> tuple[SignInSession, str]:
        """Begin a session with a SAML response."""
        with self.ctx() as ctx:
            identity = verify_saml_response(response, ctx, request_id="r").identity
            return begin(saml_proof(response), identified_by_saml(identity), "192.0.2.7", "Firefox", ctx)

    def sign_in_by_oidc(self, token: str, role: str) -> tuple[SignInSession, str]:
        """Begin a session with an ID token that a role's account accepts."""
        with self.ctx() as ctx:
            web = verify_token(token, role, "alice", ctx).web
            proof = token_proof(read_token(token), token, ctx)
            found = identified_by_token(web, "alice", client_key=OIDC_CLIENT.key)
            return begin(proof, found, "192.0.2.7", "Firefox", ctx)

    def take(
        self,
        session: SignInSession,
        role: str,
        provider: str = "",
        *,
        seconds: int | None = None,
        event: str = "",
        waits: bool = True,
    ) -> dict[str, Any]:
        """Return the answer with the credentials of a role."""
        view = self.blocking if waits else self.nonblocking
        return take_role(self.pipeline, view, session, role, provider, seconds, REQUEST, "r", event=event)

    def open_roles(self, session: SignInSession) -> tuple[OpenRole, ...]:
        """Return the roles that are open to a person now."""
        with self.ctx() as ctx:
            return open_roles(session, RequestInfo(ctx.now, REQUEST, REGION), ctx)

    def end(self, session: SignInSession) -> None:
        """Sign a person out."""
        with self.there.store.write() as writer:
            end_session(writer, session.id)

    def revoke(self, session: SignInSession) -> None:
        """Revoke a session as an operator does."""
        with self.there.store.write() as writer:
            revoke_session(writer, session.id, self.pipeline.now())

    def event(self, record: AuditRecord | None = None) -> dict[str, Any]:
        """Return the fields of the last audit event."""
        fields: dict[str, Any] = msgspec.to_builtins(to_event(record or self.audit.audit_records[-1]))
        return fields


@dataclass
class People:
    """A server, its identity providers, and a node."""

    server: RunningServer
    idp: SamlIdentityProvider
    keys: Keys
    node: Node

    def client(self, service: str, credentials: Any = None) -> Any:
        """Return a boto3 client of the root user, or with other credentials."""
        factory: ClientFactory = client_factory(self.server)
        return factory(service, credentials)

    def arn_of(self, answer: dict[str, Any]) -> str:
        """Return the ARN of the credentials in an answer, as the server knows it."""
        arn: str = self.client("sts", answer["Credentials"]).get_caller_identity()["Arn"]
        return arn

    def response(self, *roles: str, provider: str = PROVIDER, **more: Any) -> str:
        """Return a response of the provider that grants roles."""
        pairs = tuple(role if "," in role else f"{role},{provider}" for role in roles)
        return self.idp.response(Assertion(roles=pairs, **more), now=self.server.clock.now())

    def token(self, subject: str = "alice", *, key: SigningKey | None = None, **claims: Any) -> str:
        """Return an ID token of the issuer."""
        key, now = key or self.keys.published[0], int(self.server.clock.now().timestamp())
        given = {"iss": ISSUER, "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 300, **claims}
        header = {"alg": key.alg} if key.kid is None else {"alg": key.alg, "kid": key.kid}
        return compact(header, given, key)

    def role(self, name: str, *, iam: Any = None, account: str = ACCOUNT, **more: Any) -> str:
        """Create a role that both providers of an account may assume."""
        principals = [
            f"arn:aws:iam::{account}:saml-provider/idp",
            f"arn:aws:iam::{account}:oidc-provider/{ISSUER.removeprefix('https://')}",
        ]
        document = trusting(*principals, **more)
        made = (iam or self.client("iam")).create_role(RoleName=name, AssumeRolePolicyDocument=document)
        arn: str = made["Role"]["Arn"]
        return arn


def trusting(*providers: str, condition: dict[str, Any] | None = None) -> str:
    """Return a trust policy for identity providers."""
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Federated": list(providers)}, "Action": FEDERATED}
    if condition is not None:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="session")
def saml_key() -> KeyPair:
    """Return a key pair: creating one takes longer than a test."""
    return make_key_pair()


@pytest.fixture
def people(saml_key: KeyPair) -> Iterator[People]:
    """Run a server for one test."""
    with running_server(config=Config(oidc_clients=(ClientSetting(ISSUER, CLIENT),))) as server:
        yield set_up(server, saml_key)


def set_up(server: RunningServer, saml_key: KeyPair, keys: Keys | None = None) -> People:
    """Register both identity providers, and start a node."""
    keys = keys or Keys()
    made = People(server, SamlIdentityProvider(keys=[saml_key]), keys, Node.start(server.there, keys))
    iam = made.client("iam")
    iam.create_saml_provider(Name="idp", SAMLMetadataDocument=made.idp.metadata_xml())
    iam.create_open_id_connect_provider(Url=ISSUER, ClientIDList=[CLIENT])
    return made


def later(people: People, **span: float) -> None:
    """Let time pass."""
    people.server.clock.move(timedelta(**span))
