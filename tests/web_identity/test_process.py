"""Web identities at `daypass serve`: settings from the environment, workers, and SIGTERM."""

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.documents import document, trusting
from tests.process.daypass import ROOT, Running, run, serving
from tests.web_identity.conftest import AUDIENCE, name_of, not_taken, take

from daypass.testing.oidc import DISCOVERY, Answer, OidcIssuer

pytestmark = pytest.mark.slow

ACCOUNT = "123456789012"


@dataclass(frozen=True)
class World:
    """A started server, an issuer that it reaches, and a role that the issuer's tokens get."""

    server: Running
    issuer: OidcIssuer
    role: str


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Start both."""
    with OidcIssuer() as issuer:
        reach = {"DAYPASS_OIDC_CA_BUNDLE": str(issuer.ca_bundle), "DAYPASS_OIDC_ALLOWED_NETWORKS": "127.0.0.0/8"}
        store = f"sqlite:///{tmp_path / 'd.db'}"
        with serving(store, "--workers", "2", environment={**ROOT, **reach}) as server:
            iam = server.client("iam")
            provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[AUDIENCE])
            trust = document(
                trusting(
                    {"Federated": provider["OpenIDConnectProviderArn"]},
                    "sts:AssumeRoleWithWebIdentity",
                    Condition={"StringEquals": {f"{name_of(issuer)}:aud": AUDIENCE}},
                )
            )
            yield World(server, issuer, iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"])
            # Workers end with their server after SIGTERM, but not after SIGKILL.
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(20)


def test_every_worker_takes_tokens(world: World) -> None:
    """Each process fetches the keys for itself, once, whichever one a connection reaches."""
    for _ in range(12):
        answer = take(world.server.client("sts"), world.role, world.issuer.token())
        assert world.server.client("sts", answer["Credentials"]).get_caller_identity()["Account"] == ACCOUNT
    assert 1 <= world.issuer.requests[DISCOVERY] <= 2


def test_sigterm_while_an_issuer_hangs(world: World) -> None:
    """A caller that waits for an issuer still gets an answer, and the server ends in order."""
    world.issuer.answers = {DISCOVERY: Answer.hang()}
    answers = []
    token = world.issuer.token()
    waiting = threading.Thread(
        target=lambda: answers.append(not_taken(world.server.client("sts"), world.role, token)), daemon=True
    )
    waiting.start()
    while world.issuer.requests[DISCOVERY] == 0:
        time.sleep(0.02)
    world.server.process.send_signal(signal.SIGTERM)
    waiting.join(20)
    assert [answer[0] for answer in answers] == ["IDPCommunicationError"]
    assert world.server.process.wait(20) == 0


def test_a_bundle_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """An unreadable bundle of authorities is a setting to correct, and must not be ignored."""
    ended = run(
        "serve",
        "--port",
        "0",
        "--store",
        f"sqlite:///{tmp_path / 'd.db'}",
        environment={**ROOT, "DAYPASS_OIDC_CA_BUNDLE": str(tmp_path / "missing.pem")},
    )
    assert ended.returncode == 6
    assert "oidc_ca_bundle" in ended.stderr
