"""The programs that people use with S3, through `daypass gateway` in front of SeaweedFS.

Each works with the session of a role, over http and https: objects with metadata, ranges, uploads in parts, lists,
copies, presigned URLs, and deletions of one object and of many, as far as the program has them.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.components import client_python
from tests.gateway.clients.endpoints import ClientEndpoints, running_endpoints
from tests.gateway.stores import StoreServer

HERE = Path(__file__).parent
_LONG = 240  # seconds
pytestmark = [pytest.mark.slow, pytest.mark.timeout(_LONG + 60)]


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory, seaweedfs: StoreServer) -> Iterator[ClientEndpoints]:
    """Run the gateway for all programs."""
    with running_endpoints(tmp_path_factory.mktemp("endpoints"), seaweedfs) as running:
        yield running


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    """Return the scheme of the endpoint."""
    return str(request.param)


def use(endpoints: ClientEndpoints, scheme: str, folder: Path, command: list[str]) -> None:
    """Run a program until it ends. It uses a bucket of its own."""
    bucket = endpoints.new_bucket(scheme)
    ended = subprocess.run(
        command,
        env=endpoints.environment(scheme, bucket, folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_LONG,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, f"{ended.stdout[-4_000:]}\n{ended.stderr[-8_000:]}"


def _script(name: str) -> list[str]:
    return ["bash", "-euxo", "pipefail", str(HERE / f"{name}_client.sh")]


def _python(name: str) -> list[str]:
    return [str(client_python(name)), str(HERE / f"{name}_client.py")]


def test_boto3(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It sends checksums in a header over http, and in a trailer over https."""
    use(endpoints, scheme, tmp_path, [sys.executable, str(HERE / "boto3_client.py")])


def test_aws_cli(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """The commands of s3 and s3api."""
    use(endpoints, scheme, tmp_path, _script("aws"))


@pytest.mark.component("aws-sdk-js")
def test_javascript(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It sends streams with a trailer, and hoists headers into presigned URLs."""
    use(endpoints, scheme, tmp_path, ["node", str(HERE / "javascript_client.mjs")])


@pytest.mark.component("s3fs")
def test_s3fs(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It has its own environment, because it needs another botocore."""
    use(endpoints, scheme, tmp_path, _python("s3fs"))


@pytest.mark.component("pyarrow")
def test_pyarrow(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """The AWS SDK for C++: every file in parts, with a trailer."""
    use(endpoints, scheme, tmp_path, _python("pyarrow"))


@pytest.mark.component("pyiceberg")
def test_pyiceberg(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """A table is created, appended to, overwritten and purged."""
    use(endpoints, scheme, tmp_path, _python("pyiceberg"))


@pytest.mark.component("duckdb")
def test_duckdb(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It reads by ranges and lists by globs."""
    use(endpoints, scheme, tmp_path, _python("duckdb"))


@pytest.mark.component("minio-py")
def test_minio_py(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It signs without a library of AWS."""
    use(endpoints, scheme, tmp_path, _python("minio"))


@pytest.mark.component("curl")
@pytest.mark.component("rclone")
def test_rclone(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It lists with ListObjects, and does not sign bodies."""
    use(endpoints, scheme, tmp_path, _script("rclone"))


@pytest.mark.component("curl")
@pytest.mark.component("s5cmd")
def test_s5cmd(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """The AWS SDK for Go, version 1."""
    use(endpoints, scheme, tmp_path, _script("s5cmd"))


@pytest.mark.component("s3cmd")
def test_s3cmd(endpoints: ClientEndpoints, scheme: str, tmp_path: Path) -> None:
    """It signs without a library of AWS."""
    use(endpoints, scheme, tmp_path, _script("s3cmd"))
