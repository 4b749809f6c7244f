"""The servers of `make bench-peers`: Daypass, SeaweedFS and Ceph's RADOS gateway, each with a user and a role.

Owns how the peers are started and configured, and the list of the checks that each server makes. All of them run on the
servers' core, with one processor each.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.servers import BenchError, Readiness, cpu_seconds_of, family, free_port, pinned, resident_mib_of, started_on
from bench.subjects import Keys, Stage, client
from botocore.exceptions import BotoCoreError, ClientError
from tests.components import COMPONENTS
from tests.gateway import radosgw, stores

_PATIENCE_SECONDS = 30
_SEAWEEDFS_ACCOUNT = "000000000000"
_STS_KEY = "rgw sts key = bench-only-16-ch\nrgw s3 auth use sts = true\n"

CHECKS = {
    "daypass": "SigV4 signature; trust policy with a principal (in assume_role_conditions with two conditions too:"
    " external id, address of the caller), policies of the caller, permissions boundary, session limits; one audit"
    " event a request",
    "seaweedfs": "SigV4 signature; trust policy with a principal (it refuses every AssumeRole of a role with one of the"
    " two conditions), denials in policies of the caller; no audit event",
    "ceph": "SigV4 signature; trust policy with a principal; no audit event",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A server under measurement whose processes have been found by name."""

    port: int
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """Return the CPU time of its processes so far."""
        return sum(map(cpu_seconds_of, self.pids))

    def resident_mib(self) -> float:
        """Return the resident memory of its processes."""
        return sum(map(resident_mib_of, self.pids))


def missing_reason(component: str) -> str | None:
    """Return why a peer is not measured, or None if it is installed."""
    known = COMPONENTS[component]
    return None if known.find() else f"not installed: {known.package}"


@contextmanager
def started_seaweedfs(core: int, folder: Path) -> Iterator[Stage]:
    """Start SeaweedFS with a user and a role that trusts it. Its processes are threads of one."""
    folder.mkdir()
    keys, port = Keys("AKIADAYPASSBENCHPEER", "bench/only/secret/of/forty/characters/01"), free_port()
    user = f"arn:aws:iam::{_SEAWEEDFS_ACCOUNT}:user/bench"
    role = f"arn:aws:iam::{_SEAWEEDFS_ACCOUNT}:role/bench"
    identity = {
        "name": "bench",
        "credentials": [{"accessKey": keys.key_id, "secretKey": keys.secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "iam.json").write_text(json.dumps(_seaweedfs_roles(user, role)))
    program = COMPONENTS["seaweedfs"].find()
    command = [str(program), "server", *stores.seaweedfs_options(folder, port), f"-s3.iam.config={folder}/iam.json"]
    with started_on((core,), "seaweedfs", command, Readiness(port, "/healthz"), {}) as server:
        try:
            _wait_for_identity(port, keys)
            yield Stage(server, keys, keys, user, role)
        finally:
            server.process.kill()  # it takes half a minute to stop by itself


def _seaweedfs_roles(user: str, role: str) -> dict[str, object]:
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": ["sts:AssumeRole"]}
    rights = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}
    return {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "bench",
            "signingKey": "YmVuY2gtb25seS1zaWduaW5nLWtleS0zMi1ieXRlcyE=",
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [
            {
                "roleName": "bench",
                "roleArn": role,
                "trustPolicy": {"Version": "2012-10-17", "Statement": [trust]},
                "attachedPolicies": ["bench"],
            }
        ],
        "policies": [{"name": "bench", "document": {"Version": "2012-10-17", "Statement": [rights]}}],
    }


def _wait_for_identity(port: int, keys: Keys) -> None:
    """Wait until the server knows its user: it answers to health checks earlier."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            client("sts", port, keys).get_caller_identity()
        except (ClientError, BotoCoreError) as reason:
            if time.monotonic() > end:
                raise BenchError(f"SeaweedFS does not know its user: {reason}") from reason
            time.sleep(0.1)
        else:
            return


@contextmanager
def started_ceph(core: int, folder: Path) -> Iterator[Stage]:
    """Start a cluster of Ceph with one gateway, a user, and a role that trusts it."""
    folder.mkdir()
    keys, user = Keys(stores.ACCESS_KEY_ID, stores.SECRET), "arn:aws:iam:::user/gateway"
    trust = {"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": ["sts:AssumeRole"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    with pinned(core), radosgw.running_radosgw(folder, _STS_KEY) as store:
        words = ("role", "create", "--role-name", "bench", "--path", "/", "--assume-role-policy-doc", document)
        radosgw.run_ceph(folder, "radosgw-admin", "-n", "client.rgw", *words)
        pids = tuple(pid for pid in family(os.getpid()) if _name_of(pid) == "radosgw")
        yield Stage(Peer(store.port, pids), keys, keys, user, "arn:aws:iam:::role/bench")


def _name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()
