"""Growth: the same calls on a store of ten users and roles and on one of a hundred thousand of each.

Owns the two stores, which are filled before their servers start, and the calls: ten users who each assume a role of
their own, so that what is in use is the same in both. A third store has roles that are assumed once each: their cost
while they are not cached, and the memory that they take afterwards.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from statistics import median

from bench.driver import Load
from bench.figures import Figure, Round
from bench.servers import Cores, Measured, Server, started_daypass
from bench.signed import Signer
from bench.subjects import SIDE, Keys, Subject, client

from daypass.bootstrap import NewAccountRequest, create_account
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.store import Writer
from daypass.storage.master_key import MasterKeySource
from daypass.storage.views import OpenedStore
from daypass.wiring_store import open_everything

_ACCOUNT = "111122223333"
_IN_USE = 10
_OTHERS, _OF_AN_ACCOUNT = 500_000_000_000, 1_000
_BORN = datetime(2026, 1, 1, tzinfo=UTC)
_TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
_CALLER = "AIDABENCHBENCHBENCH01"
_COLD_ROUND = 3_000  # requests of a round at most, so that the roles suffice for eight rounds
_COLD_ROLES, _PLAIN_ROLES = 32_000, 8_000
_LOADED_BEFORE, _LOADED = 2_000, 5_000
_LONG_ENOUGH_SECONDS = 30.0
SHARE = 0.75  # of a full round


@dataclass(frozen=True, slots=True)
class Growth:
    """The sizes that are compared."""

    many: int = 100_000

    @property
    def sizes(self) -> tuple[int, int]:
        """Return the number of roles, and of users, of the small and the large store."""
        return _IN_USE, self.many

    def subjects(self, running: ExitStack, cores: Cores, scratch: Path, admin: Keys) -> Iterator[Subject]:
        """Fill a store of each size, start a server on it, and yield its subject."""
        for size in self.sizes:
            store = scratch / f"growth-{size}.db"
            with _filled(store, admin) as there:
                _add_others(there, size - _IN_USE)
            server = running.enter_context(started_daypass(cores.server, store, {}))
            requests = _requests(_callers(server, admin))
            yield _subject(f"assume_role_of_{size}", server, requests)

    def figures(self, rounds: Mapping[str, Sequence[Round]], servers: Mapping[str, Measured]) -> list[Figure]:
        """Return how many times as long the large store's calls take, round by round, and the memory it takes."""
        small_name, large_name = (f"assume_role_of_{size}" for size in self.sizes)
        pairs = list(zip(rounds[small_name], rounds[large_name], strict=True))
        return [
            Figure("growth_latency", median(large.p50_ms / small.p50_ms for small, large in pairs), "x"),
            Figure("growth_cpu", median(large.cpu_us / small.cpu_us for small, large in pairs), "x"),
            Figure("growth_rss_mib", servers[large_name].resident_mib(), "MiB"),
        ]


def _subject(name: str, server: Server, requests: Iterator[bytes]) -> Subject:
    def fresh(number: int) -> Iterable[bytes]:
        return islice(requests, number)

    return Subject(name, server, (), b"<AccessKeyId>ASIA", fresh=fresh, share=SHARE)


@contextmanager
def _filled(store: Path, admin: Keys) -> Iterator[OpenedStore]:
    """Make a store with an account and its root key, and close it at the end."""
    there = open_everything(Config(store=f"sqlite:///{store}"), MasterKeySource())
    try:
        with there.store.write() as writer:
            wanted = NewAccountRequest(_ACCOUNT, access_key_id=admin.key_id, secret_access_key=admin.secret)
            _add_account(there, writer, wanted)
        yield there
    finally:
        there.store.close()


def _add_account(there: OpenedStore, writer: Writer, wanted: NewAccountRequest) -> None:
    create_account(writer, wanted, now=_BORN, entropy=there.entropy, vault=there.vault)


def _add_others(there: OpenedStore, number: int) -> None:
    """Add users and roles of other accounts that nobody asks for."""
    for start in range(0, number, _OF_AN_ACCOUNT):
        account = str(_OTHERS + start)
        with there.store.write() as writer:
            _add_account(there, writer, NewAccountRequest(account))
            for each in range(start, min(number, start + _OF_AN_ACCOUNT)):
                records.insert(writer, _user(account, each))
                records.insert(writer, _role(account, each, _TRUST))


