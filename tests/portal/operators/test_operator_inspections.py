"""A test sign-in goes to the real provider, begins no session, and shows the inspection of the response."""

import base64
import re
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
import pytest
from tests.documents import allow
from tests.portal.conftest import ACCOUNT, OTHER
from tests.portal.idp import IdpSite
from tests.portal.oidc_scene import CLIENT, Scene, be_honest, pages_of, scene
from tests.portal.operators.console import Console, Shown, entered

from daypass.audit.event import to_event
from daypass.directory import records
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.federation.oidc.issuers.client import Client
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import Encryption, make_key_pair
from daypass.testing.server import RunningServer, running_server

TEST = "/operator/providers/test"
ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server."""
    with running_server(account=ACCOUNT) as running:
        yield running


@pytest.fixture(scope="module")
def idp(server: RunningServer) -> Iterator[IdpSite]:
    """Run an identity provider that the account has registered."""
    with IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as site:
        iam = client_factory(server)("iam")
        iam.create_saml_provider(Name="corp", SAMLMetadataDocument=site.idp.metadata_xml())
        site.assertion = Assertion(roles=(f"{ROLE},{ARN}",), session_name="alice", name_id="alice@example.org")
        yield site


@pytest.fixture
def operator(server: RunningServer, request: pytest.FixtureRequest) -> Console:
    """Enter the console with a role that may read providers."""
    name = re.sub(r"\W", "-", request.node.name)[:60]
    return entered(server, name, allow("iam:GetSAMLProvider"))


def begin(console: Console, query: dict[str, str]) -> Shown:
    """Begin a test. The browser is redirected to the provider."""
    answer = console.get(f"{TEST}?{urlencode(query)}")
    assert answer.status == 303, answer.words
    return answer


def form_of(idp: IdpSite, address: str) -> dict[str, str]:
    """Return the form that the provider sends back for a request."""
    with urllib.request.urlopen(address.replace("localhost", "127.0.0.1"), timeout=30) as page:  # noqa: S310 - our own
        text = page.read().decode()
    assert idp.url.partition("://")[2] in address
    return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', text)}


def returned(console: Console, form: dict[str, str]) -> Shown:
    """Send the provider's form, as a page of another site does."""
    return console.post("/saml", form, Origin="http://localhost:1", Sec_Fetch_Site="cross-site")


def sessions(server: RunningServer) -> int:
    """Return the number of sign-ins in the store."""
    with server.there.store.read() as reader:
        return len(list(records.each(reader, SignInSession, "")))


