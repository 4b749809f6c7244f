"""The shipped configurations of nginx and Caddy, with the addresses of a test, and a service that records requests."""

import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.components import find_program
from tests.sockets import free_port

PACKAGING = Path(__file__).parents[3] / "packaging/proxies"
_START = 60.0  # seconds until a program that does not listen fails the test
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
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
_CADDY = "{{\n    admin off\n    auto_https off\n    storage file_system {folder}\n}}\n{config}"


class RecordingService:
    """A service that remembers the requests that reach it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                service.requests.append((self.command, self.path, headers, body))
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"done\n")

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer  # noqa: N815 - the names of http.server

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
                """Do not log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def shipped_proxy(name: str, folder: Path, addresses: dict[int, int]) -> Iterator[int]:
    """Run a shipped configuration, and yield its port.

    `addresses` maps the ports that the file names to those of the test; 8080 is the port of the proxy.
    """
    program = find_program("caddy" if name == "Caddyfile" else "nginx")
    assert program is not None
    port = free_port()
    text = (PACKAGING / name).read_text(encoding="utf-8")
    for written, used in {**addresses, 8080: port}.items():
        assert f"127.0.0.1:{written}" in text, f"{name} does not name port {written}"
        text = re.sub(rf"127\.0\.0\.1:{written}\b", f"127.0.0.1:@{used}", text)
    text = text.replace("127.0.0.1:@", "127.0.0.1:")
    config = folder / name
    config.write_text((_CADDY if name == "Caddyfile" else _NGINX).format(folder=folder, config=text))
    arguments = (
        ["run", "--config", str(config), "--adapter", "caddyfile"]
        if name == "Caddyfile"
        else ["-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    )
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": _PATH}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program, *arguments], env=home, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait(process, port, folder / "output")
        yield port
    finally:
        process.kill()
        process.wait(10)


def _wait(process: "subprocess.Popen[bytes]", port: int, output: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)  # the program does not announce it
        else:
            return
    raise AssertionError(f"it did not start: {output.read_text()}")
