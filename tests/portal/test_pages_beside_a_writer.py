"""Pages that only read respond while another thread or process has the store's write transaction."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import pytest
from tests.portal.command import Command
from tests.portal.conftest import ACCOUNT, Portal, furnish
from tests.portal.idp import IdpSite
from tests.saml.browser import Browser

from daypass.storage import memory
from daypass.storage.sql.sql_store import SqlStore
from daypass.testing.plugin import client_factory
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import running_server

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""
_MOST_WRONG = 5


@pytest.fixture(params=["memory", "sqlite"])
def portal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Portal]:
    """Run a server on a store of each kind, with a SAML provider."""
    store = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/daypass.db"
    with (
        running_server(store=store, account=ACCOUNT) as server,
        IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as idp,
    ):
        furnish(client_factory(server)("iam"), idp, {"developer": 3_600})
        yield Portal(server, idp)


@contextmanager
def _writer(portal: Portal) -> Iterator[None]:
    """Keep the write transaction open: in another process, or in this one for an in-memory store."""
    path = portal.server.config.store.removeprefix("sqlite:///")
    if path == portal.server.config.store:
        with portal.server.there.store.write():
            yield
        return
    held = subprocess.Popen(
        [sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with held:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        yield


def _browser() -> Browser:
    """Return a browser that accepts secure cookies from a loopback address, like real ones."""
    browser = Browser()
    browser.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
    return browser


def _provider(portal: Portal) -> str:
    """Return the sign-in address of the provider, after a first sign-in has created the server's key."""
    key = _browser().send(f"{portal.url}/login").text.partition('href="/login/saml/')[2].partition('"')[0]
    address = f"{portal.url}/login/saml/{key}"
    assert _browser().send(address).status == 200
    return address


def test_the_page_of_a_command_on_this_machine_answers(portal: Portal) -> None:
    """The page shows the command, and its sign-in starts."""
    provider = _provider(portal)
    command = Command(portal.url, "loopback", redirect_uri="http://127.0.0.1:9/back", state="s" * 32)
    browser = _browser()
    with _writer(portal):
        page = browser.send(command.begun["url"])
        begun = browser.send(f"{provider}?handover={command.begun['url'].rpartition('/')[2]}")
    assert (page.status, begun.status) == (200, 200)
    assert "alice@laptop" in page.text


def test_a_hand_over_that_does_not_exist_is_refused(portal: Portal) -> None:
    """The error is about the CLI sign-in, not about the store."""
    command = Command(portal.url, "device")
    with _writer(portal):
        assert _browser().send(f"{portal.url}/handover/at/{command.begun['handover']}").status == 400


def test_a_network_with_too_many_wrong_codes_is_refused(portal: Portal) -> None:
    """The count is read and not changed."""
    for _ in range(_MOST_WRONG):
        assert _browser().send(f"{portal.url}/device", {"code": "BBBB-BBBB"}).status == 400
    with _writer(portal):
        assert _browser().send(f"{portal.url}/device", {"code": "BBBB-BBBB"}).status == 429


def test_no_code_is_tried_where_a_wrong_one_could_not_be_counted(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right and wrong codes get the same response, so that a store that cannot write does not disclose codes."""
    monkeypatch.setattr(memory, "LOCK_WAIT", 0.2)
    command = Command(portal.url, "device")
    store = portal.server.there.store
    if isinstance(store, SqlStore):
        monkeypatch.setattr(store._turns, "_longest_wait", 0.2)
    with store.write():
        answers = [
            _browser().send(f"{portal.url}/device", {"code": code}).status
            for code in (command.begun["user_code"], "BBBB-BBBB")
        ]
    assert answers == [503, 503]
    assert _browser().send(f"{portal.url}/device", {"code": command.begun["user_code"]}).status == 200
