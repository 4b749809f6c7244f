"""Servers whose database is stopped, or cut off: what they serve, for how long, and what proxies see."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.components import find_program
from tests.process.daypass import ROOT, Running, serving
from tests.proxies.programs import proxy
from tests.storage.faulty_proxy import faulty_proxy
from tests.storage.postgresql import Cluster, fresh_database, own_cluster

pytestmark = pytest.mark.slow

_KEY = {"DAYPASS_MASTER_KEY": "0123456789abcdef" * 4}
_ACCOUNT = ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": _ACCOUNT}, "Action": "sts:AssumeRole"}],
    }
)
_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@pytest.fixture
def database() -> Iterator[str]:
    """Return the URL of an empty database."""
    with fresh_database() as url:
        yield url


@pytest.fixture
def cluster(database: str) -> Iterator[Cluster]:
    """Return a server that may be stopped, and leave it running."""
    if os.environ.get("DAYPASS_TEST_POSTGRESQL"):
        pytest.skip("DAYPASS_TEST_POSTGRESQL names a server that is not ours to stop")
    found = own_cluster()
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    if not found.is_running():
        found.start()


def health(server: Running) -> tuple[int, str]:
    """Return the status and the text of `/readyz`."""
    try:
        with urllib.request.urlopen(f"{server.url}/readyz", timeout=60) as answer:  # noqa: S310 - our own address
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


def until(is_true: Callable[[], bool]) -> None:
    """Wait until something is true, for a minute at most."""
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def code_of(call: Callable[[], Any]) -> str:
    """Return the error code of a call, or "" for a success."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def make_user(server: Running, name: str) -> dict[str, str]:
    """Create a user who may do everything, and return its key."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=_ALL)
    made: dict[str, str] = iam.create_access_key(UserName=name)["AccessKey"]
    return made


@pytest.mark.component("haproxy")
def test_an_outage_after_a_write_costs_no_cached_answer_behind_haproxy(
    cluster: Cluster, database: str, tmp_path: Path
) -> None:
    """HAProxy checks `/readyz`, and the database stops right after a write: every cached call is answered."""
    if find_program("haproxy") is None:
        pytest.skip("haproxy is not installed")
    environment = {**ROOT, **_KEY, "DAYPASS_TRUSTED_PROXIES": "127.0.0.1/32", "DAYPASS_AUDIT_LOG": "none"}
    with serving(database, environment=environment) as server:
        port = int(server.url.rpartition(":")[2])
        with proxy("haproxy", tmp_path, port, check="check inter 100ms fall 1 rise 1") as url:
            behind = Running(server.process, url, server.errors)
            key = make_user(behind, "ann")
            iam, sts = behind.client("iam"), behind.client("sts", key)
            iam.create_role(RoleName="app", AssumeRolePolicyDocument=_TRUST)
            role = f"arn:aws:iam::{_ACCOUNT}:role/app"

            def call() -> None:
                session = sts.assume_role(RoleArn=role, RoleSessionName="one")["Credentials"]
                behind.client("sts", session).get_caller_identity()

            call()
            iam.create_user(UserName="last")
            cluster.stop()
            until(lambda: code_of(call) != "" or health(server) == (200, "degraded"))
            end = time.monotonic() + 3
            calls = 0
            while time.monotonic() < end:
                call()
                calls += 1
            assert calls > 0
            assert health(server) == (200, "degraded")
            assert code_of(lambda: iam.create_user(UserName="lost")) == "ServiceUnavailable"
            call()  # a refused write does no harm
            cluster.start()
            until(lambda: health(server) == (200, "ready"))
            until(lambda: code_of(lambda: iam.create_user(UserName="later")) in ("", "EntityAlreadyExists"))


def test_a_node_that_is_cut_off_serves_for_the_bound_and_then_refuses(database: str) -> None:
    """It honours a revoked key for `stale_seconds`, then answers 503. Connected again, it refuses the key."""
    nodes = {**ROOT, **_KEY, "DAYPASS_AUDIT_LOG": "none"}
    with (
        serving(database, environment=nodes) as here,
        faulty_proxy(database) as (link, through),
        serving(through, environment=nodes | {"DAYPASS_STALE_SECONDS": "5"}) as there,
    ):
        key = make_user(here, "ann")
        until(lambda: code_of(there.client("sts", key).get_caller_identity) == "")
        sts = there.client("sts", key)
        sts.get_caller_identity()

        link.is_silent = True
        cut = time.monotonic()
        here.client("iam").update_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"], Status="Inactive")
        assert code_of(here.client("sts", key).get_caller_identity) == "InvalidClientTokenId"
        until(lambda: health(there) == (200, "degraded"))
        assert time.monotonic() - cut > 5 or code_of(sts.get_caller_identity) == ""
        until(lambda: health(there)[0] == 503)
        assert time.monotonic() - cut >= 4  # the bound counts from the last query, up to half a second before
        assert code_of(sts.get_caller_identity) == "ServiceUnavailable"

        link.is_silent = False
        until(lambda: health(there) == (200, "ready"))
        assert code_of(sts.get_caller_identity) == "InvalidClientTokenId"
        assert code_of(there.client("sts").get_caller_identity) == ""
