"""A server with roles in two accounts, and a person who may take them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import msgspec
import pytest
from tests.sso.people.person import SCOPE, Person, furnish

from daypass.audit.event import AuditRecord, to_event
from daypass.authenticate.keychain import Keychain
from daypass.config import Config
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import ServiceSettings
from daypass.sign_in.proofs import identified_by_saml, saml_proof
from daypass.sign_in.saml_roles import verify_saml_response
from daypass.sign_in.sessions import begin
from daypass.sign_in.token_families import Tokens, begin_family
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.server import RunningServer, running_server

ACCOUNT, OTHER = "123456789012", "210987654321"


@dataclass(frozen=True)
class Scene:
    """A server, its identity provider, and the pairs of role and provider that all people have."""

    server: RunningServer
    idp: SamlIdentityProvider
    pairs: list[str]

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self.server.url

    def person(self, name: str = "alice", pairs: list[str] | None = None) -> Person:
        """Return another person, with a browser of their own."""
        return Person(self.url, self.idp, self.server.clock.now, self.pairs if pairs is None else pairs, name)

    def access_token(
        self,
        name: str = "alice",
        pairs: list[str] | None = None,
        *,
        kind: Literal["sso", "login", "cli"] = "sso",
        scope: str = SCOPE,
    ) -> str:
        """Sign a person in without a browser, and return the access token of a program."""
        return self.tokens(self.sign_in(name, pairs), kind=kind, scope=scope).access

    def sign_in(self, name: str = "alice", pairs: list[str] | None = None) -> SignInSession:
        """Begin a sign-in session."""
        assertion = Assertion(
            roles=tuple(self.pairs if pairs is None else pairs), session_name=name, recipient=f"{self.url}/saml"
        )
        response, ctx = self.idp.response(assertion, now=self.server.clock.now()), self.ctx()
        identity = verify_saml_response(response, ctx, request_id="r").identity
        return begin(saml_proof(response), identified_by_saml(identity), "127.0.0.1", "Firefox", ctx)[0]

    def tokens(
        self, session: SignInSession, *, kind: Literal["sso", "login", "cli"] = "sso", scope: str = SCOPE
    ) -> Tokens:
        """Return the tokens of another program that a person has approved."""
        return begin_family(self.ctx(), sign_in=session.id, kind=kind, client_id="program", scopes=(scope,))

    def ctx(self) -> RequestContext:
        """Return a request context. Its views read the store without a cache."""
        there, vault = self.server.there, self.server.there.vault

        def get(loader: Callable[..., Any], *args: Any) -> Any:
            with there.store.read() as reader:
                return loader(reader, *args)

        return RequestContext(
            self.server.clock.now(),
            "us-east-1",
            SimpleNamespace(get=get),
            lambda: get(load_sealing_ring, vault),
            there.entropy,
            vault,
            Keychain(vault),
            ServiceSettings(public_url=self.url),
            there.store.write,
            there.store.read,
        )

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the audit events of an action, oldest first."""
        return [dict(as_event(record)) for record in self.server.audit.audit_records if record.action == name]


def as_event(record: AuditRecord) -> dict[str, object]:
    """Return an audit event as its line in the log."""
    event: dict[str, object] = msgspec.json.decode(msgspec.json.encode(to_event(record)))
    return event


@contextmanager
def new_scene(config: Config | None = None) -> Iterator[Scene]:
    """Run a server with its roles."""
    with running_server(account=ACCOUNT, config=config) as server:
        idp, make = SamlIdentityProvider(), client_factory(server)
        make("iam").create_account_alias(AccountAlias="acme-production")
        pairs = furnish(make("iam"), idp, "developer", "readonly")
        other = server.new_account(OTHER, name="sandbox")
        pairs += furnish(make("iam", other), idp, "admin", path="/team/")
        yield Scene(server, idp, pairs)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Run the server for one file."""
    with new_scene() as running:
        yield running
