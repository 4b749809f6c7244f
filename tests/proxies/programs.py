"""nginx, Caddy and HAProxy as operators run them in front of Daypass.

Each starts on a free port and is killed at the end.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.components import find_program
from tests.sockets import free_port

_START = 60.0  # seconds until a program that does not listen fails the test
# Debian installs servers in directories that are only on root's PATH.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' '';
    }}
    upstream daypass {{
        server 127.0.0.1:{upstream};
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 20m;
        location / {{
            proxy_pass http://daypass;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""

_CADDY = """
{{
    admin off
    auto_https off
    storage file_system {folder}
}}
:{port} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{upstream}
}}
"""

_HAPROXY = """
global
    maxconn 1000
defaults
    mode http
    http-reuse always
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend clients
    bind 127.0.0.1:{port}
    http-request del-header x-forwarded-for
    http-request set-header X-Forwarded-Proto http
    option forwardfor
    default_backend daypass
backend daypass
    option httpchk GET /readyz
    server daypass 127.0.0.1:{upstream} {check}
"""

_CONFIGS: Mapping[str, str] = {"nginx": _NGINX, "caddy": _CADDY, "haproxy": _HAPROXY}
_COMMANDS: Mapping[str, Callable[[Path, Path], list[str]]] = {
    "nginx": lambda config, folder: ["-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")],
    "caddy": lambda config, _: ["run", "--config", str(config), "--adapter", "caddyfile"],
    "haproxy": lambda config, _: ["-db", "-f", str(config)],
}


@contextmanager
def proxy(name: str, folder: Path, upstream: int, *, check: str = "") -> Iterator[str]:
    """Run a proxy in front of a local port. Yield its URL.

    HAProxy checks the health of the server if `check` has the words for it.
    """
    program = find_program(name)
    assert program is not None, f"{name} is not installed"
    port = free_port()
    config = folder / f"{name}.conf"
    config.write_text(_CONFIGS[name].format(folder=folder, port=port, upstream=upstream, check=check))
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "PATH": _PATH}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program, *_COMMANDS[name](config, folder)],
            env=home,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, folder / "output")
        yield f"http://127.0.0.1:{port}"
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
