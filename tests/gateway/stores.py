"""The S3-compatible stores behind the gateway: SeaweedFS and moto.

Each starts once in a test run, on free ports of the loopback interface, with one access key, and is killed at the end.
Tests share the store, so a test creates its own bucket with `StoreServer.new_bucket`. SeaweedFS folds keys, checks
chunk signatures and commits short bodies; moto keeps keys as they are and checks no signature.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.components import find_seaweedfs
from tests.sockets import free_port

ACCESS_KEY_ID = "STOREACCESSKEY"
SECRET = "the-secret-of-the-store"
REGION = "us-east-1"
_START = 60  # seconds; SeaweedFS starts in 3
_IDENTITY = {
    "name": "gateway",
    "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
}
_BUCKETS = count(1)


@dataclass(frozen=True)
class StoreServer:
    """A running store. The key has every permission at it."""

    name: str
    port: int
    access_key_id: str = ACCESS_KEY_ID
    secret: str = SECRET
    region: str = REGION

    @property
    def url(self) -> str:
        """Return the endpoint, in path style."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """Return a boto3 client with the key of the store."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def new_bucket(self) -> str:
        """Create a bucket for one test, and return its name."""
        name = f"bucket-{next(_BUCKETS)}"
        self.client().create_bucket(Bucket=name)
        return name


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Run SeaweedFS for the whole test run."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def moto_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Run moto's S3 for the whole test run."""
    with running_moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@contextmanager
def running_seaweedfs(folder: Path) -> Iterator[StoreServer]:
    """Run SeaweedFS with its data in a directory."""
    program = find_seaweedfs()
    assert program is not None, "SeaweedFS is not installed"
    port = free_port()
    (folder / "s3.json").write_text(json.dumps({"identities": [_IDENTITY]}))
    command = [program, "server", *seaweedfs_options(folder, port)]
    store = StoreServer("seaweedfs", port)
    with _running(command, folder, store):
        yield store


def seaweedfs_options(folder: Path, port: int) -> Iterator[str]:
    """Yield the options of `weed server`, for a store of S3 alone on free ports."""
    yield from (f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.port={port}")
    for name in ("master.port", "volume.port", "filer.port"):
        yield from (f"-{name}={free_port()}", f"-{name}.grpc={free_port()}")
    yield f"-s3.port.grpc={free_port()}"
    # These two have fixed ports otherwise, and a second SeaweedFS of this machine would not start.
    yield from ("-s3.port.iceberg=0", "-s3.port.lance=0")
    yield from (f"-s3.config={folder}/s3.json", f"-filer.localSocket={folder}/filer.sock", "-master.telemetry=false")
    # A bucket takes seven volumes, which do not have their size in advance.
    yield from ("-master.volumeSizeLimitMB=64", "-volume.max=2000")


@contextmanager
def running_moto(folder: Path) -> Iterator[StoreServer]:
    """Run moto as a server of its own."""
    store = StoreServer("moto", free_port())
    program = str(Path(sys.executable).with_name("moto_server"))
    with _running([program, "-H", "127.0.0.1", "-p", str(store.port)], folder, store):
        yield store


@contextmanager
def _running(command: list[str], folder: Path, store: StoreServer) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for_store(process, store.client().list_buckets, folder / "output")
        yield
    finally:
        process.kill()  # SeaweedFS takes half a minute to stop by itself
        process.wait(10)


def wait_for_store(process: "subprocess.Popen[bytes]", answers: Callable[[], object], output: Path) -> None:
    """Wait until a store answers."""
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            answers()
        except Exception:  # noqa: BLE001 - a store that starts refuses connections, or answers with an error
            time.sleep(0.05)  # the program does not announce it
        else:
            return
    raise AssertionError(f"it did not start: {output.read_text(errors='replace')[-4000:]}")
