"""The servers of `make bench-gateway`: the gateway, nginx and the store's stand-in.

Owns their commands and configurations. All but the store's stand-in run on the servers' core.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.servers import Cores, Measured, Server, free_port, started

from daypass.testing.certificates import Authority

_SHIPPED = Path("packaging/proxies/nginx-s3.conf")
# SeaweedFS's profile: a body goes to the store as it came, which is also what nginx does.
PROFILE = "seaweedfs"
_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    upstream bare_store {{ server 127.0.0.1:{store}; keepalive 32; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.3;
        client_max_body_size 0;
        large_client_header_buffers 8 32k;
        location / {{
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
            proxy_pass http://bare_store;
        }}
    }}
{shipped}
}}
"""


@dataclass(frozen=True, slots=True)
class Together:
    """Several servers behind one port, whose costs count together."""

    port: int
    servers: tuple[Server, ...]

    def cpu_seconds(self) -> float:
        """Return the CPU time of all of them."""
        return sum(server.cpu_seconds() for server in self.servers)

    def resident_mib(self) -> float:
        """Return the resident memory of all of them."""
        return sum(server.resident_mib() for server in self.servers)


@dataclass(frozen=True, slots=True)
class Nginx:
    """The fronts of one nginx: the shipped configuration, and a plain proxy with and without TLS."""

    judged: Measured
    plain: Measured
    tls: Measured


@dataclass(frozen=True, slots=True)
class Fronts:
    """What is measured. `nginx` is None if it is not installed."""

    plain: Server
    tls: Server
    nginx: Nginx | None


def find_nginx() -> str | None:
    """Return the path of nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def started_fronts(cores: Cores, scratch: Path, store: Path) -> Iterator[Fronts]:
    """Start the store's stand-in, two gateways and nginx."""
    with ExitStack() as running:
        sink = running.enter_context(_started_sink(cores.client))
        key_file = write_backend_key(scratch)
        certificate = Authority.create().write_server_identity(scratch / "tls.pem", ["localhost", "127.0.0.1"])
        certificate.chmod(0o600)
        verify = free_port()
        common = ["--store", f"sqlite:///{store}", "--backend", f"http://127.0.0.1:{sink.port}"]
        common += ["--backend-key-file", str(key_file), "--profile", PROFILE]
        plain = running.enter_context(
            _started_gateway("gateway", cores.server, [*common, "--verify-listen", f"127.0.0.1:{verify}"])
        )
        tls = ["--tls-cert", str(certificate), "--tls-key", str(certificate)]
        secure = running.enter_context(_started_gateway("gateway-tls", cores.server, [*common, *tls]))
        program = find_nginx()
        nginx = None
        if program is not None:
            folder = scratch / "nginx"
            folder.mkdir()
            addresses = {7882: verify, 7880: plain.port, 8333: sink.port}
            nginx = running.enter_context(
                _started_nginx(program, folder, cores.server, addresses, certificate, judge=plain)
            )
        yield Fronts(plain, secure, nginx)


def write_backend_key(scratch: Path) -> Path:
    """Write the store's key, which its stand-in does not look at."""
    file = scratch / "store.key"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"AccessKeyId": "AKIABENCHSTORE", "SecretAccessKey": "bench/only/store"}))
    return file


@contextmanager
def _started_sink(core: int) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "bench.object_sink", str(port)]
    with started("sink", command, port=port, core=core, ready="/", environment={}) as server:
        yield server


@contextmanager
def _started_gateway(name: str, core: int, options: list[str]) -> Iterator[Server]:
    port, admin = free_port(), free_port()
    daypass = str(Path(sys.executable).with_name("daypass"))
    listen = ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]
    command = [daypass, "gateway", *listen, *options]
    with started(name, command, port=admin, core=core, ready="/readyz", environment={}) as server:
        yield Server(server.name, server.process, port, server.start_ms)


@contextmanager
def _started_nginx(
    program: str, folder: Path, core: int, addresses: dict[int, int], certificate: Path, *, judge: Server
) -> Iterator[Nginx]:
    judged, plain, tls = free_port(), free_port(), free_port()
    shipped = _SHIPPED.read_text(encoding="utf-8")
    ports = {**addresses, 8080: judged}
    shipped = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports[int(found[1])]}", shipped)
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            folder=folder, store=addresses[8333], plain=plain, tls=tls, certificate=certificate, shipped=shipped
        )
    )
    command = [program, "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    with started("nginx", command, port=plain, core=core, ready="/bench/0", environment={}) as server:
        yield Nginx(Together(judged, (server, judge)), Together(plain, (server,)), Together(tls, (server,)))
