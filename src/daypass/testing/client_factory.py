"""boto3 clients for a server of this package.

Owns their endpoint, credentials and time limits.
"""

import os
from functools import cache
from typing import Any, Protocol

try:
    import boto3
    import botocore.session
    from botocore.config import Config as BotoConfig

    from daypass.bootstrap import RootKey
    from daypass.testing.server import RunningServer
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


def client_factory(server: RunningServer) -> ClientFactory:
    """Return a factory of boto3 clients for a server.

    >>> from daypass.testing.server import running_server
    >>> with running_server() as server:
    ...     client_factory(server)("sts").get_caller_identity()["Arn"]
    'arn:aws:iam::123456789012:root'
    """

    def make(service: str, credentials: Any = None, /) -> Any:
        key_id, secret, token = _parts(server.root if credentials is None else credentials)
        return _session().client(
            service,
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=BotoConfig(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
        )

    return make


@cache
def _session() -> Any:
    """Return a session without the profile and the files of the person who runs the tests."""
    nothing: dict[str, Any] = {"profile": (None, [], None, None)}
    nothing |= {name: (None, [], os.devnull, None) for name in ("config_file", "credentials_file")}
    return boto3.Session(botocore_session=botocore.session.Session(nothing))


def _parts(credentials: Any) -> tuple[str, str, str | None]:
    if isinstance(credentials, RootKey):
        return credentials.access_key_id, credentials.secret_access_key, None
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("SessionToken")
