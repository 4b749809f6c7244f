"""AWS variables that point clients of a process at a server for tests.

Owns the variables. Clients find no other credentials, files or endpoints, so that a test never calls AWS.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3

from daypass.testing.server import RunningServer


def aws_variables(server: RunningServer, folder: Path) -> Mapping[str, str]:
    """Return the variables for the root user of the first account.

    Profiles are files in `folder`, which do not exist at first.

    >>> from daypass.testing.server import running_server
    >>> with running_server() as server:
    ...     aws_variables(server, Path("/tmp"))["AWS_ENDPOINT_URL"] == server.url
    True
    """
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": server.root.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.root.secret_access_key,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(folder / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def aws_environment(server: RunningServer, folder: Path) -> Iterator[Mapping[str, str]]:
    """Replace all AWS variables of the process until the context ends.

    The default session of boto3 is replaced too, because it keeps credentials.

    >>> from daypass.testing.server import running_server
    >>> with running_server() as server, aws_environment(server, Path("/tmp")):
    ...     boto3.client("sts").get_caller_identity()["Account"]
    '123456789012'
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    kept_session, boto3.DEFAULT_SESSION = boto3.DEFAULT_SESSION, None
    variables = aws_variables(server, folder)
    _replace(variables)
    try:
        yield variables
    finally:
        _replace(kept)
        boto3.DEFAULT_SESSION = kept_session


def _replace(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
