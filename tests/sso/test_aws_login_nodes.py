"""`aws login` with several nodes behind one address: any node handles any step, and one may be killed midway."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import pytest
from tests.portal.front import Front
from tests.portal.idp import IdpSite
from tests.portal.test_many_nodes import _knows_the_provider, until
from tests.process.daypass import ROOT, Running, serving
from tests.sso.dpop_proofs import proof
from tests.sso.login_scene import DEVELOPER, PROVIDER, LoginScene, Program, trust_policy
from tests.storage.postgresql import fresh_database

from daypass.testing.clock import MovableClock
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import KeyPair

pytestmark = pytest.mark.slow


@dataclass
class Nodes:
    """Nodes behind one address, as the server of a scene."""

    front: Front
    running: list[Running]
    root: dict[str, str]
    clock: MovableClock

    @property
    def url(self) -> str:
        """The common address."""
        return self.front.url

    def only(self, number: int) -> None:
        """Send all requests to one node."""
        self.front.nodes = [self.running[number].url]

    def all(self) -> None:
        """Send the requests to the nodes in turn."""
        self.front.nodes = [node.url for node in self.running]


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, saml_key: KeyPair
) -> Iterator[LoginScene]:
    """Start two nodes that have only their settings and the store in common."""
    with ExitStack() as stack:
        front = stack.enter_context(Front())
        shared = {
            "DAYPASS_PUBLIC_URL": front.url,
            "DAYPASS_AUDIT_LOG": "none",
            "DAYPASS_TRUSTED_PROXIES": "127.0.0.0/8",
            "DAYPASS_MASTER_KEY": secrets.token_hex(32),
        }
        if request.param == "sqlite":
            store = f"sqlite:///{tmp_path_factory.mktemp('nodes')}/d.db"
        else:
            store = stack.enter_context(fresh_database())
        running = [
            stack.enter_context(serving(store, environment=environment)) for environment in ({**shared, **ROOT}, shared)
        ]
        key = {
            "AccessKeyId": ROOT["DAYPASS_ROOT_ACCESS_KEY_ID"],
            "SecretAccessKey": ROOT["DAYPASS_ROOT_SECRET_ACCESS_KEY"],
        }
        nodes = Nodes(front, running, key, MovableClock())
        nodes.all()
        pairs = (f"{DEVELOPER},{PROVIDER}",)
        site = IdpSite(saml_key, f"{front.url}/saml", lambda: datetime.now(UTC), Assertion(roles=pairs))
        idp = stack.enter_context(site)
        iam = running[0].client("iam")
        iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.idp.metadata_xml())
        iam.create_role(RoleName="developer", AssumeRolePolicyDocument=trust_policy())
        for node in running:
            until(partial(_knows_the_provider, node))
        yield LoginScene(nodes, idp)  # type: ignore[arg-type] # it has the address, the root key and the clock of a server


def test_any_node_handles_any_step(scene: LoginScene) -> None:
    """Sign-in, approval, exchange and refresh alternate between the nodes."""
    program, first = scene.logged_in()
    second = scene.refresh(program, first["refreshToken"])
    third = scene.refresh(program, second["refreshToken"])
    assert third["status"] == 200, third
    assert ":assumed-role/developer/" in scene.caller(third)


def test_a_proof_and_a_code_work_once_on_all_nodes(scene: LoginScene) -> None:
    """A replay at the other node is refused at once."""
    nodes: Nodes = scene.server  # type: ignore[assignment] # see the fixture
    program, first = scene.logged_in()
    sent = proof(program.key, f"{nodes.url}/v1/token")
    nodes.only(0)
    assert scene.refresh(program, first["refreshToken"], proofs=[sent])["status"] == 200
    nodes.only(1)
    answer = scene.refresh(program, first["refreshToken"], proofs=[sent])
    assert (answer["status"], answer["error"]) == (400, "INVALID_REQUEST")
    other = Program()
    code = scene.code(other)
    nodes.only(0)
    assert scene.redeem(other, code)["status"] == 200
    nodes.only(1)
    assert scene.redeem(other, code)["error"] == "AUTHCODE_EXPIRED"


def test_a_node_may_be_killed_between_approval_and_exchange(scene: LoginScene) -> None:
    """The code, the sign-in and the tokens are in the store."""
    nodes: Nodes = scene.server  # type: ignore[assignment] # see the fixture
    nodes.only(0)
    program = Program()
    code = scene.code(program)
    nodes.running[0].process.kill()
    nodes.only(1)
    answer = scene.redeem(program, code)
    assert answer["status"] == 200, answer
    assert scene.refresh(program, answer["refreshToken"])["status"] == 200
