"""Clients of the store count on every node within a second, without a restart."""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.process.daypass import ROOT, Running, serving
from tests.saml.browser import Browser
from tests.storage.postgresql import fresh_database

from daypass.cli.main import cli

pytestmark = pytest.mark.slow

ISSUER = "https://login.example.org"
_WITHIN = 3.0  # seconds: one for the nodes, and the rest for a busy machine


@pytest.fixture(params=["sqlite", "postgresql"])
def nodes(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Running]]:
    """Run two servers on one store, which the commands use too."""
    with ExitStack() as stack:
        store = f"sqlite:///{tmp_path}/d.db"
        settings = {"DAYPASS_AUDIT_LOG": "none"}
        if request.param == "postgresql":
            store = stack.enter_context(fresh_database())
            settings["DAYPASS_MASTER_KEY"] = secrets.token_hex(32)
            monkeypatch.setenv("DAYPASS_MASTER_KEY", settings["DAYPASS_MASTER_KEY"])
        monkeypatch.setenv("DAYPASS_STORE", store)
        first = stack.enter_context(serving(store, environment={**settings, **ROOT}))
        yield [first, stack.enter_context(serving(store, environment=settings))]


def test_a_client_appears_and_disappears_on_every_node(nodes: list[Running]) -> None:
    """The command opens the store itself; each node reads the change from there."""
    run("add", "corp", "--issuer", ISSUER, "--client-id", "daypass")
    assert wait(nodes, is_listed=True) < _WITHIN
    run("remove", "corp")
    assert wait(nodes, is_listed=False) < _WITHIN


def run(*words: str) -> None:
    """Run a command on the store."""
    result = CliRunner().invoke(cli, ["oidc", "client", *words])
    assert result.exit_code == 0, result.output


def wait(nodes: list[Running], *, is_listed: bool) -> float:
    """Return how long it took until every node shows the change."""
    start = time.monotonic()
    while any(("login.example.org" in Browser().send(f"{node.url}/login").text) != is_listed for node in nodes):
        assert time.monotonic() < start + 30
        time.sleep(0.05)  # the only way to observe another process
    return time.monotonic() - start
