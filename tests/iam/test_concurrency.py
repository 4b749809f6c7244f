"""Concurrent administrators: no change is lost, and no quota is exceeded."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.iam.conftest import EC2, LIST_BUCKET
from tests.refusals import code_of
from tests.storage.postgresql import fresh_database

from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server


def at_once(calls: list[Callable[[], Any]]) -> list[str]:
    """Make each call in its own thread, and return their error codes, empty for a success."""
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(code_of, calls))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/daypass.db"
        return
    with fresh_database() as url:
        yield url


def test_changes_to_one_thing_are_all_kept(store: str) -> None:
    """Each call reads and writes in one transaction.

    Thus concurrent inline policies, tags and versions are all stored, and quotas apply.
    """
    with running_server(store=store, master_key=secrets.token_hex(32)) as server:
        make = client_factory(server)
        iam, clients = make("iam"), [make("iam") for _ in range(8)]
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
        arn = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]

        def spread(action: str, *parameters: dict[str, Any]) -> list[str]:
            return at_once(
                [
                    lambda client=clients[number % 8], given=given: getattr(client, action)(**given)  # type: ignore[misc]
                    for number, given in enumerate(parameters)
                ]
            )

        names = [f"n{number:02d}" for number in range(24)]
        put = [{"RoleName": "r", "PolicyName": name, "PolicyDocument": LIST_BUCKET} for name in names]
        assert set(spread("put_role_policy", *put)) == {""}
        assert iam.list_role_policies(RoleName="r")["PolicyNames"] == names
        tag = [{"RoleName": "r", "Tags": [{"Key": name, "Value": ""}]} for name in names]
        assert set(spread("tag_role", *tag)) == {""}
        assert [one["Key"] for one in iam.list_role_tags(RoleName="r")["Tags"]] == names
        versions = spread("create_policy_version", *[{"PolicyArn": arn, "PolicyDocument": LIST_BUCKET}] * 12)
        assert sorted(versions) == [""] * 4 + ["LimitExceeded"] * 8
        created = spread("create_user", *[{"UserName": "same"}] * 8)
        assert sorted(created) == [""] + ["EntityAlreadyExists"] * 7
        keys = spread("create_access_key", *[{"UserName": "same"}] * 8)
        assert sorted(keys) == ["", ""] + ["LimitExceeded"] * 6


def test_an_account_that_is_busy_delays_no_other() -> None:
    """While a transaction of one account is open, IAM calls of another are answered, and one of its own waits."""
    with fresh_database() as url, running_server(store=url, master_key=secrets.token_hex(32)) as server:
        make = client_factory(server)
        busy, free = server.root.account, server.new_account("210987654321")
        iam, other = make("iam"), make("iam", free)
        iam.create_user(UserName="first")
        with ThreadPoolExecutor(1) as threads:
            with server.there.store.write(account=busy):
                waiting = threads.submit(iam.create_user, UserName="second")
                other.create_user(UserName="ada")
                other.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
                assert [user["UserName"] for user in other.list_users()["Users"]] == ["ada"]
                assert not waiting.done()
            waiting.result(60)
        assert [user["UserName"] for user in iam.list_users()["Users"]] == ["first", "second"]
