"""Nodes whose database goes back: a promoted replica that lacks some writes, and a restored backup.

Each node is a real server. Three rights are used on both nodes, then revoked in the new history: a key, a policy of a
session's role, and a role's trust policy. The new history has as many writes as the old one, fewer or more. A node may
honour them for a second after it has word from the database again; the tests wait longer, because machines are slow.
"""

import json
import secrets
import signal
import socket
import sqlite3
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.process.daypass import ROOT, Running, run, serving
from tests.sockets import free_port
from tests.storage.postgresql import Cluster, Replica, primary_and_replica

pytestmark = pytest.mark.slow
PATIENCE = 30.0
ENVIRONMENT = {**ROOT, "DAYPASS_MASTER_KEY": b64encode(secrets.token_bytes(32)).decode()}
_ROLES = "arn:aws:iam::123456789012:role/"
_ROLE = f"{_ROLES}worker"
_ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
_ALLOWED = {"Effect": "Allow", "Action": "iam:GetRole", "Resource": "*"}


def _document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _trust(effect: str) -> str:
    return _document({"Effect": effect, "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"})


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def until_each(nodes: list[Running], condition: Callable[[Running], bool]) -> None:
    """Wait until a condition is true of each node, and verify that it stays so."""
    for node in nodes:
        until(partial(condition, node))
        assert condition(node)


def code_of(call: Callable[[], object]) -> str:
    """Return the error code of a call, or an empty string if it succeeds."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except BotoCoreError as error:
        return type(error).__name__
    return ""


_clients: dict[tuple[str, str, str], Any] = {}


def client(node: Running, service: str, key: Mapping[str, Any]) -> Any:
    """Return a client of a node, the same one for each call."""
    name = (node.url, service, key["AccessKeyId"])
    if name not in _clients:
        _clients[name] = node.client(service, key)
    return _clients[name]


class Rights:
    """The rights that a test revokes. They are granted through one node and used through any."""

    def __init__(self, node: Running) -> None:
        iam = node.client("iam")
        for name in ("alice", "bob"):
            iam.create_user(UserName=name)
        self.alice, self.bob = (iam.create_access_key(UserName=name)["AccessKey"] for name in ("alice", "bob"))
        iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=_document(_ASSUME))
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument=_trust("Allow"))
        iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=_document(_ALLOWED))
        sts = node.client("sts", self.bob)
        self.session = sts.assume_role(RoleArn=_ROLE, RoleSessionName="first")["Credentials"]

    def codes(self, node: Running) -> tuple[str, str, str]:
        """Use each right on a node, and return the error codes."""
        return (
            code_of(client(node, "sts", self.alice).get_caller_identity),
            code_of(lambda: client(node, "iam", self.session).get_role(RoleName="worker")),
            code_of(lambda: client(node, "sts", self.bob).assume_role(RoleArn=_ROLE, RoleSessionName="next")),
        )

    def revoke(self, node: Running) -> None:
        """Revoke all of them, with three writes."""
        iam = node.client("iam")
        key = self.alice["AccessKeyId"]
        until(lambda: not code_of(lambda: iam.update_access_key(UserName="alice", AccessKeyId=key, Status="Inactive")))
        until(lambda: not code_of(lambda: iam.delete_role_policy(RoleName="worker", PolicyName="p")))
        trust = _trust("Deny")
        until(lambda: not code_of(lambda: iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust)))

    def are_honoured(self, node: Running) -> bool:
        """Return whether the node honours all of them."""
        return self.codes(node) == ("", "", "")

    def are_refused(self, node: Running) -> bool:
        """Return whether the node refuses all of them."""
        return self.codes(node) == ("InvalidClientTokenId", "AccessDenied", "AccessDenied")


class Sessions:
    """Sessions that an operator ends: those of an access key, and those of a role."""

    def __init__(self, node: Running, rights: Rights) -> None:
        iam = node.client("iam")
        iam.create_role(RoleName="keeper", AssumeRolePolicyDocument=_trust("Allow"))
        iam.put_role_policy(RoleName="keeper", PolicyName="p", PolicyDocument=_document(_ALLOWED))
        sts = node.client("sts", rights.bob)
        self.of_role = sts.assume_role(RoleArn=f"{_ROLES}keeper", RoleSessionName="first")["Credentials"]
        iam.create_user(UserName="carol")
        self._carol = iam.create_access_key(UserName="carol")["AccessKey"]
        self.of_key = node.client("sts", self._carol).get_session_token()["Credentials"]

    def codes(self, node: Running) -> tuple[str, str]:
        """Use each session on a node, and return the error codes."""
        return (
            code_of(client(node, "sts", self.of_key).get_caller_identity),
            code_of(lambda: client(node, "iam", self.of_role).get_role(RoleName="keeper")),
        )

    def revoke(self, store: str) -> None:
        """Revoke the sessions with the operator's command."""
        for words in (("--access-key", self._carol["AccessKeyId"]), ("--role", "keeper")):
            done = run("sessions", "revoke", *words, "--store", store, environment=ENVIRONMENT)
            assert done.returncode == 0, done.stderr

    def are_honoured(self, node: Running) -> bool:
        """Return whether the node honours all of them."""
        return self.codes(node) == ("", "")

    def are_refused(self, node: Running) -> bool:
        """Return whether the node refuses all of them."""
        return self.codes(node) == ("InvalidClientTokenId", "AccessDenied")


