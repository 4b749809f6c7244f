"""Buckets of a gateway elsewhere: their records come from the server, and changes go to it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.credentials import Credentials
from tests.documents import allow, document
from tests.resource_server.conftest import REGION
from tests.resource_server.test_changes import until

from daypass.bootstrap import RootKey
from daypass.directory.buckets import find_bucket, insert_bucket
from daypass.directory.entities.bucket_entities import PublicAccessBlock, StoredBucket
from daypass.gateway.buckets.buckets import BucketMap, BucketMapping
from daypass.gateway.buckets.remote_buckets import RemoteBuckets, RemoteBucketWriter, RemoteViews
from daypass.testing.server import RunningServer
from daypass.verify.keys import NotLoadedError
from daypass.verify.remote import RemoteKeys
from daypass.verify.remote_server.server_connection import ServerConnection
from daypass.verify.s3.errors import S3Error

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BLOCK = PublicAccessBlock()


class Gateway:
    """The buckets of a gateway, and the writer of their records."""

    def __init__(self, server: RunningServer, name: str, key: Credentials, keys: RemoteKeys, account: str) -> None:
        self.connection = ServerConnection(server.url, name, key, region=REGION)
        self.facts = keys.facts
        bucket_map = BucketMap((BucketMapping("mapped-*", account, "s"),))
        views = RemoteViews(self.connection, keys.facts, waits=False)
        waiting = RemoteViews(self.connection, keys.facts, waits=True)
        self.at_once = RemoteBuckets(views, waiting, bucket_map)
        self.buckets = RemoteBuckets(waiting, waiting, bucket_map)
        self.writer = RemoteBucketWriter(self.connection, keys.facts, BLOCK)


@pytest.fixture
def gateway(
    server: RunningServer, name: str, gateway_key: Credentials, keys: RemoteKeys, root: RootKey, iam: Any
) -> Gateway:
    """Return a gateway that may also change buckets."""
    arn = f"arn:aws:daypass::{root.account}:resource-server/{name}"
    policy = document(allow("daypass:ManageBuckets", arn))
    iam.put_user_policy(UserName="gateway", PolicyName="buckets", PolicyDocument=policy)
    return Gateway(server, name, gateway_key, keys, root.account)


def record(server: RunningServer, name: str, account: str) -> None:
    """Record an active bucket."""
    bucket = StoredBucket(name=name, account=account, backend="s", created=NOW, public_access_block=BLOCK)
    with server.there.store.write() as writer:
        insert_bucket(writer, bucket)


def test_a_recorded_bucket_has_its_owner_and_policy(server: RunningServer, gateway: Gateway, root: RootKey) -> None:
    """The policy was stored at the server, and is compiled at the gateway."""
    name = f"b-{root.account}"
    record(server, name, root.account)
    bucket = gateway.buckets.find(name)
    assert bucket is not None
    assert (bucket.account, bucket.backend, bucket.policy) == (root.account, "s", None)
    assert bucket.resource_keys["aws:resourceaccount"] == root.account
    policy = document({**allow("s3:GetObject", f"arn:aws:s3:::{name}/*"), "Principal": {"AWS": root.account}})
    gateway.writer.put_policy(bucket, policy, now=NOW)
    changed = gateway.buckets.find(name)
    assert changed is not None
    assert changed.policy is not None
    assert "s3:GetObject" in gateway.buckets.shown_policy(name)
    assert [each.name for each in gateway.buckets.list_of(root.account)] == [name]


def test_the_event_loop_does_not_wait(gateway: Gateway, server: RunningServer, root: RootKey) -> None:
    """A missing fact raises NotLoadedError; after its load, the answer is at hand."""
    name = f"c-{root.account}"
    record(server, name, root.account)
    for _ in range(3):
        try:
            gateway.at_once.find(name)
        except NotLoadedError as missing:
            missing.load()
    found = gateway.at_once.find(name)
    assert found is not None
    assert found.name == name


def test_a_bucket_of_another_account_is_never_adopted(server: RunningServer, gateway: Gateway) -> None:
    """A mapping of the gateway matches its name, but the record decides. The owner is not told."""
    other = server.new_account()
    name = f"mapped-{other.account}"
    record(server, name, other.account)
    assert gateway.buckets.find(name) is None
    owner = gateway.buckets.owner_of(name)
    assert owner is not None
    assert (owner.account, owner.active) == ("", False)
    assert gateway.buckets.shown_policy(name) == ""
    assert gateway.buckets.list_of(other.account) == ()


def test_a_mapped_bucket_without_a_record_belongs_to_the_mapping(gateway: Gateway, root: RootKey) -> None:
    """The server does not know it; the gateway's own settings do."""
    bucket = gateway.buckets.find("mapped-free")
    assert bucket is not None
    assert (bucket.account, bucket.stored) == (root.account, None)
    assert gateway.buckets.find("unmapped-free") is None


