"""pytest fixtures: a running server, and its boto3 clients.

Use them with `pytest_plugins = ["daypass.testing.plugin"]`. The extra `testing` of Daypass installs the required
libraries.
"""

from collections.abc import Iterator
from typing import Any, Protocol

try:
    import boto3
    import pytest
    from botocore.config import Config as BotoConfig

    from daypass.bootstrap import RootKey
    from daypass.testing.server import RunningServer, running_server
except ModuleNotFoundError as error:
    raise ImportError(
        f"daypass.testing needs {error.name}, which is not installed: pip install 'daypass[testing]'"
    ) from error


class ClientFactory(Protocol):
    """A factory of boto3 clients for the running server."""

    def __call__(self, service: str, credentials: Any = None, /) -> Any:
        """Return a client for `sts` or `iam`.

        `credentials` is a RootKey, the `Credentials` or `AccessKey` member of a response, or None for the first
        account's root user.
        """
        ...


@pytest.fixture
def daypass_server() -> Iterator[RunningServer]:
    """Run a server with a memory store and one account, for one test.

    A test takes it as an argument:

        def test_expiry(daypass_server, client):
            daypass_server.clock.move(timedelta(hours=2))
    """
    with running_server() as server:
        yield server


@pytest.fixture
def client(daypass_server: RunningServer) -> ClientFactory:
    """Return the factory of boto3 clients for the test's server.

    A test takes it as an argument:

        def test_account(client):
            assert client("sts").get_caller_identity()["Account"] == "123456789012"
    """
    return client_factory(daypass_server)


def client_factory(server: RunningServer) -> ClientFactory:
    """Return a factory of boto3 clients for a server.

    >>> with running_server() as server:
    ...     client_factory(server)("sts").get_caller_identity()["Arn"]
    'arn:aws:iam::123456789012:root'
    """

    def make(service: str, credentials: Any = None, /) -> Any:
        key_id, secret, token = _parts(server.root if credentials is None else credentials)
        return boto3.client(
            service,
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=BotoConfig(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
        )

    return make


def _parts(credentials: Any) -> tuple[str, str, str | None]:
    if isinstance(credentials, RootKey):
        return credentials.access_key_id, credentials.secret_access_key, None
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")