def write_more(rights: Rights, nodes: list[Running], number: int) -> None:
    """Write some times through the first node, and wait until every node knows the last write."""
    iam = nodes[0].client("iam")
    for count in range(number - 1):
        iam.tag_user(UserName="bob", Tags=[{"Key": f"k{count}", "Value": "v"}])
    reads = {**_ALLOWED, "Action": "iam:GetUser"}
    iam.put_user_policy(UserName="bob", PolicyName="q", PolicyDocument=_document(reads))
    until_each(nodes, lambda node: not code_of(lambda: client(node, "iam", rights.bob).get_user(UserName="bob")))


@contextmanager
def opened_later() -> Iterator[tuple[int, Callable[[int], None]]]:
    """Yield a port that refuses connections, and a function that forwards it to another port from then on."""
    port, listeners = free_port(), list[socket.socket]()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept(listener: socket.socket, target: int) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", target))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    def open_to(target: int) -> None:
        listener = socket.create_server(("127.0.0.1", port))
        listeners.append(listener)
        threading.Thread(target=accept, args=(listener, target), daemon=True).start()

    try:
        yield port, open_to
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def machine(tmp_path: Path, number: int) -> dict[str, str]:
    """Return the environment of a node on a machine of its own: nodes of one machine share a change counter."""
    folder = tmp_path / f"machine-{number}"
    folder.mkdir(exist_ok=True)
    return {**ENVIRONMENT, "TMPDIR": str(folder)}


def _url(primary: Cluster, *ports: int | None) -> str:
    url = primary.url
    hosts = ",".join(f"127.0.0.1:{port}" for port in (url.port, *ports))
    return f"postgresql://{url.username}:{url.password}@{hosts}/postgres?target_session_attrs=read-write"


def _fall_behind(primary: Cluster, replica: Replica) -> None:
    """Let the replica catch up, and then get no more writes."""
    wanted = primary.query("SELECT pg_current_wal_insert_lsn()::text")
    until(lambda: replica.query(f"SELECT pg_last_wal_replay_lsn() >= '{wanted}'::pg_lsn") is True)
    replica.execute("ALTER SYSTEM SET primary_conninfo = ''")
    replica.execute("SELECT pg_reload_conf()")
    until(lambda: replica.query("SELECT count(*) FROM pg_stat_wal_receiver") == 0)


