"""packaging/container/compose.yaml and its Caddyfile: their rules, and a rolling restart behind the real Caddy."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.components import find_program
from tests.process.steady_calls import KeptCalls, SteadyCalls
from tests.proxies.nodes import Node, signed_call
from tests.sockets import free_port

from daypass.config import Config, load_config
from daypass.http.listening import HANDSHAKE_SECONDS
from daypass.http.server import GRACE_SECONDS

_FOLDER = Path(__file__).parents[2] / "packaging/container"
_NODES = ("node-a", "node-b")
_PAGE = Path(__file__).parents[2] / "docs/container.md"


@pytest.fixture(scope="module")
def compose() -> Any:
    """Return compose.yaml."""
    return yaml.safe_load((_FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def test_every_secret_is_a_file(compose: Any) -> None:
    """Services get secrets as files, each is defined, and docs/container.md makes each."""
    used = {name for service in compose["services"].values() for name in service.get("secrets", ())}
    assert used == set(compose["secrets"])
    page = _PAGE.read_text(encoding="utf-8")
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f">secrets/{name}" in page
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|MASTER|PGSERVICEFILE", name):
                assert value.startswith("/run/secrets/")
                assert value.removeprefix("/run/secrets/") in service["secrets"]


@pytest.mark.parametrize("name", _NODES)
def test_a_node_is_confined_and_stops_in_time(compose: Any, name: str) -> None:
    """It has read-only files, no capabilities, and more time to stop than it needs."""
    node = compose["services"][name]
    assert node["read_only"] is True
    assert node["cap_drop"] == ["ALL"]
    assert node["security_opt"] == ["no-new-privileges:true"]
    assert int(node["stop_grace_period"].removesuffix("s")) > Config().drain_seconds + HANDSHAKE_SECONDS + GRACE_SECONDS
    assert "ports" not in node


def test_the_settings_of_a_node_are_valid(compose: Any) -> None:
    """They load, and the only trusted proxy is Caddy."""
    node = compose["services"]["node-a"]
    settings = {name: value for name, value in node["environment"].items() if name.startswith("DAYPASS_")}
    settings["DAYPASS_PUBLIC_URL"] = re.sub(r"\$\{[^}]*\}", "sts.example.com", settings["DAYPASS_PUBLIC_URL"])
    config = load_config({"host": "0.0.0.0"}, settings)  # noqa: S104 - as the image does
    address = compose["services"]["caddy"]["networks"]["inside"]["ipv4_address"]
    assert [str(each) for each in config.trusted_proxies] == [f"{address}/32"]


@contextmanager
def _caddy(folder: Path, nodes: list[Node]) -> Iterator[int]:
    """Run Caddy with the shipped file, and yield its port."""
    program = find_program("caddy")
    assert program is not None
    text, port = (_FOLDER / "Caddyfile").read_text(encoding="utf-8"), free_port()
    for name, node in zip(_NODES, nodes, strict=True):
        text, count = re.subn(rf"\b{name}:7878\b", f"127.0.0.1:{node.port}", text)
        assert count == 1
    config = folder / "Caddyfile"
    config.write_text("{\n\tadmin off\n}\n" + text, encoding="utf-8")
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [program, "run", "--config", str(config), "--adapter", "caddyfile"],
            env={"DAYPASS_SITE": f"http://127.0.0.1:{port}", "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.02)  # the program does not announce it
            else:
                yield port
                return
        raise AssertionError((folder / "output").read_text(encoding="utf-8"))
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.slow
@pytest.mark.component("caddy")
def test_a_rolling_restart_behind_caddy_loses_no_request(tmp_path: Path) -> None:
    """Each node drains longer than Caddy's check needs to fail, and Caddy sends nothing twice."""
    with ExitStack() as stack:
        nodes = []
        for _ in _NODES:
            nodes.append(Node(f"sqlite:///{tmp_path / 'd.db'}", 5))
            stack.callback(nodes[-1].kill)
            nodes[-1].wait()
        port = stack.enter_context(_caddy(tmp_path, nodes))
        kept = stack.enter_context(KeptCalls(port, signed_call(), 3))
        new = stack.enter_context(SteadyCalls(port, signed_call(), 3))
        for node in nodes:
            kept.wait_for(50)
            new.wait_for(50)
            node.restart()
        kept.wait_for(50)
        new.wait_for(50)
        kept.stop()
        new.stop()
        assert (kept.lost, new.lost, kept.refused + new.refused) == ([], [], 0)
