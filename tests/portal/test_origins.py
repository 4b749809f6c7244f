"""The origin of browser requests, and the counts per network. These tests do not need a browser."""

import inspect
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.saml.browser import JSON, Answer, Browser

from daypass.config import Config
from daypass.errors import AccessDenied
from daypass.portal import app
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.operator import operator_console
from daypass.portal.same_origin import require_our_origin
from daypass.testing.server import RunningServer, running_server
from daypass.wire.web_origin import find_origin

PROXIED = Config(trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),))
BROWSER = Browser()
ROUTES = {
    vars(app).get(path, path.strip('"')): kind
    for path, kind in re.findall(r'\(("/[^"]*"|[A-Z_]+), portal\.(takes|receives)\(', inspect.getsource(app))
}
ROUTES |= dict(re.findall(r'\("(/[^"]*)", partial\((_taken)', inspect.getsource(operator_console)))
CONSOLE_FORMS = inspect.getsource(operator_console).count("partial(_taken")
OURS = sorted(path for path, kind in ROUTES.items() if kind != "receives")
SAME, CROSS = {"Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "cross-site"}
FOREIGN: dict[str, dict[str, str]] = {
    "another origin": {"Origin": "https://evil.example.org"},
    "another origin that is told to be ours": {"Origin": "https://evil.example.org", **SAME},
    "another site": CROSS,
    "a neighbour of our site": {"Sec_Fetch_Site": "same-site"},
    "nobody's page": {"Sec_Fetch_Site": "none"},
    "our origin from another site": {"Origin": "OURS", **CROSS},
    "no origin that is told": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1", **SAME},
    "another scheme": {"Origin": "TLS", **SAME},
    "a name that was rebound": {"Origin": "http://rebound.example:PORT", "Host": "rebound.example:PORT", **SAME},
    "a rebound page without a referrer": {"Origin": "null", "Host": "rebound.example:PORT", **SAME},
    "a rebound page without an origin": {"Host": "rebound.example:PORT", **SAME},
    "two origins in one": {"Origin": "OURS https://evil.example.org", **SAME},
}
GOOD: dict[str, dict[str, str]] = {
    "a command": {},
    "our own page": {"Origin": "OURS", **SAME},
    "our own page in capitals": {"Origin": "CAPITALS", **SAME},
    "our own page without a referrer": {"Origin": "null", **SAME},
    "a browser that tells no more than the origin": {"Origin": "OURS"},
    "another name of the same machine": {"Origin": "http://localhost:PORT", "Host": "localhost:PORT", **SAME},
    "the other loopback": {"Origin": "http://[::1]:PORT", "Host": "[::1]:PORT", **SAME},
    "the same without a referrer": {"Origin": "null", "Host": "localhost:PORT", **SAME},
}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server that trusts a proxy about its clients."""
    with running_server(config=PROXIED) as running:
        yield running


def send(server: RunningServer, path: str, headers: dict[str, str], fields: dict[str, str] | None = None) -> Answer:
    """Post a form with headers that contain the server's own address."""
    port = server.url.rpartition(":")[2]
    words = {"OURS": server.url, "CAPITALS": server.url.upper(), "TLS": server.url.replace("http:", "https:")}
    given = {}
    for name, value in headers.items():
        first, blank, rest = value.partition(" ")
        given[name] = (words.get(first, first) + blank + rest).replace("PORT", port)
    return BROWSER.send(f"{server.url}{path}", fields or {"Handle": "x"}, accept=JSON, **given)


def test_the_table_holds_every_form() -> None:
    """Only the form of identity providers is accepted from their pages; all others come from our pages."""
    assert [path for path, kind in ROUTES.items() if kind == "receives"] == ["/saml"]
    # The one call for all forms of the console stands for none of them, and /saml is one more.
    assert len(ROUTES) == inspect.getsource(app).count("portal.takes(") + CONSOLE_FORMS
    assert {"/handover", "/handover/token", "/device", "/login/role", "/operator"} <= set(OURS)


@pytest.mark.parametrize("case", FOREIGN)
@pytest.mark.parametrize("path", OURS)
def test_what_another_site_s_page_sends_is_refused(server: RunningServer, path: str, case: str) -> None:
    """A cross-site form is refused before it is read or counted."""
    answer = send(server, path, FOREIGN[case])
    assert (answer.status, answer.document["Error"]["Code"]) == (403, "AccessDenied")


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("path", OURS)
def test_our_pages_and_commands_get_through(server: RunningServer, path: str, case: str) -> None:
    """Same-origin forms pass this check; later steps refuse their invalid values."""
    answer = send(server, path, {**GOOD[case], "X_Forwarded_For": "2001:db8:77::1"})
    assert answer.status != 403 or path.startswith("/operator")
    assert "another site" not in answer.text
    assert "accepts forms only at" not in answer.text


def test_the_refusal_names_the_address_to_open(server: RunningServer) -> None:
    """A person who used another name sees the address to use."""
    answer = send(server, "/login/role", FOREIGN["a rebound page without a referrer"])
    assert server.url in answer.document["Error"]["Message"]


@pytest.mark.parametrize(
    ("public", "origin"),
    [
        ("https://sts.example.com", "https://sts.example.com"),
        ("https://sts.example.com/", "https://sts.example.com"),
        ("https://sts.example.com:443", "https://sts.example.com"),
        ("https://sts.example.com", "https://sts.example.com:443"),
        ("HTTPS://STS.Example.COM", "https://sts.example.com"),
        ("https://sts.example.com/path", "https://sts.example.com"),
        ("http://sts.example.com:80", "http://sts.example.com"),
        ("https://[2001:DB8:0:0::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://127.0.0.1:7878", "http://localhost:7878"),
        ("http://localhost:7878", "http://[::1]:7878"),
    ],
)
def test_origins_that_are_one(public: str, origin: str) -> None:
    """An origin has many spellings; a local server has several names."""
    require_our_origin(public, origins=[origin], fetched_from=[], host="elsewhere.example")
    host = origin.partition("://")[2]
    require_our_origin(public, origins=["null"], fetched_from=["same-origin"], host=host)


OPEN = (
    ("https://0.0.0.0:7878", "https://192.0.2.7:7878"),
    ("http://0.0.0.0:7878", "http://localhost:7878"),
    ("http://0.0.0.0", "http://192.0.2.7"),
    ("https://[::]:7878", "https://[2001:db8::7]:7878"),
)


@pytest.mark.parametrize(("public", "origin"), OPEN)
def test_a_server_without_a_name_is_where_the_browser_finds_it(public: str, origin: str) -> None:
    """The address that the browser used is accepted in each spelling."""
    host = origin.partition("://")[2]
    for spelling in (host, host.upper()):
        require_our_origin(public, origins=[origin], fetched_from=[], host=spelling)
        require_our_origin(public, origins=["null"], fetched_from=["same-origin"], host=spelling)


@pytest.mark.parametrize(("public", "origin"), OPEN)
@pytest.mark.parametrize("host", ["192.0.2.8:7878", "localhost:7879", "[::1]:7878", "rebound.example:7878", ""])
def test_a_server_without_a_name_is_not_at_every_address(public: str, origin: str, host: str) -> None:
    """A page of another server may have a literal address and our port.

    Browsers send no further information over plain HTTP.
    """
    with pytest.raises(AccessDenied):
        require_our_origin(public, origins=[origin], fetched_from=[], host=host)


@pytest.mark.parametrize(
    ("public", "origin"),
    [
        ("https://sts.example.com", "http://sts.example.com"),
        ("https://sts.example.com", "https://sts.example.com:444"),
        ("https://sts.example.com", "https://sts.example.com."),
        ("https://sts.example.com", "https://sts.example.com.evil.example"),
        ("https://sts.example.com", "https://sts.example.com@evil.example"),
        ("https://sts.example.com", "https://user@sts.example.com"),
        ("https://sts.example.com", "https://127.0.0.1"),
        ("https://sts.example.com", "https://localhost"),
        ("https://sts.example.com", "file://"),
        ("https://sts.example.com", ""),
        ("https://sts.example.com", "https://[sts.example.com"),
        ("https://sts.example.com", "https://sts.example.com:99999"),
        ("http://127.0.0.1:7878", "http://localhost:7879"),
        ("http://127.0.0.1:7878", "http://localhost.evil.example:7878"),
        ("http://127.0.0.1:7878", "http://192.0.2.7:7878"),
        ("https://0.0.0.0:7878", "https://rebound.example:7878"),
        ("", "https://sts.example.com"),
    ],
)
def test_origins_that_differ(public: str, origin: str) -> None:
    """Scheme, host or port differs, or the value is not an origin."""
    with pytest.raises(AccessDenied):
        require_our_origin(public, origins=[origin], fetched_from=[], host=origin.partition("://")[2])
    with pytest.raises(AccessDenied):
        require_our_origin(public, origins=[public, origin], fetched_from=[], host="")


def test_an_origin_has_a_port() -> None:
    """A missing port means the default port of the scheme."""
    assert (find_origin("https://a.example"), find_origin("ftp://a.example")) == (
        find_origin("https://A.example:443/"),
        None,
    )


NETWORKS = {
    "IPv6": [f"2001:db8:1:2:{number:x}::1" for number in range(8)],
    "IPv4 in IPv6": ["192.0.2.9", *(["::ffff:192.0.2.9"] * 7)],
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_wrong_codes_of_a_network_are_counted_together(server: RunningServer, kind: str) -> None:
    """A host has a whole /64: five wrong codes from any of its addresses reach the limit."""
    addresses = NETWORKS[kind]
    statuses = [send(server, "/device", {"X_Forwarded_For": each}, {"code": "BCDFGHJK"}).status for each in addresses]
    assert statuses == [400] * 5 + [429] * 3
    assert send(server, "/device", {"X_Forwarded_For": "2001:db8:1:3::1"}, {"code": "BCDFGHJK"}).status == 400


def test_hand_overs_of_a_network_are_counted_together(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of pending CLI sign-ins of a /64 is limited; another network has its own limit."""
    monkeypatch.setattr(cli_sign_ins, "_MOST_WAITING_A_PEER", 1)
    fields = {"mode": "device", "code_challenge": "x" * 43}

    def begin(address: str) -> int:
        return send(server, "/handover", {"X_Forwarded_For": address}, fields).status

    assert [begin(f"2001:db8:9:9::{number}") for number in range(1, 4)] == [200, 429, 429]
    assert begin("2001:db8:9:a::1") == 200


def test_foreign_pages_use_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cross-site page cannot use up the CLI sign-ins or the request limit of its visitor."""
    with running_server(config=replace(PROXIED, unsigned_calls_per_minute=2)) as server:
        monkeypatch.setattr(cli_sign_ins, "_MOST_WAITING_A_PEER", 1)
        fields = {"mode": "device", "code_challenge": "x" * 43}
        for _ in range(5):
            assert send(server, "/handover", FOREIGN["another site"], fields).status == 403
        assert send(server, "/handover", {}, fields).status == 200
