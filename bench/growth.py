"""Growth: the same calls on a store of ten users and roles and on one of a hundred thousand of each.

Owns the two stores, which are filled before their servers start, and the calls: ten users who each assume a role of
their own, so that what is in use is the same in both.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import boto3
from bench.figures import Figure, Round
from bench.servers import Cores, Measured, Server, started_daypass
from bench.signed import sign
from bench.subjects import Keys, Subject

from daypass.bootstrap import NewAccountRequest, create_account
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.store import Writer
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything

_ACCOUNT = "111122223333"
_IN_USE = 10
_SIZES = (_IN_USE, 100_000)
_OTHERS, _OF_AN_ACCOUNT = 500_000_000_000, 1_000
_VARIANTS = 250
_BORN = datetime(2026, 1, 1, tzinfo=UTC)
_TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'


def growth_subjects(running: ExitStack, cores: Cores, scratch: Path, admin: Keys) -> Iterator[Subject]:
    """Fill a store of each size, start a server on it, and yield its subject."""
    for size in _SIZES:
        store = scratch / f"growth-{size}.db"
        _fill(store, size - _IN_USE, admin)
        server = running.enter_context(started_daypass(cores.server, store, {}))
        yield Subject(_name(size), server, tuple(_requests(server, admin)), b"<AccessKeyId>ASIA")


def growth_figures(rounds: Mapping[str, Sequence[Round]], servers: Mapping[str, Measured]) -> list[Figure]:
    """Return how many times as long the large store's calls take, round by round, and the memory it takes."""
    few, many = (rounds[_name(size)] for size in _SIZES)
    pairs = list(zip(few, many, strict=True))
    return [
        Figure("growth_latency", median(large.p50_ms / small.p50_ms for small, large in pairs), "x"),
        Figure("growth_cpu", median(large.cpu_us / small.cpu_us for small, large in pairs), "x"),
        Figure("growth_rss_mib", servers[_name(_SIZES[-1])].resident_mib(), "MiB"),
    ]


def _name(size: int) -> str:
    return f"assume_role_of_{size}"


def _fill(store: Path, more: int, admin: Keys) -> None:
    """Make a store with an account, its root key, and `more` users and roles of other accounts that nobody asks for."""
    there = open_everything(Config(store=f"sqlite:///{store}"), MasterKeySource())

    def add_account(writer: Writer, wanted: NewAccountRequest) -> None:
        create_account(writer, wanted, now=_BORN, entropy=there.entropy, vault=there.vault)

    try:
        with there.store.write() as writer:
            add_account(writer, NewAccountRequest(_ACCOUNT, access_key_id=admin.key_id, secret_access_key=admin.secret))
        for start in range(0, more, _OF_AN_ACCOUNT):
            account = str(_OTHERS + start)
            with there.store.write() as writer:
                add_account(writer, NewAccountRequest(account))
                for number in range(start, min(more, start + _OF_AN_ACCOUNT)):
                    records.insert(writer, _user(account, number))
                    records.insert(writer, _role(account, number))
    finally:
        there.store.close()


def _user(account: str, number: int) -> User:
    return User(account=account, id=f"AIDA{number:017d}", name=f"user-{number}", path="/", created=_BORN)


def _role(account: str, number: int) -> Role:
    return Role(account=account, id=f"AROA{number:017d}", name=f"role-{number}", path="/", created=_BORN, trust=_TRUST)


def _requests(server: Server, admin: Keys) -> Iterator[bytes]:
    """Make the users and roles that are in use, as anybody would, and yield their signed calls."""
    iam = boto3.client(
        "iam",
        endpoint_url=f"http://127.0.0.1:{server.port}",
        region_name="us-east-1",
        aws_access_key_id=admin.key_id,
        aws_secret_access_key=admin.secret,
    )
    callers: list[tuple[Keys, str]] = []
    for number in range(_IN_USE):
        user = iam.create_user(UserName=f"bench-{number}")["User"]["Arn"]
        key = iam.create_access_key(UserName=f"bench-{number}")["AccessKey"]
        statement = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = iam.create_role(RoleName=f"bench-{number}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        callers.append((Keys(key["AccessKeyId"], key["SecretAccessKey"]), role))
    for number in range(_VARIANTS):
        caller, role = callers[number % _IN_USE]
        parameters = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": "bench"}
        yield sign(parameters, key_id=caller.key_id, secret=caller.secret, port=server.port)