def test_the_owners_of_many_names_are_one_question(server: RunningServer, gateway: Gateway, root: RootKey) -> None:
    """A list of a backend's buckets may be longer than the limit of questions in a second."""
    names = [f"mapped-{number}" for number in range(900)] + [f"no-{number}" for number in range(900)]
    taken = server.new_account().account
    record(server, "mapped-7", taken)
    owned = gateway.buckets.owned(root.account, "s", names)
    assert owned == frozenset(f"mapped-{number}" for number in range(900) if number != 7)


def test_a_change_elsewhere_arrives(server: RunningServer, gateway: Gateway, root: RootKey) -> None:
    """The name was free, and is taken by another account later."""
    name = f"mapped-late-{root.account}"
    assert gateway.buckets.find(name) is not None
    record(server, name, server.new_account().account)
    until(lambda: gateway.buckets.find(name) is None)


def test_a_bucket_is_reserved_confirmed_and_released(server: RunningServer, gateway: Gateway, root: RootKey) -> None:
    """The checks of the server's transaction count: a name is taken once."""
    name = f"new-{root.account}"
    gateway.writer.reserve(name, root.account, "s", region=REGION, now=NOW)
    assert gateway.buckets.find(name) is None
    gateway.writer.confirm(name, root.account)
    bucket = gateway.buckets.find(name)
    assert bucket is not None
    with pytest.raises(S3Error) as taken:
        gateway.writer.reserve(name, root.account, "s", region=REGION, now=NOW)
    assert taken.value.code == "BucketAlreadyOwnedByYou"
    with pytest.raises(S3Error) as malformed:
        gateway.writer.put_policy(bucket, "{", now=NOW)
    assert malformed.value.code == "MalformedPolicy"
    gateway.writer.put_public_access_block(bucket, None, now=NOW)
    gateway.writer.begin_deletion(bucket, now=NOW)
    gateway.writer.release(name, root.account)
    with server.there.store.read() as reader:
        assert find_bucket(reader, name) is None


def test_changes_need_a_permission_of_their_own(gateway: Gateway, root: RootKey, iam: Any) -> None:
    """A gateway with daypass:GetSigningKey alone cannot change any bucket."""
    iam.delete_user_policy(UserName="gateway", PolicyName="buckets")
    with pytest.raises(S3Error, match="daypass:ManageBuckets") as refusal:
        gateway.writer.reserve(f"no-{root.account}", root.account, "s", region=REGION, now=NOW)
    assert (refusal.value.status, refusal.value.code) == (403, "AccessDenied")


def test_changes_of_other_accounts_are_refused(server: RunningServer, gateway: Gateway) -> None:
    """The registration names the accounts."""
    other = server.new_account()
    with pytest.raises(S3Error, match=f"account {other.account}") as refusal:
        gateway.writer.reserve(f"no-{other.account}", other.account, "s", region=REGION, now=NOW)
    assert (refusal.value.status, refusal.value.code) == (403, "AccessDenied")
