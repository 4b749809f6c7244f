"""Fill a store with many accounts, roles and users, as records and not by calls of the API.

Owns the shape of such a store. Tests use small sizes. The full size is for measurements by hand (CONTRIBUTING.md):

    python -m tests.large_stores DIRECTORY [--accounts 10000] [--roles 10] [--users 10] [--trust everyone] [--beside]

With `--beside`, another process writes all the time, and the waits of its writes are printed. `--store URL` takes a
database of PostgreSQL; its master key is the environment variable DAYPASS_MASTER_KEY.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from tests.documents import allow, document, trusting

from daypass.config import load_config
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account, Entity, ManagedPolicy, PolicyVersion, Role, User
from daypass.directory.links import attachments
from daypass.directory.store import Store
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything

BORN = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_ACCOUNT = 100_000_000_000
_RECORDS_OF_A_WRITE = 20_000
_TRUST = {
    "everyone": {"AWS": "*"},
    "account": {"AWS": "arn:aws:iam::{account}:root"},
    "service": {"Service": "ec2.amazonaws.com"},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a store, and the policies of its roles and users.

    `trust` is everyone, account (their own) or service. One of `assuming` roles and users may assume every role by a
    managed policy of its account; 0 means none of them.
    """

    accounts: int
    roles: int = 10
    users: int = 10
    trust: str = "everyone"
    assuming: int = 10

    def fill(self, store: Store) -> None:
        """Write the records. The store may contain other accounts."""
        entities = self._entities()
        while some := list(islice(entities, _RECORDS_OF_A_WRITE)):
            with store.write() as writer:
                for entity in some:
                    records.insert(writer, entity)
                    if isinstance(entity, Role | User) and self._assumes(entity.name):
                        attachments(entity.account).add(writer, entity.id, policy_arn(entity.account))

    def account(self, number: int) -> str:
        """Return the id of an account, counted from 0."""
        return str(FIRST_ACCOUNT + number)

    def _assumes(self, name: str) -> bool:
        return bool(self.assuming) and int(name.rpartition("-")[2]) % self.assuming == 0

    def _entities(self) -> Iterator[Entity]:
        may_assume = PolicyVersion(id="v1", document=document(allow("sts:AssumeRole")), created=BORN)
        for number in range(self.accounts):
            account = self.account(number)
            yield Account(id=account, name=f"account {number}", created=BORN)
            named: dict[str, Any] = {"account": account, "created": BORN}
            yield ManagedPolicy(
                id=f"ANPA{account}00000000P", name="assume", versions=(may_assume,), default="v1", updated=BORN, **named
            )
            trust = self._trust_of(account)
            for at in range(self.roles):
                yield Role(id=f"AROA{account}{at:08}R", name=f"role-{at}", trust=trust, **named)
            for at in range(self.users):
                yield User(id=f"AIDA{account}{at:08}U", name=f"user-{at}", **named)

    def _trust_of(self, account: str) -> str:
        ((kind, name),) = _TRUST[self.trust].items()
        return document(trusting({kind: name.format(account=account)}))


def policy_arn(account: str) -> str:
    """Return the ARN of an account's policy that allows the assumption of every role."""
    return f"arn:aws:iam::{account}:policy/assume"


def apply_file(accounts: int, roles: int, description: str = "new") -> str:
    """Return a file for `daypass apply` with new accounts, each with this number of roles."""
    own = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject")]}
    found = {}
    for number in range(accounts):
        account = str(200_000_000_000 + number)
        trust = {"Version": "2012-10-17", "Statement": [trusting({"AWS": account})]}
        fields = {"trust": trust, "inline": {"read": own}, "description": description, "tags": {"team": "many"}}
        found[account] = {"name": "many", "roles": {f"new-{at}": fields for at in range(roles)}}
    return json.dumps({"version": 1, "accounts": found})


def fill(store: Path, shape: Shape) -> str:
    """Fill a SQLite store and return its URL."""
    url = f"sqlite:///{store}"
    there = open_store(url)
    try:
        shape.fill(there)
    finally:
        there.close()
    return url


