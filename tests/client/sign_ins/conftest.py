"""A server with people and roles, and machines whose person is signed in there."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.client.machine import Done, Machine
from tests.sso.browser import Browser
from tests.sso.people.conftest import ACCOUNT, OTHER, Scene, new_scene

from daypass.cli.main import main
from daypass.client.sessions.cache import CredentialCache
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.server_sign_in import ServerSignIn, SignInStore, begin
from daypass.client.sign_in.sso_api import Registration, SignInTokens, register
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.sign_in.proofs import identified_by_saml, saml_proof
from daypass.sign_in.saml_roles import verify_saml_response
from daypass.sign_in.sessions import begin as begin_session
from daypass.sign_in.sessions import cookie_of
from daypass.sign_in.token_families import begin_family
from daypass.testing.saml import Assertion

__all__ = ["ACCOUNT", "OTHER"]


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def _run(*, words: tuple[str, ...]) -> None:
    main(words)


@dataclass(frozen=True)
class SignedIn(Machine):
    """A machine, and the sign-in session of its person at the server."""

    scene: Scene | None = None
    session: SignInSession | None = None

    def daypass(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """Run daypass in this process, which costs less than another one."""
        ours = {name: None for name in os.environ if name.startswith(("AWS_", "DAYPASS_", "XDG_"))}
        done = CliRunner().invoke(_run, words, input=stdin, env={**ours, **self.environment, **environment})
        return Done(done.exit_code, done.stdout, done.stderr)

    @property
    def store(self) -> SignInStore:
        """The sign-ins of the machine."""
        return SignInStore(CredentialCache(self.home / ".cache/daypass/credentials"))

    @property
    def kept(self) -> ServerSignIn:
        """The sign-in of the machine at the server."""
        found = self.store.find(self.server.url)
        assert found is not None
        return found

    def change(self, **fields: object) -> None:
        """Change the stored sign-in."""
        self.store.keep(replace(self.kept, **fields))  # type: ignore[arg-type] # of the fields

    def browser(self) -> Browser:
        """Return a browser in which the person is signed in."""
        assert self.scene is not None
        assertion = Assertion(roles=tuple(self.scene.pairs), session_name="alice", recipient=f"{self.scene.url}/saml")
        response, ctx = self.scene.idp.response(assertion, now=self.server.clock.now()), self.scene.ctx()
        identity = verify_saml_response(response, ctx, request_id="r").identity
        session, secret = begin_session(saml_proof(response), identified_by_saml(identity), "127.0.0.1", "Firefox", ctx)
        return Browser(self.server, cookie_of(session, secret))

    def sign_in(self, registration: Registration, name: str = "alice", pairs: list[str] | None = None) -> SignInSession:
        """Sign a person in without a browser."""
        assert self.scene is not None
        session = self.scene.sign_in(name, pairs)
        tokens = begin_family(
            self.scene.ctx(),
            sign_in=session.id,
            kind="sso",
            client_id=registration.client_id,
            scopes=("sso:account:access",),
        )
        context = ClientContext.of({"XDG_CACHE_HOME": str(self.home / ".cache")}, lambda: datetime.now(UTC))
        ends = session.ends.timestamp()
        kept = SignInTokens(tokens.access, tokens.refresh, tokens.expires_in, ends)
        begin(self.server.url, registration, kept, context)
        return session


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Run the server for one file."""
    with new_scene() as running:
        yield running


@pytest.fixture(scope="module")
def registration(scene: Scene) -> Registration:
    """Register the command once."""
    found = register(scene.url)
    assert found is not None
    return found


@pytest.fixture
def machine(scene: Scene, registration: Registration, tmp_path: Path) -> SignedIn:
    """Return a machine whose person has signed in."""
    home = tmp_path / "home"
    home.mkdir()
    machine = SignedIn(home, scene.server, scene=scene)
    return replace(machine, session=machine.sign_in(registration))
