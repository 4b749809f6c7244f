"""Two servers on PostgreSQL: the sign-in of a program survives the death of a server."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.portal.front import Front
from tests.process.daypass import ROOT, Running, serving
from tests.sso.people.person import Person, Program, furnish, unsigned
from tests.storage.postgresql import fresh_database

from daypass.testing.saml import SamlIdentityProvider

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Site:
    """The address, the servers behind it, and a person with one role."""

    front: Front
    nodes: list[Running]
    person: Person


@pytest.fixture
def site() -> Iterator[Site]:
    """Start two servers that have only their settings and the store in common."""
    with ExitStack() as stack:
        front, store = stack.enter_context(Front()), stack.enter_context(fresh_database())
        shared = {
            "DAYPASS_PUBLIC_URL": front.url,
            "DAYPASS_AUDIT_LOG": "none",
            "DAYPASS_TRUSTED_PROXIES": "127.0.0.0/8",
            "DAYPASS_MASTER_KEY": secrets.token_hex(32),
        }
        nodes = [
            stack.enter_context(serving(store, environment={**shared, **ROOT})),
            stack.enter_context(serving(store, environment=shared)),
        ]
        front.nodes = [node.url for node in nodes]
        idp = SamlIdentityProvider()
        pairs = furnish(nodes[0].client("iam"), idp, "developer")
        yield Site(front, nodes, Person(front.url, idp, lambda: datetime.now(UTC), pairs))


def test_a_server_dies_between_authorize_and_token(site: Site) -> None:
    """The other server redeems the code, lists the role, issues credentials and accepts them."""
    first, second = site.nodes
    site.front.nodes = [first.url]
    site.person.sign_in()
    program = Program(site.front.url)
    program.register()
    answer = site.person.approve(program.address)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(20)
    site.front.nodes = [second.url]
    token = program.redeem(answer)["accessToken"]
    sso = unsigned("sso", site.front.url)
    [account] = sso.list_accounts(accessToken=token)["accountList"]
    found = sso.get_role_credentials(accessToken=token, accountId=account["accountId"], roleName="developer")
    given = found["roleCredentials"]
    credentials = {
        "AccessKeyId": given["accessKeyId"],
        "SecretAccessKey": given["secretAccessKey"],
        "SessionToken": given["sessionToken"],
    }
    assert second.client("sts", credentials).get_caller_identity()["Arn"].endswith(":assumed-role/developer/alice")
