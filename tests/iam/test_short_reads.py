"""IAM reads that the event loop answers, and the conditions under which worker threads do."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.costs.loop import Key, LoopServer, loop_server

from daypass.directory import records
from daypass.directory.entities.iam_entities import User
from daypass.operations.iam.policies.policy_documents import show_document
from daypass.operations.operation import StoreAccess
from daypass.operations.registry import full_registry
from daypass.storage.loop_reads import REQUEST_LIMITS
from daypass.storage.sql.sqlite_snapshots import MOST_CONNECTIONS

ACCOUNT = "111122223333"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
    }
)
# Each has a bounded number of reads for a usual account, and work in proportion to them.
SHORT = frozenset(
    {
        "GetAccessKeyLastUsed",
        "GetAccountPasswordPolicy",
        "GetGroup",
        "GetGroupPolicy",
        "GetInstanceProfile",
        "GetMFADevice",
        "GetOpenIDConnectProvider",
        "GetOutboundWebIdentityFederationInfo",
        "GetPolicy",
        "GetPolicyVersion",
        "GetRole",
        "GetRolePolicy",
        "GetServiceLinkedRoleDeletionStatus",
        "GetUser",
        "GetUserPolicy",
        "ListAccessKeys",
        "ListAccountAliases",
        "ListAttachedGroupPolicies",
        "ListAttachedRolePolicies",
        "ListAttachedUserPolicies",
        "ListGroupPolicies",
        "ListGroups",
        "ListGroupsForUser",
        "ListInstanceProfileTags",
        "ListInstanceProfiles",
        "ListInstanceProfilesForRole",
        "ListMFADeviceTags",
        "ListMFADevices",
        "ListOpenIDConnectProviderTags",
        "ListOpenIDConnectProviders",
        "ListPolicyTags",
        "ListPolicyVersions",
        "ListRolePolicies",
        "ListRoleTags",
        "ListRoles",
        "ListSAMLProviderTags",
        "ListUserPolicies",
        "ListUserTags",
        "ListUsers",
    }
)
# Each reads a whole account, or compiles, evaluates or parses documents.
LONG = frozenset(
    {
        "GetAccountAuthorizationDetails",
        "GetAccountSummary",
        "GetContextKeysForCustomPolicy",
        "GetContextKeysForPrincipalPolicy",
        "GetCredentialReport",
        "GetDelegationRequest",
        "GetHumanReadableSummary",
        "GetSAMLProvider",
        "ListDelegationRequests",
        "ListEntitiesForPolicy",
        "ListOrganizationsFeatures",
        "ListPolicies",
        "ListPoliciesGrantingServiceAccess",
        "ListSAMLProviders",
        "ListVirtualMFADevices",
        "SimulateCustomPolicy",
        "SimulatePrincipalPolicy",
    }
)
CALLS: tuple[dict[str, str], ...] = (
    {"Action": "GetRole", "RoleName": "worker"},
    {"Action": "GetRole", "RoleName": "missing"},
    {"Action": "GetUser", "UserName": "ada"},
    {"Action": "GetUser"},
    {"Action": "ListUsers"},
    {"Action": "ListUsers", "PathPrefix": "/eng/", "MaxItems": "1"},
    {"Action": "ListRoles"},
    {"Action": "ListGroupsForUser", "UserName": "ada"},
    {"Action": "GetGroup", "GroupName": "staff"},
    {"Action": "ListAccessKeys", "UserName": "ada"},
    {"Action": "ListAttachedUserPolicies", "UserName": "ada"},
    {"Action": "ListUserPolicies", "UserName": "ada"},
    {"Action": "GetUserPolicy", "UserName": "ada", "PolicyName": "own"},
    {"Action": "GetPolicy", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    {"Action": "ListUserTags", "UserName": "ada"},
    {"Action": "ListMFADevices"},
    {"Action": "GetAccountPasswordPolicy"},
)
SETUP: tuple[dict[str, str], ...] = (
    {"Action": "CreateRole", "RoleName": "worker", "AssumeRolePolicyDocument": TRUST},
    {"Action": "CreateUser", "UserName": "ada", "Tags.member.1.Key": "team", "Tags.member.1.Value": "blue"},
    {"Action": "CreateUser", "UserName": "bob", "Path": "/eng/"},
    {"Action": "CreateUser", "UserName": "cy", "Path": "/eng/"},
    {"Action": "CreateGroup", "GroupName": "staff"},
    {"Action": "AddUserToGroup", "GroupName": "staff", "UserName": "ada"},
    {"Action": "CreateAccessKey", "UserName": "ada"},
    {"Action": "AttachUserPolicy", "UserName": "ada", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    {
        "Action": "PutUserPolicy",
        "UserName": "ada",
        "PolicyName": "own",
        "PolicyDocument": '{"Version":"2012-10-17",'
        '"Statement":[{"Effect":"Allow","Action":["iam:Get*","sts:AssumeRole"],"Resource":"*"}]}',
    },
)
GET_ROLE = CALLS[0]


def _run(
    scratch: Path,
    scenario: Callable[[LoopServer], Awaitable[None]],
    read_clock: Callable[[], float] = lambda: 0.0,
    settings: Mapping[str, Any] | None = None,
) -> None:
    async def run() -> None:
        async with loop_server(scratch, settings, read_clock) as server:
            for call in SETUP:
                await server.call(server.root, "iam", call)
            # The cache catches up, and a worker thread opens the event loop's connection.
            for _ in range(2):
                await server.call(server.root, "iam", GET_ROLE)
            await scenario(server)

    asyncio.run(run())


def _send(server: LoopServer, call: Mapping[str, str]) -> bool:
    """Send a call. Return whether the event loop has answered it."""
    server.feed(server.sign(server.root, "iam", call))
    return bool(server.wire.written)


def _without_ids(answer: bytes) -> bytes:
    body = answer.partition(b"\r\n\r\n")[2] or answer
    return re.sub(rb"<RequestId>[^<]*</RequestId>", b"", body)


def _events(scratch: Path, action: str) -> list[dict[str, Any]]:
    lines = (scratch / "audit.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["eventName"] == action]


def test_each_read_is_either_short_or_long() -> None:
    """A new operation that reads needs a decision here: whether its work stays small in every account."""
    found: dict[StoreAccess, set[str]] = {StoreAccess.SHORT_READ: set(), StoreAccess.READ: set()}
    for (service, action), operation in full_registry()._operations.items():
        access = getattr(operation, "access", None)
        if service == "iam" and access in found and "unsupported" not in type(operation).__module__:
            found[access].add(action)
    assert found == {StoreAccess.SHORT_READ: SHORT, StoreAccess.READ: LONG}


def test_no_other_service_has_short_reads() -> None:
    """The read-only rule of the required audit log knows IAM's alone."""
    for (service, _), operation in full_registry()._operations.items():
        assert service == "iam" or getattr(operation, "access", None) is not StoreAccess.SHORT_READ