def open_store(url: str) -> Store:
    """Open a store, or make it."""
    source = MasterKeySource(text=os.environ.get("DAYPASS_MASTER_KEY", ""), file="")
    return open_everything(load_config({"store": url}, {}, None), source).store


class Beside:
    """Another process that writes all the time, as another administrator of another account."""

    def __init__(self, url: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_write_until_told, args=(url, there), daemon=True)
        self._process.start()
        self._pipe.recv()

    def end(self) -> str:
        """End it, and return its waits as a line."""
        self._pipe.send(None)
        waits: list[float] = sorted(self._pipe.recv())
        self._process.join()
        late = waits[int(len(waits) * 0.99)]
        return f"{len(waits):>12} other writes: p99 {late * 1000:.0f} ms, longest {waits[-1] * 1000:.0f} ms"


def _write_until_told(url: str, pipe: Any) -> None:
    store, waits = open_store(url), []
    pipe.send(None)
    while not pipe.poll(0.02):
        started = time.monotonic()
        with store.write() as writer:
            unique_id = "AIDA" + os.urandom(12).hex()
            records.insert(writer, User(id=unique_id, name=unique_id, account="999999999999", created=BORN))
        waits.append(time.monotonic() - started)
    pipe.send(waits)


def measure(words: Sequence[str], output: Path) -> str:
    """Run a command, and return its times, its largest memory and the size of its output as a line."""
    started = time.monotonic()
    with output.open("wb") as target:
        child = subprocess.Popen([str(Path(sys.executable).with_name("daypass")), *words], stdout=target)
        _, status, used = _wait(child)
    took = time.monotonic() - started
    return (
        f"{' '.join(words[:3]):<44} exit {status} {took:7.2f} s, {used.ru_utime + used.ru_stime:7.2f} s of processor, "
        f"{used.ru_maxrss / 1024:6.0f} MiB, {output.stat().st_size / 1e6:.2f} MB"
    )


def _wait(child: "subprocess.Popen[bytes]") -> tuple[int, int, resource.struct_rusage]:
    pid, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return pid, child.returncode, used


def _commands(shape: Shape, directory: Path) -> Iterable[list[str]]:
    role = f"arn:aws:iam::{shape.account(0)}:role/role-1"
    new, changed = directory / "new.json", directory / "changed.json"
    new.write_text(apply_file(20, 500))
    changed.write_text(apply_file(20, 500, description="changed"))
    yield ["export"]
    yield ["explain", "--who-can", "sts:AssumeRole", role]
    yield ["graph"]
    yield ["graph", "--format", "html"]
    yield ["graph", "--account", shape.account(0)]
    yield ["apply", str(new), "--dry-run"]
    yield ["apply", str(new)]
    yield ["apply", str(new)]
    yield ["apply", str(changed)]


def main() -> None:
    """Fill the store of a directory, unless it exists, and measure the commands on it."""
    parser = argparse.ArgumentParser(description="Measure operators' commands on a large store.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--roles", type=int, default=10)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--trust", choices=sorted(_TRUST), default="everyone")
    parser.add_argument("--assuming", type=int, default=10)
    parser.add_argument("--only", default="", help="Run only the commands with this word.")
    parser.add_argument("--store", default="", help="The URL of an empty or filled database instead of SQLite's.")
    parser.add_argument("--beside", action="store_true", help="Also measure the waits of another writer.")
    given = parser.parse_args()
    shape = Shape(given.accounts, given.roles, given.users, given.trust, given.assuming)
    given.directory.mkdir(parents=True, exist_ok=True)
    url = given.store or f"sqlite:///{given.directory / 'daypass.db'}"
    store = open_store(url)
    with store.read() as reader:
        is_filled = records.find(reader, Account, "", shape.account(0)) is not None
    if not is_filled:
        started = time.monotonic()
        shape.fill(store)
        print(f"filled in {time.monotonic() - started:.1f} s")  # noqa: T201
    store.close()
    for words in _commands(shape, given.directory):
        if given.only in " ".join(words):
            beside = Beside(url) if given.beside else None
            print(measure([*words, "--store", url], given.directory / f"{words[0]}.out"), flush=True)  # noqa: T201
            if beside is not None:
                print(beside.end(), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