def test_a_response_is_inspected_and_begins_no_session(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """The page shows each check and the content; no cookie of a session and no role are the result."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    before = dict(operator.cookies)
    page = returned(operator, form)
    assert (page.status, page.heading) == (200, "The sign-in would be accepted"), page.words
    assert "alice@example.org" in page.words
    assert ROLE in page.words
    assert page.tree.xpath("//*[contains(@class, 'check-failed')]") == []
    gone = {name for name, value in before.items() if operator.cookies.get(name) != value}
    assert all("begun" in name for name in gone)
    assert set(operator.cookies) == set(before)
    assert sessions(server) == 0
    event = msgspec.to_builtins(to_event(server.audit.audit_records[-1]))
    assert event["eventName"] == "TestSignIn"
    assert event["requestParameters"] == {"principalArn": ARN, "outcome": "accepted"}


def test_a_refused_response_shows_the_reason(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """A wrong audience is named with its remedy; nothing begins."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    now = server.clock.now()
    request_id = form["RelayState"]
    wrong = replace(
        idp.assertion, recipient=idp.consumer, in_response_to=request_id, audiences=("https://other.example",)
    )
    page = returned(operator, {**form, "SAMLResponse": idp.idp.response(wrong, now=now)})
    assert (page.status, page.heading) == (200, "The sign-in would be refused")
    assert "https://other.example" in page.words
    assert page.tree.xpath("//*[contains(@class, 'check-failed')]")
    assert sessions(server) == 0


def test_a_response_is_inspected_once(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """A reload, and the same response without its RelayState, are refused."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    kept = dict(operator.cookies)
    assert returned(operator, form).status == 200
    for cookies in (dict(operator.cookies), kept):
        for again in (form, {**form, "RelayState": ""}, {**form, "RelayState": "x"}):
            console = Console(server, dict(cookies))
            answer = returned(console, again)
            assert 400 <= answer.status < 500, answer.words
    assert sessions(server) == 0


def test_a_lost_relay_state_begins_no_session(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """A provider that drops RelayState does not turn a test into a sign-in."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    answer = returned(operator, {"SAMLResponse": form["SAMLResponse"]})
    assert (answer.status, "RelayState" in answer.words) == (400, True)
    assert sessions(server) == 0


def test_another_persons_response_is_not_shown(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """The content is shown only if the response answers the request of this test."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    for answers in ("_other", None):
        other = replace(idp.assertion, recipient=idp.consumer, in_response_to=answers, name_id="eve@example.org")
        response = idp.idp.response(other, now=server.clock.now())
        page = returned(operator, {**form, "SAMLResponse": response})
        assert page.heading == "The sign-in would be refused"
        assert "eve@example.org" not in page.words
        form = form_of(idp, begin(operator, {"saml": ARN}).location)


@pytest.mark.parametrize("text", ["", "x", "!!!", base64.b64encode(b"<x/>").decode(), "A" * 100_000])
def test_any_response_is_a_report(idp: IdpSite, operator: Console, text: str) -> None:
    """A malformed response is inspected too, and never an error of the server."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    page = returned(operator, {**form, "SAMLResponse": text})
    assert (page.status, page.heading) == (200, "The sign-in would be refused")


def test_a_test_needs_a_session_and_the_permission(server: RunningServer, idp: IdpSite) -> None:
    """Another account's provider does not exist, and a browser without a session is led to the entrance."""
    looking = entered(server, "may-not-read", allow("iam:ListSAMLProviders"))
    answer = looking.get(f"{TEST}?{urlencode({'saml': ARN})}")
    assert (answer.status, answer.heading) == (403, "You do not have this permission")
    led = Console(server).get(f"{TEST}?{urlencode({'saml': ARN})}")
    assert (led.status, led.location.partition("?")[0]) == (303, "/login")
    theirs = client_factory(server)("iam", server.new_account(OTHER))
    other = theirs.create_saml_provider(Name="corp", SAMLMetadataDocument=idp.idp.metadata_xml())["SAMLProviderArn"]
    console = entered(server, "reads-all", allow("iam:*"))
    for query in (
        {"saml": other},
        {"saml": ""},
        {"saml": "x"},
        {"client": "x"},
        {"client": "0" * 32},
        {"client": "0" * 31 + "\0"},
        {},
    ):
        assert 400 <= console.get(f"{TEST}?{urlencode(query)}").status < 500, query


def test_hostile_content_is_text(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """Attributes of a response cannot become markup."""
    form = form_of(idp, begin(operator, {"saml": ARN}).location)
    hostile = replace(
        idp.assertion, recipient=idp.consumer, in_response_to=form["RelayState"], session_name="\u202e'><b>x"
    )
    page = returned(operator, {**form, "SAMLResponse": idp.idp.response(hostile, now=server.clock.now())})
    assert page.status == 200
    assert "<b>x" not in page.text
    assert "\u202e" not in page.text


# OpenID Connect


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run a server with two issuers in its settings."""
    with scene(tmp_path_factory.mktemp("oidc")) as running:
        yield running


@pytest.fixture(scope="module")
def tester(issuers: Scene) -> Console:
    """Enter the console of that server."""
    return entered(issuers.server, "testing-clients")


def answered(issuers: Scene, console: Console) -> str:
    """Begin a test of the issuer, and return the address to which the issuer sends the browser."""
    key = Client(issuers.issuer.url, CLIENT).key
    asked = dict(parse_qsl(urlsplit(begin(console, {"client": key}).location).query))
    back = pages_of(issuers.issuer).authorize(f"/authorize?{urlencode(asked)}", issuers.issuer.url)
    assert back is not None
    return back.removeprefix(issuers.server.url)


def test_a_token_is_inspected_and_begins_no_session(issuers: Scene, tester: Console) -> None:
    """The page shows the checks and the claims; the token itself is not on the page."""
    be_honest(issuers)
    page = tester.get(answered(issuers, tester))
    assert (page.status, page.heading) == (200, "The sign-in would be accepted"), page.words
    assert "alice+x@example.org" in page.words
    assert "eyJ" not in page.text
    assert not [name for name in tester.cookies if "sign-in" in name and "begun" not in name]
    assert sessions(issuers.server) == 0
    event = msgspec.to_builtins(to_event(issuers.server.audit.audit_records[-1]))
    assert (event["eventName"], event["requestParameters"]["outcome"]) == ("TestSignIn", "accepted")


def test_a_token_that_is_not_valid_shows_the_reason(issuers: Scene, tester: Console) -> None:
    """A wrong nonce and an expired token are refused, with the check that failed."""
    be_honest(issuers)
    for claims in ({"nonce": "other"}, {"exp": int((issuers.server.clock.now() - timedelta(hours=2)).timestamp())}):
        issuers.pages.claims.update(claims)
        page = tester.get(answered(issuers, tester))
        assert (page.status, page.heading) == (200, "The sign-in would be refused"), claims
        assert page.tree.xpath("//*[contains(@class, 'check-failed')]")
        for name in claims:
            issuers.pages.claims.pop(name)
    assert sessions(issuers.server) == 0


def test_the_redirect_of_a_test_is_used_once(issuers: Scene, tester: Console) -> None:
    """A reload of the redirect is refused, and begins no session."""
    be_honest(issuers)
    address = answered(issuers, tester)
    kept = dict(tester.cookies)
    assert tester.get(address).status == 200
    assert Console(issuers.server, kept).get(address).status == 400
    assert sessions(issuers.server) == 0


def test_an_encrypted_response_is_not_an_oracle(server: RunningServer, idp: IdpSite, operator: Console) -> None:
    """A refused encrypted response does not show the content, or at which check the decryption led to a failure."""
    pair = make_key_pair()
    iam = client_factory(server)("iam")
    iam.update_saml_provider(SAMLProviderArn=ARN, AddPrivateKey=pair.pem)
    pages = []
    for recipient, key in (
        (idp.consumer, pair),
        ("https://elsewhere.example/saml", pair),
        (idp.consumer, make_key_pair()),
    ):
        form = form_of(idp, begin(operator, {"saml": ARN}).location)
        sent = replace(idp.assertion, recipient=recipient, in_response_to=form["RelayState"])
        response = idp.idp.response(sent, now=server.clock.now(), encryption=Encryption(to=key.private.public_key()))  # type: ignore[arg-type] # RSA
        pages.append(returned(operator, {**form, "SAMLResponse": response}))
    good, wrong, unreadable = pages
    assert good.heading == "The sign-in would be accepted"
    assert "alice@example.org" in good.words
    for page in (wrong, unreadable):
        assert page.heading == "The sign-in would be refused"
        assert "alice@example.org" not in page.words
        assert "daypass saml inspect" in page.words
    checks = [page.tree.xpath("string(//ul[@class='checks'])").split() for page in (wrong, unreadable)]
    assert checks[0] == checks[1]
