"""A node of version 0.1.0 and a node of this version on one store, with real calls.

The old node runs from the history of the checkout, so a shallow clone skips these tests.
"""

import io
import secrets
import subprocess
import sys
import tarfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.documents import trust
from tests.process.daypass import ROOT, Running, _wait, clean_environment, run, serving
from tests.refusals import code_of
from tests.sockets import free_port
from tests.storage.postgresql import fresh_database

from daypass.cli.shared.exit_codes import Exit
from daypass.storage.address import SqliteAddress, parse_address
from daypass.storage.postgresql_address import PostgresqlAddress
from daypass.storage.sql.engines import postgresql_engines, sqlite_engines

OLD = "ead41f8"
REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = {**ROOT, "DAYPASS_MASTER_KEY": b64encode(secrets.token_bytes(32)).decode(), "DAYPASS_AUDIT_LOG": "none"}
BOUND = 1.0  # seconds after which a write is seen by every node
_RUN = "from daypass.cli.main import main; main()"


@pytest.fixture(scope="module")
def old_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source of version 0.1.0, from the history."""
    words = ["git", "-C", str(REPOSITORY), "archive", OLD, "src"]
    made = subprocess.run(words, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"the history of this checkout lacks revision {OLD}")
    folder = tmp_path_factory.mktemp("old-source")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


@contextmanager
def serving_old(source: Path, store: str) -> Iterator[Running]:
    """Start a node of version 0.1.0."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, "serve", "--port", str(port), "--store", store],
        env=clean_environment({**ENVIRONMENT, "PYTHONPATH": str(source)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    running = Running(process, f"http://127.0.0.1:{port}", [])
    try:
        _wait(running, port)
        yield running
    finally:
        process.kill()
        process.wait(60)


@contextmanager
def new_store(kind: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty store."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/daypass.db"
    else:
        with fresh_database() as url:
            yield url


def within_bound(call: Callable[[], Any], expected: str = "") -> None:
    """Require a result within the bound, with some time for the calls themselves."""
    end = time.monotonic() + BOUND + 2.0
    while (code := code_of(call)) != expected:
        assert time.monotonic() < end, (code, expected)


def exercise(writer: Running, reader: Running, name: str) -> dict[str, Any]:
    """Make writes on one node, and see each on the other. Return a session of the new role."""
    iam = writer.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    within_bound(lambda: reader.client("sts", key).get_caller_identity())
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(AWS="123456789012"))
    role = f"arn:aws:iam::123456789012:role/{name}"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=_ASSUME)
    sts = reader.client("sts", key)
    within_bound(lambda: sts.assume_role(RoleArn=role, RoleSessionName="rolling"))
    session: dict[str, Any] = sts.assume_role(RoleArn=role, RoleSessionName="rolling")["Credentials"]
    for node in (writer, reader):
        node.client("sts", session).get_caller_identity()
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    within_bound(lambda: sts.assume_role(RoleArn=role, RoleSessionName="rolling"), "InvalidClientTokenId")
    return session


_ASSUME = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}'


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("is_old_first", [True, False], ids=["old-first", "new-first"])
def test_both_versions_serve_one_store(kind: str, is_old_first: bool, old_source: Path, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Writes of each are seen by the other within a second, sessions of each are accepted, and nothing is lost."""
    with new_store(kind, tmp_path) as store, ExitStack() as stack:
        starts: list[Callable[[], Any]] = [
            lambda: serving_old(old_source, store),
            lambda: serving(store, environment=ENVIRONMENT),
        ]
        nodes = [stack.enter_context(start()) for start in (starts if is_old_first else reversed(starts))]
        exercise(nodes[0], nodes[1], "ada")
        exercise(nodes[1], nodes[0], "bob")
        for node in nodes:
            users = {each["UserName"] for each in node.client("iam").list_users()["Users"]}
            assert users == {"ada", "bob"}
        for node in nodes:
            node.process.terminate()
            node.process.wait(60)
        checked = run("check", "--store", store, environment=ENVIRONMENT)
        assert checked.returncode == Exit.OK, checked.stdout


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_a_newer_store_is_refused_with_the_way_out(kind: str, tmp_path: Path) -> None:
    """A server of an older version does not start on it, and changes nothing."""
    with new_store(kind, tmp_path) as store:
        assert run("account", "create", "--store", store, environment=ENVIRONMENT).returncode == Exit.OK
        address = parse_address(store)
        if isinstance(address, SqliteAddress):
            engines = sqlite_engines(address.path)
        else:
            assert isinstance(address, PostgresqlAddress)
            engines = postgresql_engines(address)
        with engines.writing.begin() as connection:
            connection.execute(text("UPDATE daypass_schema SET version_num = '0002'"))
        engines.dispose()
        refused = run("serve", "--port", str(free_port()), "--store", store, environment=ENVIRONMENT)
    assert refused.returncode == Exit.CONFIGURATION
    assert "version 0002 of a later Daypass" in refused.stderr
    assert "install the version that changed the store, or a later one" in refused.stderr
    assert "restore a backup from before the change" in refused.stderr
