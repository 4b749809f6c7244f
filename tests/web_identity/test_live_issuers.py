"""Tokens of third-party issuers, which run in Node."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.components import node_packages
from tests.web_identity.conftest import Account, Fleet, name_of, not_taken, take
from tests.web_identity.node import Talking, talking

from daypass.testing.server import RunningServer

pytestmark = pytest.mark.component("node")

CLIENT = "daypass"


@pytest.fixture(scope="module", params=["oauth2-mock-server", "oidc-provider"])
def live(request: pytest.FixtureRequest, fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talking]:
    """Run the issuer, with a certificate of the fleet's authority."""
    home = tmp_path_factory.mktemp("live")
    identity = fleet.authority.write_server_identity(home / "server.pem", ["localhost"])
    script = Path(__file__).with_name("issuers.mjs")
    with talking(script, node_packages(), home, ISSUER=request.param, IDENTITY=str(identity)) as running:
        yield running


def test_tokens_conditions_and_new_keys(live: Talking, account: Account, sts: Any, server: RunningServer) -> None:
    """A token is accepted by its claims; one of a new key too, as soon as the issuer may be contacted again."""
    url = live.hear()
    account.iam.create_open_id_connect_provider(Url=url, ClientIDList=[CLIENT])
    name = name_of(url)
    role = account.role("live", account.trust(url, StringEquals={f"{name}:aud": CLIENT, f"{name}:sub": "ci"}))

    def token(subject: str) -> str:
        return live.ask(f'token {{"sub": "{subject}", "aud": "{CLIENT}"}}')

    answer = take(sts, role, token("ci"))
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == ("ci", CLIENT)
    assert not_taken(sts, role, token("somebody"))[0] == "AccessDenied"
    assert live.ask("rotate") == "done"
    server.clock.move(timedelta(seconds=11))
    assert take(sts, role, token("ci"))["SubjectFromWebIdentityToken"] == "ci"
