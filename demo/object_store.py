"""The store of objects of the demonstration, and the gateway in front of it.

Owns the two processes. The store is SeaweedFS where its package can be installed, else moto.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.stage import free_port, wait_until_ready

_BIN = Path(sys.executable).parent
_KEY = {"AccessKeyId": "AKIAIOSFODNN7STORE00", "SecretAccessKey": "the-only-key-that-the-store-knows"}
_PATIENCE = 30.0  # seconds to stop


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """A running store. `profile` is its kind, as the gateway names it."""

    url: str
    profile: str
    key_file: Path


@contextmanager
def running_store(folder: Path) -> Iterator[ObjectStore]:
    """Start a store with its data in `folder`."""
    folder.mkdir()
    key_file = folder / "store.key"
    key_file.touch(mode=0o600)
    key_file.write_text(json.dumps(_KEY))
    port, weed = free_port(), _BIN / "weed"
    url = f"http://127.0.0.1:{port}"
    if weed.exists():
        store, command = ObjectStore(url, "seaweedfs", key_file), _seaweedfs(weed, folder, port)
    else:
        command = [str(_BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        store = ObjectStore(url, "moto", key_file)
    with (folder / "store.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until_ready(url, process, folder / "store.log")
        yield store
    finally:
        process.kill()  # SeaweedFS takes half a minute to stop by itself
        process.wait(_PATIENCE)


def _seaweedfs(weed: Path, folder: Path, port: int) -> list[str]:
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    credentials = [{"accessKey": _KEY["AccessKeyId"], "secretKey": _KEY["SecretAccessKey"]}]
    identity = {"name": "gateway", "credentials": credentials, "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    command = [str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.port={port}", f"-s3.port.grpc={free_port()}", f"-s3.config={folder}/s3.json"]
    for name in ("master.port", "volume.port", "filer.port"):
        command += [f"-{name}={free_port()}", f"-{name}.grpc={free_port()}"]
    command += [f"-filer.localSocket={folder}/filer.sock", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    return [*command, "-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"]


@contextmanager
def running_gateway(folder: Path, arguments: Sequence[str]) -> Iterator[str]:
    """Start `daypass gateway` on free ports, and yield its URL."""
    port, admin = free_port(), free_port()
    listen = ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAYPASS_"))}
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [str(_BIN / "daypass"), "gateway", *listen, *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{admin}/readyz", process, folder / "gateway.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(_PATIENCE)
