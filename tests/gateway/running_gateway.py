"""A server and a gateway in this process, over one store of accounts, in front of a running S3 store.

Everything is real: the sockets, the signatures, the policies, the data path and the store behind it.
"""

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from tests.gateway.stores import StoreServer
from tests.gateway.transfers.running_data_path import QUICK, RunningDataPath

from daypass.audit.event import AuditRecord
from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.directory.store import Store
from daypass.gateway.settings import BackendSetting, GatewaySettings
from daypass.http.peer import PeerRule
from daypass.testing.plugin import client_factory
from daypass.testing.server import Recorder, RunningServer, running_server
from daypass.wiring_gateway import build_gateway, map_buckets, open_backends, open_directory

ALLOW_ALL = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
Statement = Mapping[str, Any]


def document(*statements: Statement) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class AwaitedRecords(Recorder):
    """Audit records of a gateway. A record is written after the client has its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._added = threading.Condition()

    def __call__(self, record: AuditRecord, /) -> None:
        """Keep a record."""
        with self._added:
            super().__call__(record)
            self._added.notify_all()

    def of(self, response: Any) -> AuditRecord:
        """Return the record of the request that a boto3 response belongs to."""
        headers = response["ResponseMetadata"]["HTTPHeaders"]
        return self.with_id(headers["x-amz-request-id"])

    def with_id(self, request_id: str) -> AuditRecord:
        """Return the record with a request id."""
        return self.first(lambda record: record.request_id == request_id)

    def first(self, is_meant: Callable[[AuditRecord], bool]) -> AuditRecord:
        """Return the first record that is meant, and wait for it."""
        with self._added:
            record = self._added.wait_for(lambda: next(filter(is_meant, self.audit_records), None), timeout=60)
        assert record is not None, "the request was not recorded"
        return record


@dataclass
class RunningGateway:
    """A gateway at `url`, its server, and the audit events of the gateway.

    `proxies` is the listener for proxies.
    """

    server: RunningServer
    store: StoreServer
    path: RunningDataPath
    proxies: RunningDataPath
    audit: AwaitedRecords
    others: tuple[RootKey, ...] = ()
    sessions: int = 0
    last_role: str = ""

    @property
    def url(self) -> str:
        """Return the S3 endpoint."""
        return f"http://127.0.0.1:{self.path.port}"

    def s3(self, credentials: Any = None, **config: Any) -> Any:
        """Return an S3 client: for the first account's root user, a key or a session, or unsigned for False."""
        key_id, secret, token = _parts(self.server.root if credentials is None else credentials)
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=config.pop("region", "eu-test-1"),
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=BotoConfig(
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=30,
                s3={"addressing_style": "path"},
                **config,
            ),
        )

    def sts(self) -> Any:
        """Return an STS client of the first account's root user."""
        return client_factory(self.server)("sts")

    def role(
        self,
        *statements: Statement,
        root: RootKey | None = None,
        session: Sequence[Statement] = (),
        signature: str | None = None,
    ) -> Any:
        """Return an S3 client of a new role's session with these permissions."""
        credentials = self.credentials(*statements, root=root, session=session)
        return self.s3(credentials, signature_version=signature) if signature else self.s3(credentials)

    def credentials(
        self, *statements: Statement, root: RootKey | None = None, session: Sequence[Statement] = ()
    ) -> Any:
        """Return the credentials of a session of a new role."""
        caller = client_factory(self.server)
        key = root or self.server.root
        self.sessions += 1
        name = f"role-{self.sessions}"
        trust = document(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{key.account}:root"}}
        )
        iam = caller("iam", key)
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=document(*statements))
        self.last_role = role["Arn"]
        user = iam.create_user(UserName=f"user-{self.sessions}")["User"]["UserName"]
        iam.put_user_policy(
            UserName=user,
            PolicyName="assume",
            PolicyDocument=document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}),
        )
        access = iam.create_access_key(UserName=user)["AccessKey"]
        more = {"Policy": document(*session)} if session else {}
        sts = caller("sts", access)
        return sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test", **more)["Credentials"]

    @contextmanager
    def moved(self, step: timedelta) -> Iterator[None]:
        """Move the clock of the server and the gateway."""
        self.server.clock.move(step)
        try:
            yield
        finally:
            self.server.clock.move(-step)

    def new_bucket(self, root: RootKey | None = None) -> str:
        """Create a bucket of an account through the gateway."""
        self.sessions += 1
        name = f"gw-{os.getpid()}-{self.path.port}-{self.sessions}"
        self.s3(root).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-test-1"})
        return name


def _parts(credentials: Any) -> tuple[str | None, str | None, str | None]:
    if isinstance(credentials, RootKey):
        return credentials.access_key_id, credentials.secret_access_key, None
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")


@contextmanager
def running_gateway(
    store: StoreServer,
    settings: GatewaySettings | None = None,
    config: Config | None = None,
    *,
    accounts: Sequence[str] = (),
    more_stores: Mapping[str, StoreServer] = MappingProxyType({}),
) -> Iterator[RunningGateway]:
    """Run a server and a gateway in front of a store, which is the backend "default".

    `accounts` are further accounts of the server, and `more_stores` further backends by name.
    """
    with running_server() as server, tempfile.TemporaryDirectory() as folder:
        others = tuple(server.new_account(account) for account in accounts)
        stores = {"default": store, **more_stores}
        settings_of_stores = tuple(_backend(name, each, Path(folder)) for name, each in stores.items())
        given = replace(settings or GatewaySettings(), backends=settings_of_stores)
        backends = open_backends(given)
        audit = AwaitedRecords()
        with server.there.store.read() as reader:
            bucket_map = map_buckets(given, backends, reader)
        there = replace(server.there, store=_Shared(server.there.store))
        used = config or server.config
        worker = build_gateway(given, used, open_directory(used, there, bucket_map), backends=backends, sink=audit)
        path = RunningDataPath(worker.judge, QUICK, peers=PeerRule(used.trusted_proxies))
        proxies = RunningDataPath(worker.proxy_judge, QUICK, peers=PeerRule(()))
        try:
            yield RunningGateway(server, store, path, proxies, audit, others)
        finally:
            path.close()
            proxies.close()
            for stop in worker.on_stop:
                stop()


def _backend(name: str, store: StoreServer, folder: Path) -> BackendSetting:
    file = folder / f"{name}.key"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"AccessKeyId": store.access_key_id, "SecretAccessKey": store.secret}))
    return BackendSetting(name, store.url, str(file), store.name, store.region)


class _Shared:
    """A store that the server closes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def close(self) -> None:
        """Leave it open."""
