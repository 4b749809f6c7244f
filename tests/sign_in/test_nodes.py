"""Several nodes on one store, and gateways: every node knows a sign-in, and every node ends it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.gateway.remote_gateway import remote_gateway
from tests.gateway.running_gateway import ALLOW_ALL, document
from tests.gateway.stores import StoreServer
from tests.sign_in.conftest import ACCOUNT, PROVIDER, Node, People, set_up
from tests.storage.postgresql import fresh_database

from daypass.config import Config
from daypass.sign_in import token_families
from daypass.sign_in.proofs import SignInOverError
from daypass.sign_in.sessions import cookie_of, find_by_cookie, find_session
from daypass.storage.master_key import MasterKeySource
from daypass.testing.clock import MovableClock
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import KeyPair
from daypass.testing.server import running_server
from daypass.wiring_store import open_everything

ROLE = f"arn:aws:iam::{ACCOUNT}:role/developer"
MASTER = "A" * 43 + "="
SECOND = 1.0  # within which every node and gateway sees a change

REFRESH = """
import sys
from datetime import UTC, datetime
from daypass.config import Config
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything
from daypass.sign_in.token_families import refresh
from tests.sign_in.conftest import Keys, Node
there = open_everything(Config(store=sys.argv[1]), MasterKeySource(text=sys.argv[2]))
node = Node.start(there, Keys())
print("ready", flush=True)
sys.stdin.readline()
with node.ctx() as ctx:
    tokens = refresh(sys.argv[3], "client", ctx)
print(tokens.access, tokens.refresh)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def stored(request: pytest.FixtureRequest, saml_key: KeyPair, tmp_path: Any) -> Iterator[People]:
    """Return a server on a database of each kind."""
    if request.param == "sqlite":
        with running_server(store=f"sqlite:///{tmp_path / 'd.db'}", master_key=MASTER) as server:
            yield set_up(server, saml_key)
        return
    with fresh_database() as url, running_server(store=url, master_key=MASTER) as server:
        yield set_up(server, saml_key)


@pytest.fixture
def other(stored: People) -> Iterator[Node]:
    """Return a node with connections of its own."""
    config = Config(store=stored.server.config.store)
    there = open_everything(config, MasterKeySource(text=MASTER), clock=stored.server.clock)
    yield Node.start(there, stored.keys)
    there.store.close()


def within_a_second(is_true: Callable[[], bool]) -> None:
    """Wait until a condition is true, for a second at most."""
    started = time.monotonic()
    while not is_true():
        assert time.monotonic() - started < SECOND
        time.sleep(0.01)


def knows(node: Node, session_id: str) -> bool:
    """Return whether a node finds a session."""
    with node.ctx() as ctx:
        return find_session(session_id, ctx) is not None


def is_ended(node: Node, session_id: str) -> bool:
    """Return whether a node does not find a session."""
    return not knows(node, session_id)


def test_any_node_continues_and_ends_a_sign_in(stored: People, other: Node) -> None:
    """A new session is known at once, also where its id was looked up before, and an ended one within a second."""
    stored.role("developer")
    session, secret = stored.node.sign_in_by_saml(stored.response(ROLE))
    with other.ctx() as ctx:
        assert find_by_cookie(cookie_of(session, secret), ctx) == session
    taken = other.take(session, ROLE)
    assert stored.arn_of(taken)
    with other.ctx() as ctx:
        tokens = token_families.begin_family(ctx, sign_in=session.id, kind="sso", client_id="client", scopes=())
    with stored.node.ctx() as ctx:
        assert token_families.find_by_access(tokens.access, ctx) is not None
    stored.node.end(session)
    within_a_second(partial(is_ended, other, session.id))
    with pytest.raises(SignInOverError):
        other.take(session, ROLE)
    with other.ctx() as ctx:
        assert token_families.find_by_access(tokens.access, ctx) is None
        with pytest.raises(token_families.RefreshRefusedError):
            token_families.refresh(tokens.refresh, "client", ctx)


