"""A server with a registered resource server, and a link to it over a real socket."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.credentials import Credentials
from tests.documents import allow, document

from daypass.bootstrap import RootKey
from daypass.directory.resource_servers import new_registration, register
from daypass.testing.server import RunningServer
from daypass.verify.remote import RemoteKeys, ServerChanges
from daypass.verify.remote_server.remote_facts import RemoteFacts
from daypass.verify.remote_server.server_connection import ServerConnection

NAME, REGION = "edge", "us-east-1"


@pytest.fixture
def name(server: RunningServer, root: RootKey) -> str:
    """Register a resource server for the account of the test, and return its name."""
    registered = new_registration(
        f"{NAME}-{root.account}",
        account=root.account,
        service="s3",
        regions=(REGION,),
        accounts=(root.account,),
        now=server.clock.now(),
        entropy=server.there.entropy,
    )
    with server.there.store.write() as writer:
        register(writer, registered)
    return registered.name


@pytest.fixture
def gateway_key(root: RootKey, name: str, iam: Any) -> Credentials:
    """Return a key of the user that may act as the resource server."""
    iam.create_user(UserName="gateway")
    arn = f"arn:aws:daypass::{root.account}:resource-server/{name}"
    policy = document(allow("daypass:GetSigningKey", arn))
    iam.put_user_policy(UserName="gateway", PolicyName="keys", PolicyDocument=policy)
    made = iam.create_access_key(UserName="gateway")["AccessKey"]
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture(scope="module")
def closing(server: RunningServer) -> Iterator[ThreadPoolExecutor]:
    """Return threads that close links while the next tests run.

    A link waits for the answer to its last question, which takes up to a second.
    """
    assert server.url
    with ThreadPoolExecutor(32) as threads:
        yield threads


@pytest.fixture
def keys(
    server: RunningServer, name: str, gateway_key: Credentials, closing: ThreadPoolExecutor
) -> Iterator[RemoteKeys]:
    """Return keys of the running server, and follow its changes."""
    connection = ServerConnection(server.url, name, gateway_key, region=REGION)
    found = RemoteKeys(connection, RemoteFacts(ServerChanges(connection), stale_seconds=60))
    assert found.facts.start(wait=10)
    yield found
    closing.submit(found.close)