def _user(account: str, number: int) -> User:
    return User(account=account, id=f"AIDA{number:017d}", name=f"user-{number}", path="/", created=_BORN)


def _role(account: str, number: int, trust: str) -> Role:
    return Role(account=account, id=f"AROA{number:017d}", name=f"role-{number}", path="/", created=_BORN, trust=trust)


def _callers(server: Server, admin: Keys) -> list[tuple[Signer, str]]:
    """Make the users and roles that are in use, as anybody would."""
    iam = client("iam", server.port, admin)
    callers = []
    for number in range(_IN_USE):
        user = iam.create_user(UserName=f"bench-{number}")["User"]["Arn"]
        key = iam.create_access_key(UserName=f"bench-{number}")["AccessKey"]
        statement = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        role = iam.create_role(RoleName=f"bench-{number}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        signer = Signer(key_id=key["AccessKeyId"], secret=key["SecretAccessKey"], port=server.port)
        callers.append((signer, role))
    return callers


def _requests(callers: Sequence[tuple[Signer, str]]) -> Iterator[bytes]:
    """Yield signed calls of the users in turn, without end, each with a new name of its session."""
    for number in count():
        signer, role = callers[number % len(callers)]
        yield signer.sign(_assume_role(role, f"bench-{number}"))


def _assume_role(role: str, session: str) -> dict[str, str]:
    return {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": session}


# Roles that are not cached -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RolesOnce:
    """Roles that are assumed once each: `cold` with two conditions, for their cost, and `plain` with none."""

    cold: Subject
    plain: Subject

    def memory(self, load: Load) -> list[Figure]:
        """Return the memory that a cached role takes. The bar is on a plain one: conditions take more."""
        return [
            Figure("kib_per_cached_role", _kib_per_role(load, self.plain), "KiB"),
            Figure("kib_per_cached_role_with_conditions", _kib_per_role(load, self.cold), "KiB"),
        ]


def roles_once(running: ExitStack, cores: Cores, scratch: Path, admin: Keys) -> RolesOnce:
    """Fill a store with roles that one user may assume, start a server on it, and return the subjects.

    Each of the roles with conditions has a trust policy of its own.
    """
    store = scratch / "cold.db"
    with _filled(store, admin) as there, there.store.write() as writer:
        records.insert(writer, User(account=_ACCOUNT, id=_CALLER, name="cold", path="/", created=_BORN))
        for number in range(_COLD_ROLES + _PLAIN_ROLES):
            records.insert(writer, _role(_ACCOUNT, number, _trust_of(number)))
    server = running.enter_context(started_daypass(cores.server, store, {}))
    key = client("iam", server.port, admin).create_access_key(UserName="cold")["AccessKey"]
    signer = Signer(key_id=key["AccessKeyId"], secret=key["SecretAccessKey"], port=server.port)
    return RolesOnce(
        _once("assume_role_cold", server, signer, range(_COLD_ROLES)),
        _once("assume_role_plain", server, signer, range(_COLD_ROLES, _COLD_ROLES + _PLAIN_ROLES)),
    )


def _once(name: str, server: Server, signer: Signer, numbers: range) -> Subject:
    requests = (signer.sign(_assume_role_once(number)) for number in numbers)

    def fresh(number: int) -> Iterable[bytes]:
        return islice(requests, number)

    return Subject(name, server, (), b"<AccessKeyId>ASIA", fresh=fresh, most=_COLD_ROUND, share=SIDE)


def _trust_of(number: int) -> str:
    statement: dict[str, object] = {"Effect": "Allow", "Principal": {"AWS": _CALLER}, "Action": "sts:AssumeRole"}
    if number < _COLD_ROLES:
        statement["Condition"] = {
            "StringEquals": {"sts:ExternalId": f"external-{number}"},
            "IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]},
        }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _assume_role_once(number: int) -> dict[str, str]:
    role = f"arn:aws:iam::{_ACCOUNT}:role/role-{number}"
    return {**_assume_role(role, f"bench-{number}"), "ExternalId": f"external-{number}"}


def _kib_per_role(load: Load, subject: Subject) -> float:
    """Assume roles that are new to the server. Others come first, so that everything else that grows has its size."""
    load.run(replace(subject, most=_LOADED_BEFORE), _LONG_ENOUGH_SECONDS)
    before = subject.server.resident_mib()
    loaded = load.run(replace(subject, most=_LOADED), _LONG_ENOUGH_SECONDS).requests
    return (subject.server.resident_mib() - before) * 1024 / loaded
