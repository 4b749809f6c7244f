"""One Daypass server behind nginx, Caddy and HAProxy, each started once."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.components import find_program
from tests.process.daypass import ROOT, Running, serving
from tests.proxies.programs import proxy

CLIENT = "127.0.0.7"  # clients connect to the proxies from here; the proxies connect from 127.0.0.1
PROXIES = [pytest.param(name, marks=pytest.mark.component(name)) for name in ("nginx", "caddy", "haproxy")]


@dataclass(frozen=True)
class Behind:
    """A proxy at `url`, and the audit events of the server behind it."""

    name: str
    url: str
    audit: Path

    def connect(self) -> socket.socket:
        """Connect to the proxy as one of its clients."""
        host, _, port = self.url.partition("://")[2].partition(":")
        connection = socket.create_connection((host, int(port)), timeout=30, source_address=(CLIENT, 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def events(self, action: str, agent: str = "") -> list[dict[str, Any]]:
        """Return the audit events of one action, optionally of one user agent."""
        events = [json.loads(line) for line in self.audit.read_text().splitlines()]
        return [each for each in events if each["eventName"] == action and agent in each.get("userAgent", "")]


@pytest.fixture(scope="session")
def audit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of the server's audit log."""
    return tmp_path_factory.mktemp("daypass") / "audit.jsonl"


@pytest.fixture(scope="session")
def daypass_behind_proxies(audit_file: Path) -> Iterator[Running]:
    """Run a server that trusts the proxies of this machine."""
    environment = {**ROOT, "DAYPASS_TRUSTED_PROXIES": "127.0.0.1/32", "DAYPASS_AUDIT_LOG": str(audit_file)}
    with serving(f"sqlite:///{audit_file.parent / 'd.db'}", environment=environment) as server:
        yield server


@pytest.fixture(scope="session")
def started(
    daypass_behind_proxies: Running, audit_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Behind]]:
    """Keep the started proxies until the end."""
    with ExitStack() as running:
        found = {}
        for name in ("nginx", "caddy", "haproxy"):
            if find_program(name) is not None:
                port = int(daypass_behind_proxies.url.rpartition(":")[2])
                url = running.enter_context(proxy(name, tmp_path_factory.mktemp(name), port))
                found[name] = Behind(name, url, audit_file)
        yield found


@pytest.fixture(params=PROXIES)
def behind(request: pytest.FixtureRequest, started: dict[str, Behind]) -> Behind:
    """Return each installed proxy in turn."""
    name: str = request.param
    if name not in started:
        pytest.skip(f"{name} is not installed")
    return started[name]
