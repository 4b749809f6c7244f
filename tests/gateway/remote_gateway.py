"""A gateway that asks a server elsewhere, in front of a running store.

The server, the gateway and the link between them are real. A switch in the link cuts it off.
"""

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials
from tests.documents import allow, document
from tests.gateway.running_gateway import AwaitedRecords, RunningGateway
from tests.gateway.stores import StoreServer
from tests.gateway.transfers.running_data_path import QUICK, RunningDataPath

from daypass.config import Config
from daypass.directory.resource_servers import new_registration, register
from daypass.errors import ServiceUnavailable
from daypass.gateway.settings import BackendSetting, GatewaySettings
from daypass.http.peer import PeerRule
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.verify.remote_server.server_connection import ServerConnection
from daypass.wiring_gateway import ask_directory, build_gateway, map_buckets_elsewhere, open_backends

NAME, REGION = "edge", "eu-test-1"
RIGHTS = ("daypass:GetSigningKey", "daypass:ManageBuckets")


class CutConnection(ServerConnection):
    """A connection that a test can cut: then every request fails as one without an answer."""

    def __init__(self, url: str, credentials: Any) -> None:
        super().__init__(url, NAME, credentials, region="us-east-1")
        self.credentials = credentials
        self.is_cut = threading.Event()

    def _exchange(self, method: str, path: str, parameters: Any, body: bytes) -> tuple[int, bytes]:
        if self.is_cut.is_set():
            raise ServiceUnavailable("no answer", detail="the test cut the link")
        answer = super()._exchange(method, path, parameters, body)
        if self.is_cut.is_set():
            raise ServiceUnavailable("no answer", detail="the test cut the link")
        return answer


@dataclass
class RemoteGateway(RunningGateway):
    """A running gateway with its link to the server."""

    link: CutConnection | None = None


@contextmanager
def remote_gateway(
    store: StoreServer, *, stale_seconds: int = 60, server_store: str = "memory:", master_key: str = ""
) -> Iterator[RemoteGateway]:
    """Run a server, and a gateway that knows nothing but the server's answers.

    The first account of the server adopts the buckets that nothing maps.
    """
    with running_server(store=server_store, master_key=master_key) as server, tempfile.TemporaryDirectory() as folder:
        link = CutConnection(server.url, _registered(server))
        file = Path(folder) / "store.key"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"AccessKeyId": store.access_key_id, "SecretAccessKey": store.secret}))
        backend = BackendSetting("default", store.url, str(file), store.name, store.region)
        settings = GatewaySettings(
            backends=(backend,),
            server=server.url,
            resource_server=NAME,
            identity_profile="edge",
            account=server.root.account,
        )
        config = replace(Config(), gateway_stale_seconds=stale_seconds)
        backends = open_backends(settings)
        directory = ask_directory(link, config, map_buckets_elsewhere(settings, backends))
        audit = AwaitedRecords()
        worker = build_gateway(settings, config, directory, backends=backends, sink=audit)
        path = RunningDataPath(worker.judge, QUICK, peers=PeerRule(()))
        proxies = RunningDataPath(worker.proxy_judge, QUICK, peers=PeerRule(()))
        try:
            _wait(lambda: worker.health() != "unable")
            yield RemoteGateway(server, store, path, proxies, audit, link=link)
        finally:
            path.close()
            proxies.close()
            for stop in worker.on_stop:
                stop()


def _wait(is_ready: Any) -> None:
    ready = threading.Event()
    for _ in range(500):
        if is_ready():
            return
        ready.wait(0.02)
    raise AssertionError("the gateway did not reach its server")


def _registered(server: RunningServer) -> Credentials:
    """Register the gateway, and return a key of its user."""
    account = server.root.account
    registration = new_registration(
        NAME,
        account=account,
        service="s3",
        regions=(REGION,),
        accounts=(account,),
        now=server.clock.now(),
        entropy=server.there.entropy,
    )
    with server.there.store.write() as writer:
        register(writer, registration)
    iam = client_factory(server)("iam")
    iam.create_user(UserName="edge")
    policy = document(allow(list(RIGHTS), registration.arn))
    iam.put_user_policy(UserName="edge", PolicyName="edge", PolicyDocument=policy)
    key = iam.create_access_key(UserName="edge")["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])