def test_the_event_loop_answers_as_a_worker_thread_does(tmp_path: Path) -> None:
    """Each answer and refusal is the same except for its id."""

    async def scenario(server: LoopServer) -> None:
        for call in CALLS:
            assert _send(server, call), call
            at_once = await server.wait()
            server.feed_pipeline(server.sign(server.root, "iam", call))
            assert _without_ids(at_once) == _without_ids(server.take())

    _run(tmp_path, scenario)


@given(st.text())
def test_a_document_is_encoded_as_a_url(text: str) -> None:
    """Every character except the unreserved ones of RFC 3986 is encoded."""
    assert show_document(text) == quote(text, safe="")


def test_each_call_is_recorded_once(tmp_path: Path) -> None:
    """Also one that the event loop began and a worker thread answered."""

    async def scenario(server: LoopServer) -> None:
        assert _send(server, GET_ROLE)
        await server.wait()
        with _in_use(server):
            assert not _send(server, GET_ROLE)
            assert b"<RoleName>worker" in await server.wait()
        _insert_users(server, 200, tags={f"key{number}": "v" * 200 for number in range(20)})
        await server.call(server.root, "iam", GET_ROLE)  # the cache catches up
        assert not _send(server, {"Action": "ListUsers", "PathPrefix": "/many/"})
        assert (await server.wait()).count(b"<member>") == 100

    _run(tmp_path, scenario)
    assert len(_events(tmp_path, "GetRole")) == 2 + 1 + 1 + 1
    assert len(_events(tmp_path, "ListUsers")) == 1


def _insert_users(server: LoopServer, number: int, tags: dict[str, str]) -> None:
    with server.store.write() as writer:
        model = records.find(writer, User, ACCOUNT, "ada")
        assert model is not None
        for each in range(number):
            records.insert(writer, replace(model, id=f"AIDA{each:017d}", name=f"user{each}", path="/many/", tags=tags))


