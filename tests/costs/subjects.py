"""The operations whose cost is counted: signed requests, no two alike, and the answer that each must have."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, islice

from msgspec.structs import replace
from tests.costs.count import Counts, count_builtins, count_python
from tests.costs.federated import saml_requests, web_identity_requests
from tests.costs.loop import Key, LoopServer, find_text

from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.directory.store import Store

_EXTERNAL_ID = "costs-external-id"
_TAGS = 50
_WARM_UP = 60
_REQUESTS = 8  # of which the least counts
_ATTEMPTS = 80
_ROLES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Subject:
    """One operation. `next_request` returns a request that was not sent before."""

    name: str
    next_request: Callable[[], bytes]
    marker: bytes


def _trust(principal: Mapping[str, str], action: "str | list[str]" = "sts:AssumeRole") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Condition": {
            "StringEquals": {"sts:ExternalId": _EXTERNAL_ID},
            "IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


async def make_subjects(server: LoopServer) -> AsyncIterator[Subject]:
    """Create users, roles and sessions, and yield the operations."""
    root = server.root
    user_arn = find_text(await server.call(root, "iam", {"Action": "CreateUser", "UserName": "costs"}), "Arn")
    made = await server.call(root, "iam", {"Action": "CreateAccessKey", "UserName": "costs"})
    caller = Key(find_text(made, "AccessKeyId"), find_text(made, "SecretAccessKey"))
    trust = _trust({"AWS": user_arn}, ["sts:AssumeRole", "sts:TagSession"])
    role = await server.call(
        root, "iam", {"Action": "CreateRole", "RoleName": "costs", "AssumeRolePolicyDocument": trust}
    )
    role_arn = find_text(role, "Arn")
    numbers = count()

    def wanted(**more: str) -> dict[str, str]:
        return {
            "Action": "AssumeRole",
            "RoleArn": role_arn,
            "RoleSessionName": f"costs-{next(numbers)}",
            "ExternalId": _EXTERNAL_ID,
            **more,
        }

    session = _session(await server.call(caller, "sts", wanted()))

    def sts(key: Key, **parameters: str) -> bytes:
        return server.sign(key, "sts", parameters)

    def iam(**parameters: str) -> bytes:
        return server.sign(root, "iam", parameters)

    cold_roles = _new_roles(server.store, role_arn)
    tags = {}
    for number in range(_TAGS):
        tags[f"Tags.member.{number + 1}.Key"] = f"k{number}"
        tags[f"Tags.member.{number + 1}.Value"] = "v"
    for number in range(20):
        await server.call(root, "iam", {"Action": "CreateUser", "UserName": f"person{number}"})
    yield Subject("get_caller_identity", lambda: sts(caller, Action="GetCallerIdentity"), b"<GetCallerIdentityResult>")
    yield Subject(
        "get_caller_identity_session", lambda: sts(session, Action="GetCallerIdentity"), b"<GetCallerIdentityResult>"
    )
    yield Subject("assume_role", lambda: sts(caller, **wanted()), b"<AccessKeyId>ASIA")
    yield Subject("assume_role_cold", lambda: sts(caller, **wanted(RoleArn=next(cold_roles))), b"<AccessKeyId>ASIA")
    yield Subject("assume_role_50_tags", lambda: sts(caller, **wanted(**tags)), b"<AccessKeyId>ASIA")
    # SDKs keep the order of the caller's arguments.
    yield Subject("assume_role_50_tags_first", lambda: sts(caller, **tags, **wanted()), b"<AccessKeyId>ASIA")
    yield Subject(
        "assume_role_50_new_tags",
        lambda: sts(caller, **wanted(**{**tags, "Tags.member.7.Value": f"{next(numbers)}"})),
        b"<AccessKeyId>ASIA",
    )
    yield Subject("assume_role_denied", lambda: sts(caller, **wanted(ExternalId="other")), b"<Code>AccessDenied")
    yield Subject("get_session_token", lambda: sts(caller, Action="GetSessionToken"), b"<AccessKeyId>ASIA")
    yield Subject("get_role", lambda: iam(Action="GetRole", RoleName="costs"), b"<RoleName>costs")
    yield Subject("get_user", lambda: iam(Action="GetUser", UserName="person7"), b"<UserName>person7")
    yield Subject("list_users", lambda: iam(Action="ListUsers"), b"<UserName>person19")
    yield Subject("create_user", lambda: iam(Action="CreateUser", UserName=f"new{next(numbers)}"), b"<UserName>new")
    federated = {**await web_identity_requests(server), **await saml_requests(server)}
    for name, next_request in federated.items():
        yield Subject(name, next_request, b"<AccessKeyId>ASIA")


def _new_roles(store: Store, model_arn: str) -> Iterator[str]:
    """Yield the ARNs of roles that no request named before. Each has the trust policy of the model."""
    with store.read() as reader:
        model = records.find_by_arn(reader, model_arn)
    assert isinstance(model, Role)
    numbers = count()
    while True:
        batch = [
            replace(model, name=f"cold{number}", id=f"AROA{number:017d}") for number in islice(numbers, _ROLES_AT_ONCE)
        ]
        with store.write() as writer:
            for role in batch:
                records.insert(writer, role)
        yield from (role.arn for role in batch)


def _session(body: bytes) -> Key:
    return Key(find_text(body, "AccessKeyId"), find_text(body, "SecretAccessKey"), find_text(body, "SessionToken"))


async def count_subject(server: LoopServer, subject: Subject) -> Counts:
    """Return the least work of a few requests. Raises ValueError for a wrong answer.

    What is made once a second, or after a change of the store, is not in it. The work of a worker thread is counted
    without that of the connection.
    """
    at_once = [await _is_at_once(server, subject) for _ in range(_WARM_UP)]
    is_at_once = any(at_once[-_REQUESTS:])
    feed = server.feed if is_at_once else server.feed_pipeline
    found: list[Counts] = []
    for _ in range(_ATTEMPTS):
        counts = await _count_once(server, subject, feed, is_at_once=is_at_once)
        found += [] if counts is None else [counts]
        if len(found) == _REQUESTS:
            break
    least = min(found, key=lambda each: each.bytecodes)
    least.c_calls = min(each.c_calls for each in found)
    return least


async def _is_at_once(server: LoopServer, subject: Subject) -> bool:
    server.feed(subject.next_request())
    is_at_once = bool(server.wire.written)
    _check(subject, await server.wait())
    return is_at_once


async def _count_once(
    server: LoopServer, subject: Subject, feed: Callable[[bytes], None], *, is_at_once: bool
) -> Counts | None:
    """Return the work of one request, or None if it went to a worker thread this time."""
    counts = Counts(is_at_once=is_at_once)
    for count_work in (count_python, count_builtins):
        count_work(partial(feed, subject.next_request()), counts)
        if not server.wire.written:
            _check(subject, await server.wait())
            return None
        _check(subject, server.take())
    return counts


def _check(subject: Subject, answer: bytes) -> None:
    if subject.marker not in answer:
        raise ValueError(f"{subject.name} was answered by {answer!r}")