@pytest.mark.component("postgresql")
@pytest.mark.parametrize("behind", [1, 3, 5])
def test_a_paused_node_follows_a_promoted_replica(behind: int, tmp_path: Path) -> None:
    """The node stands still during the failover. The new history makes three writes meanwhile."""
    with primary_and_replica() as (primary, replica), ExitStack() as stack:
        url = _url(primary, replica.url.port)
        nodes = [stack.enter_context(serving(url, environment=machine(tmp_path, n))) for n in range(2)]
        rights = _prepared(nodes, primary, replica, behind)
        nodes[1].process.send_signal(signal.SIGSTOP)
        try:
            primary.stop()
            replica.promote()
            rights.revoke(nodes[0])
        finally:
            nodes[1].process.send_signal(signal.SIGCONT)
        until_each(nodes, rights.are_refused)


@pytest.mark.component("postgresql")
def test_a_node_whose_way_comes_back_later_follows_a_promoted_replica(tmp_path: Path) -> None:
    """The node runs on, cut off, while the new history reaches the number that it knows."""
    with primary_and_replica() as (primary, replica), ExitStack() as stack:
        port, open_to = stack.enter_context(opened_later())
        urls = (_url(primary, replica.url.port), _url(primary, port))
        nodes = [stack.enter_context(serving(url, environment=machine(tmp_path, n))) for n, url in enumerate(urls)]
        rights = _prepared(nodes, primary, replica, behind=3)
        primary.stop()
        replica.promote()
        rights.revoke(nodes[0])
        assert rights.codes(nodes[1])[0] == ""  # it is cut off, and may honour what it knows for stale_seconds
        assert replica.url.port is not None
        open_to(replica.url.port)
        until_each(nodes, rights.are_refused)


def _prepared(nodes: list[Running], primary: Cluster, replica: Replica, behind: int) -> Rights:
    """Grant rights that both nodes have used, and make writes that the replica lacks."""
    rights = Rights(nodes[0])
    _fall_behind(primary, replica)
    write_more(rights, nodes, behind)
    until_each(nodes, rights.are_honoured)
    return rights


@pytest.mark.component("postgresql")
def test_running_nodes_follow_a_restored_dump(tmp_path: Path) -> None:
    """An operator restores backups under running nodes. In the second one, three rights and two sessions are revoked.

    Between the backups, the nodes make as many other writes as the second backup has.
    """
    with primary_and_replica() as (primary, _), ExitStack() as stack:
        url = _url(primary)
        nodes = [stack.enter_context(serving(url, environment=machine(tmp_path, n))) for n in range(2)]
        rights = Rights(nodes[0])
        sessions = Sessions(nodes[0], rights)
        before = primary.dump()
        rights.revoke(nodes[0])
        sessions.revoke(url)
        revoked, number = primary.dump(), int(primary.query("SELECT number FROM revision"))
        primary.execute(before)
        until_each(nodes, lambda node: rights.are_honoured(node) and sessions.are_honoured(node))
        write_more(rights, nodes, number - int(primary.query("SELECT number FROM revision")))
        assert primary.query("SELECT number FROM revision") == number
        until_each(nodes, lambda node: rights.are_honoured(node) and sessions.are_honoured(node))
        primary.execute(revoked)
        until_each(nodes, lambda node: rights.are_refused(node) and sessions.are_refused(node))


def test_running_servers_follow_a_replaced_file(tmp_path: Path) -> None:
    """A backup of the SQLite file is put in its place, in which three rights are revoked."""
    path, backup = tmp_path / "daypass.db", tmp_path / "backup.db"
    with ExitStack() as stack:
        store = f"sqlite:///{path}"
        nodes = [stack.enter_context(serving(store, environment=ENVIRONMENT)) for _ in range(2)]
        rights = Rights(nodes[0])
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(backup),))
        with serving(f"sqlite:///{backup}", environment=ENVIRONMENT) as other:
            rights.revoke(other)
            other.process.terminate()
            assert other.process.wait(60) == 0
        write_more(rights, nodes, 3)
        until_each(nodes, rights.are_honoured)
        backup.rename(path)
        until_each(nodes, rights.are_refused)
        nodes[0].client("iam").create_user(UserName="carol")
        assert "carol" in {user["UserName"] for user in nodes[1].client("iam").list_users()["Users"]}
        for node in nodes:
            node.process.terminate()
            assert node.process.wait(60) == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
