"""Writes of IAM on PostgreSQL: eight accounts, each with an administrator that creates users.

Owns the database server, which flushes each commit to the disk, as in production. It may run on every core.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import count, cycle

from bench.iam_subjects import ROUND_OF_USERS, VERSION, WRITERS, administrator
from bench.servers import BenchError, Cores, daypass_program, started_daypass_at
from bench.signed import Signer
from bench.subjects import ROOT_ENVIRONMENT, SIDE, Keys, Stage, Subject
from tests.storage.postgresql import Cluster, start_cluster

_ENVIRONMENT = {**ROOT_ENVIRONMENT, "DAYPASS_MASTER_KEY": base64.b64encode(bytes(32)).decode()}  # for this run alone
_ACCOUNTS = tuple(f"{number:012}" for number in range(1, WRITERS + 1))


def create_user_postgresql(running: ExitStack, cores: Cores) -> Iterator[Subject]:
    """Start both servers, and yield the subject. Without PostgreSQL, say so and yield no subject."""
    cluster = start_cluster(fsync="on")
    if not isinstance(cluster, Cluster):
        print(f"create_user_postgresql: {cluster}, left out", file=sys.stderr)
        return
    running.callback(cluster.remove)
    url = cluster.url.render_as_string(hide_password=False)
    server = running.enter_context(started_daypass_at(cores.server, url, _ENVIRONMENT))
    roots = [_new_account(url, account) for account in _ACCOUNTS]
    stages = [Stage(server, root, root, "", "") for root in roots]
    signers: list[Signer] = [stage.signer(administrator(stage), "iam") for stage in stages]
    turns, names = cycle(signers), count()

    def fresh(number: int) -> Iterable[bytes]:
        asked = {"Action": "CreateUser", "Version": VERSION}
        return (next(turns).sign({**asked, "UserName": f"new-{next(names)}"}) for _ in range(number))

    yield Subject(
        "create_user_postgresql",
        server,
        (),
        b"<UserName>new-",
        fresh=fresh,
        most=ROUND_OF_USERS * len(_ACCOUNTS),
        share=SIDE,
        connections=WRITERS,
    )


def _new_account(url: str, account: str) -> Keys:
    """Create an account, and return its root key."""
    command = [daypass_program(), "account", "create", "--id", account, "--store", url, "--output", "json"]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, **_ENVIRONMENT})
    if done.returncode:
        raise BenchError(f"daypass account create: {done.stderr.decode(errors='replace')}")
    key = json.loads(done.stdout)["RootAccessKey"]
    return Keys(key["AccessKeyId"], key["SecretAccessKey"])
