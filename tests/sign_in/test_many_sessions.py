"""Ten thousand people are signed in, and each takes a role: the memory of the process grows by 100 MiB at most."""

import gc
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from msgspec import structs
from tests.sign_in.conftest import ACCOUNT, People, set_up

from daypass.sign_in.proofs import identified_by_saml, saml_proof
from daypass.sign_in.saml_roles import verify_saml_response
from daypass.sign_in.sessions import begin, cookie_of, find_by_cookie
from daypass.testing.saml_forge import KeyPair
from daypass.testing.server import running_server

PEOPLE, MOST_MIB = 10_000, 100
ROLES = [f"arn:aws:iam::{ACCOUNT}:role/r{number}" for number in range(10)]


def resident_mib() -> float:
    """Return the resident memory of this process."""
    gc.collect()
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the kernel does not tell the resident memory")


@pytest.fixture
def people(tmp_path: Path, saml_key: KeyPair) -> Iterator[People]:
    """Run a server on SQLite: the memory store copies itself for each write."""
    with running_server(store=f"sqlite:///{tmp_path / 'd.db'}") as server:
        yield set_up(server, saml_key)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_many_live_sessions_need_little_memory(people: People) -> None:
    """Each is found by its cookie, and its identity stays in the cache as far as there is room."""
    people.role("r0")
    response = people.response(*ROLES)
    with people.node.ctx() as ctx:
        identity = verify_saml_response(response, ctx, request_id="r").identity
        made = []
        with ctx.new_transaction() as writer:
            # One transaction for all: each one of its own would wait for the disk.
            batch = structs.replace(ctx, open_new_transaction=lambda: nullcontext(writer))
            for number in range(PEOPLE):
                each = structs.replace(identity, subject=f"person{number}", assertion_id=f"_{number}")
                made.append(begin(saml_proof(response), identified_by_saml(each), "192.0.2.7", "Firefox", batch))
    people.node.take(made[0][0], ROLES[0])
    before = resident_mib()
    for session, secret in made:
        with people.node.ctx() as ctx:
            assert find_by_cookie(cookie_of(session, secret), ctx) is not None
        people.node.take(session, ROLES[0])
        people.node.audit.audit_records.clear()
    assert resident_mib() - before <= MOST_MIB
