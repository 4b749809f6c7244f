"""Several servers on one store behind a shipped configuration, and signed calls for them."""

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.components import find_program
from tests.process.daypass import BIN, ROOT, clean_environment
from tests.sockets import free_port

_PACKAGING = Path(__file__).parents[2] / "packaging/proxies"
_PORTS = (7871, 7872, 7873)
_START = 60.0  # seconds
_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
{config}
}}
"""
_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"


class Node:
    """One server, which is stopped with SIGTERM and started again."""

    def __init__(self, store: str, drain_seconds: int, *words: str) -> None:
        self.port = free_port()
        self._words = ("--port", str(self.port), "--store", store, *words)
        self._environment = clean_environment({**ROOT, "DAYPASS_DRAIN_SECONDS": str(drain_seconds)})
        self.process = self._start()

    def restart(self) -> None:
        """Stop the server, start it again, and wait until it is ready."""
        self.process.terminate()
        assert self.process.wait(120) == 0
        self.process = self._start()
        self.wait()

    def wait(self) -> None:
        """Wait until the server is ready."""
        end = time.monotonic() + _START
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10).close()
            except (OSError, urllib.error.URLError):
                time.sleep(0.02)  # the process does not announce it
            else:
                return
        raise AssertionError("a node did not start")

    def kill(self) -> None:
        """End the server at once."""
        self.process.kill()
        self.process.wait(60)

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [str(BIN), "serve", *self._words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@contextmanager
def running_nodes(folder: Path, drain_seconds: int) -> Iterator[list[Node]]:
    """Run three servers on one store. The last one has two workers."""
    with ExitStack() as stack:
        nodes = []
        for workers in ("1", "1", "2"):
            node = Node(f"sqlite:///{folder / 'd.db'}", drain_seconds, "--workers", workers)
            stack.callback(node.kill)
            node.wait()
            nodes.append(node)
        yield nodes


@contextmanager
def proxy_of_nodes(name: str, folder: Path, nodes: list[Node]) -> Iterator[int]:
    """Run nginx or haproxy with its shipped configuration, and yield its port."""
    program = find_program(name)
    assert program is not None
    port = free_port()
    text = (_PACKAGING / {"nginx": "nginx-nodes.conf", "haproxy": "haproxy-nodes.cfg"}[name]).read_text()
    for written, used in zip((*_PORTS, 8080), (*(node.port for node in nodes), port), strict=True):
        text, count = re.subn(rf"127\.0\.0\.1:{written}\b", f"127.0.0.1:{used}", text)
        assert count == 1
    config = folder / "config"
    config.write_text(_NGINX.format(folder=folder, config=text) if name == "nginx" else text)
    arguments = {"nginx": ["-c", str(config), "-p", str(folder)], "haproxy": ["-db", "-f", str(config)]}[name]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program, *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + _START
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.02)  # the program does not announce it
            else:
                yield port
                return
        raise AssertionError((folder / "output").read_text())
    finally:
        process.kill()
        process.wait(10)


def signed_call() -> bytes:
    """Return a signed POST of GetCallerIdentity, which proxies do not repeat on their own."""
    request = AWSRequest(
        "POST",
        "http://sts.example.com/",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Host": "sts.example.com"},
        data=_BODY,
    )
    key = Credentials(ROOT["DAYPASS_ROOT_ACCESS_KEY_ID"], ROOT["DAYPASS_ROOT_SECRET_ACCESS_KEY"])
    SigV4Auth(key, "sts", "us-east-1").add_auth(request)
    lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    return f"POST / HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(_BODY)}\r\n\r\n".encode() + _BODY


if __name__ == "__main__":
    # python -m tests.proxies.nodes nginx|haproxy FOLDER CALLS DRAIN: rolling restarts until that many calls were made.
    from tests.process.steady_calls import KeptCalls, SteadyCalls

    place, wanted = Path(sys.argv[2]), int(sys.argv[3])
    with (
        running_nodes(place, int(sys.argv[4])) as those,
        proxy_of_nodes(sys.argv[1], place, those) as at,
        KeptCalls(at, signed_call(), 6) as kept,
        SteadyCalls(at, signed_call(), 6) as new,
    ):
        rounds = 0
        while kept.answered + new.answered < wanted:
            for each in those:
                each.restart()
            rounds += 1
            sys.stdout.write(f"{rounds} rounds: {kept.answered} + {new.answered}, lost {kept.lost + new.lost}\n")