@contextmanager
def _in_use(server: LoopServer) -> Iterator[None]:
    """Keep the event loop's connection in use."""
    with server.store.read_at_once(REQUEST_LIMITS):
        yield


def test_the_newest_commit_is_read(tmp_path: Path) -> None:
    """The answer comes from the database, not from the cache, and does not wait for a writer."""

    async def scenario(server: LoopServer) -> None:
        await server.call(
            server.root, "iam", {"Action": "UpdateRole", "RoleName": "worker", "MaxSessionDuration": "4000"}
        )
        await server.call(server.root, "iam", GET_ROLE)
        with closing(sqlite3.connect(tmp_path / "daypass.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            other.execute("UPDATE records SET body = replace(body, '4000', '7200') WHERE kind = 'role'")
            assert _send(server, GET_ROLE)
            assert b"<MaxSessionDuration>4000<" in await server.wait()
            other.execute("COMMIT")
            assert _send(server, GET_ROLE)
            assert b"<MaxSessionDuration>7200<" in await server.wait()

    _run(tmp_path, scenario)


def test_other_requests_are_answered_while_a_read_waits(tmp_path: Path) -> None:
    """The event loop does not wait for the connection that a read needs."""

    async def scenario(server: LoopServer) -> None:
        with _in_use(server):
            with ExitStack() as snapshots:
                for _ in range(MOST_CONNECTIONS):
                    snapshots.enter_context(server.store.read())
                assert not _send(server, GET_ROLE)
                elsewhere = LoopServer(server.app, server.loop, server.root, server.store)
                elsewhere.feed(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await elsewhere.wait()).endswith(b"ok\n")
                assert not server.wire.written
            assert b"<RoleName>worker" in await server.wait()
        assert _send(server, GET_ROLE)
        await server.wait()

    _run(tmp_path, scenario)


def test_a_slow_disk_does_not_stop_the_event_loop(tmp_path: Path) -> None:
    """After a read of one second, worker threads read."""
    seconds = count()
    is_slow = False

    async def scenario(server: LoopServer) -> None:
        nonlocal is_slow
        is_slow = True
        assert _send(server, GET_ROLE)
        assert b"<RoleName>worker" in await server.wait()
        for _ in range(3):
            assert not _send(server, GET_ROLE)
            assert b"<RoleName>worker" in await server.wait()

    _run(tmp_path, scenario, read_clock=lambda: float(next(seconds)) if is_slow else 0.0)


def test_a_required_log_does_not_wait_for_reads(tmp_path: Path) -> None:
    """A short read changes no data, so that its event needs no transaction."""

    async def scenario(server: LoopServer) -> None:
        assert _send(server, GET_ROLE)
        await server.wait()
        assert not _send(server, {"Action": "CreateGroup", "GroupName": "other"})
        assert b"<GroupName>other" in await server.wait()

    _run(tmp_path, scenario, settings={"audit_log_required": True})
    assert len(_events(tmp_path, "CreateGroup")) == 2


def test_a_role_that_is_not_in_the_cache_is_assumed_at_once(tmp_path: Path) -> None:
    """Its record is read on the event loop, in the state of the newest commit."""

    async def scenario(server: LoopServer) -> None:
        ada = await server.call(server.root, "iam", {"Action": "CreateAccessKey", "UserName": "ada"})
        key = Key(_member(ada, "AccessKeyId"), _member(ada, "SecretAccessKey"))
        await server.call(server.root, "iam", {**SETUP[0], "RoleName": "other"})
        await server.call(key, "sts", _assume("worker"))
        assert _assume_at_once(server, key, "other")
        assert b"<AccessKeyId>ASIA" in await server.wait()
        assert _assume_at_once(server, key, "missing")
        assert b"<Code>AccessDenied" in await server.wait()

    _run(tmp_path, scenario)
    assert [event.get("errorCode") for event in _events(tmp_path, "AssumeRole")] == [None, None, "AccessDenied"]


def _assume(role: str) -> dict[str, str]:
    return {"Action": "AssumeRole", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "RoleSessionName": "session"}


def _assume_at_once(server: LoopServer, key: Key, role: str) -> bool:
    server.feed(server.sign(key, "sts", _assume(role)))
    return bool(server.wire.written)


def _member(body: bytes, name: str) -> str:
    return body.partition(f"<{name}>".encode())[2].partition(b"</")[0].decode()