def test_a_revocation_during_the_minting_ends_what_was_minted(stored: People, other: Node) -> None:
    """A node that has not seen the revocation may mint once more, and its credentials are void."""
    stored.role("developer")
    session, _ = stored.node.sign_in_by_saml(stored.response(ROLE))
    started, minted = threading.Event(), list[dict[str, Any]]()

    def mint(node: Node) -> None:
        while True:
            try:
                minted.append(node.take(session, ROLE))
            except SignInOverError:
                return
            started.set()

    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(mint, node) for node in (stored.node, other)]
        started.wait(10)
        stored.node.revoke(session)
        for thread in threads:
            thread.result(10)
    for answer in (minted[0], *minted[-3:]):
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            stored.arn_of(answer)


@pytest.mark.parametrize("ahead", [-120, 120])
def test_nodes_whose_clocks_differ_agree(stored: People, ahead: int) -> None:
    """A sign-in of either node works on the other, and a revocation by either ends everything."""
    clock = MovableClock()
    clock.move(timedelta(seconds=ahead))
    config = Config(store=stored.server.config.store)
    there = open_everything(config, MasterKeySource(text=MASTER), clock=clock)
    odd = Node.start(there, stored.keys)
    stored.role("developer")
    for begins, revokes in ((stored.node, odd), (odd, stored.node)):
        moment = (stored.server.clock if begins is stored.node else clock).now()
        response = stored.idp.response(Assertion(roles=(f"{ROLE},{PROVIDER}",)), now=moment)
        session, _ = begins.sign_in_by_saml(response)
        answers = [node.take(session, ROLE) for node in (stored.node, odd)]
        for answer in answers:
            assert stored.arn_of(answer)
        revokes.revoke(session)
        for answer in answers:
            within_a_second(partial(is_void, stored, answer))
        for node in (begins, revokes):
            within_a_second(partial(is_ended, node, session.id))
    there.store.close()


def is_void(people: People, answer: dict[str, Any]) -> bool:
    """Return whether the server refuses the credentials of an answer as invalid."""
    try:
        people.arn_of(answer)
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == "InvalidClientTokenId")
    return False


@pytest.mark.slow
def test_eight_processes_that_refresh_at_once_get_one_answer(stored: People) -> None:
    """One of them rotates, and the others get its tokens."""
    session, _ = stored.node.sign_in_by_saml(stored.response(ROLE))
    with stored.node.ctx() as ctx:
        tokens = token_families.begin_family(ctx, sign_in=session.id, kind="sso", client_id="client", scopes=())
    command = [sys.executable, "-c", REFRESH, stored.server.config.store, MASTER, tokens.refresh]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert len(answers) == 1
    access, _ = answers.pop().split()
    with stored.node.ctx() as ctx:
        assert token_families.find_by_access(access, ctx) is not None


@pytest.mark.slow
def test_a_revocation_reaches_a_gateway_within_a_second(moto_store: StoreServer, saml_key: KeyPair) -> None:
    """Sign-out leaves the role session, and a revocation ends it at the gateway too."""
    with remote_gateway(moto_store) as gateway:
        people, bucket = set_up(gateway.server, saml_key), gateway.new_bucket()
        people.role("developer")
        people.client("iam").put_role_policy(RoleName="developer", PolicyName="s3", PolicyDocument=document(ALLOW_ALL))
        session, _ = people.node.sign_in_by_saml(people.response(ROLE))
        s3 = gateway.s3(people.node.take(session, ROLE)["Credentials"])
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        people.node.end(session)
        time.sleep(SECOND)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
        people.node.revoke(session)

        def is_refused() -> bool:
            try:
                s3.get_object(Bucket=bucket, Key="k")
            except ClientError as error:
                return bool(error.response["Error"]["Code"] == "InvalidToken")
            return False

        within_a_second(is_refused)
