"""Attacks on the sign-in by OpenID Connect, and providers that fail, disclose or hang."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from tests.portal.conftest import ACCOUNT
from tests.portal.oidc_scene import CLIENT, SECRET, Errand, Scene, be_honest, callback, code_for, later, pages_of, scene

from daypass.audit.event import to_event
from daypass.authenticate.keychain import Keychain
from daypass.authorize.context import RequestInfo
from daypass.config import ClientSetting, Config, ConfigurationError
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.keys import KeySet, parse_jwks
from daypass.federation.oidc.provider import ProviderTerms, is_issuer_url, is_keys_url
from daypass.federation.oidc.token import read_token
from daypass.operations.operation import StoreAccess
from daypass.operations.settings import ServiceSettings
from daypass.portal.sign_in_cookie import COOKIE
from daypass.sign_in.oidc_roles import WebOffer, offer_roles
from daypass.storage.cache import StoreCache
from daypass.storage.views import BlockingView
from daypass.testing.oidc import DISCOVERY, Answer
from daypass.testing.oidc_sign_in import TOKEN
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.http import HttpRequest
from daypass.wiring import oidc_clients

NOT_BEGUN = "was already used, or was started in another browser"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run the server and its providers."""
    with scene(tmp_path_factory.mktemp("oidc")) as running:
        yield running


@pytest.fixture
def there(shared: Scene) -> Scene:
    """Return them, with honest providers."""
    be_honest(shared)
    return shared


def home(there: Scene) -> str:
    """Return the redirect URI of the honest provider."""
    return callback(there.server.url, there.issuer)


def test_a_sign_in_goes_through(there: Scene) -> None:
    """Each attack below differs from this sign-in in one detail, which is the reason for its refusal."""
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == home(there)
    assert asked["scope"] == "openid email profile"
    errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked), iss=there.issuer.url)
    assert "Your roles" in errand.get("/roles")[2]


# Login CSRF


def from_elsewhere(there: Scene, errand: Errand, site: str) -> tuple[int, dict[str, str], str]:
    """Return the response to a sign-in at the other provider that a page of another site began."""
    asked = errand.begin(there.other, Sec_Fetch_Site=site)
    code = code_for(there.other, asked)
    back = {"state": asked["state"], "code": code, "iss": there.other.url}
    return errand.get(f"{callback(there.server.url, there.other)}?{urlencode(back)}")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_sign_in_that_another_site_began_waits_for_the_person(there: Scene, site: str) -> None:
    """A provider of another tenant can answer with the attacker's identity: the person reads whose it is."""
    errand = Errand(there.server.url)
    address = from_elsewhere(there, errand, site)[1]["location"]
    assert address.startswith("/login/continue/")
    assert COOKIE not in errand.cookies
    assert "Continue as" in errand.get(address)[2]
    assert errand.post("/login/continue", {"Token": address.rpartition("/")[2]})[1]["location"] == "/roles"
    assert errand.get("/roles")[0] == 200


def test_another_site_does_not_replace_the_person_who_is_signed_in(there: Scene) -> None:
    """The person stays who they are, and reads that the other sign-in was refused."""
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer, Sec_Fetch_Site="same-origin")
    errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked), iss=there.issuer.url)
    before = errand.cookies[COOKIE]
    address = from_elsewhere(there, errand, "cross-site")[1]["location"]
    status, _, text = errand.get(address)
    assert (status, "Another person is signed in here" in text) == (403, True)
    assert errand.cookies[COOKIE] == before
    assert errand.get("/roles")[0] == 200


# Mix-up (RFC 9700, 4.4)


@pytest.mark.parametrize("case", ["it says who it is", "it does not"])
def test_a_code_of_one_provider_never_goes_to_another(there: Scene, case: str) -> None:
    """A provider redirects its visitor to another provider with its own sign-in's state, to get that one's code.

    The attacker chooses nonce and challenge, so neither the client secret nor PKCE stops it. The redirect URI does.
    """
    evil, honest = there.other, there.issuer
    errand = Errand(there.server.url)
    asked = errand.begin(evil)
    sent_on = {**asked, "client_id": CLIENT, "redirect_uri": home(there), "code_challenge": "x" * 43}
    code = code_for(honest, sent_on)
    more = {"iss": honest.url} if case == "it says who it is" else {}
    page = errand.come_back(home(there), state=asked["state"], code=code, **more)
    assert NOT_BEGUN in page
    assert there.details[-1] == "the response came to the redirect URI of another provider"
    assert evil.requests[TOKEN] == honest.requests[TOKEN] == 0
    assert code in pages_of(honest).codes


def test_providers_know_one_address_each(there: Scene) -> None:
    """A provider refuses the redirect URI of another provider."""
    asked = Errand(there.server.url).begin(there.other)
    sent_on = {**asked, "client_id": CLIENT}
    assert there.pages.authorize(f"/authorize?client_id={CLIENT}&redirect_uri={asked['redirect_uri']}", "x") is None
    assert sent_on["redirect_uri"] != home(there)


# The response


def test_an_answer_says_whose_it_is(there: Scene) -> None:
    """RFC 9207: another issuer is refused, and so is a missing iss if the provider advertises it."""
    cases: tuple[tuple[dict[str, str], bool, str], ...] = (
        ({"iss": "https://evil.example.org"}, False, "iss is another issuer"),
        ({"iss": f"{there.issuer.url}/"}, False, "iss is another issuer"),
        ({"iss": ""}, False, "iss is another issuer"),
        ({}, True, "the response has no iss, although the provider advertises it"),
    )
    for said, promised, detail in cases:
        later(there)
        there.issuer.discovery_changes["authorization_response_iss_parameter_supported"] = promised
        errand = Errand(there.server.url)
        asked = errand.begin(there.issuer)
        page = errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked), **said)
        assert NOT_BEGUN in page
        assert there.details[-1] == detail
    assert there.issuer.requests[TOKEN] == 0
    later(there)
    there.issuer.discovery_changes["authorization_response_iss_parameter_supported"] = False
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked))
    assert "Your roles" in errand.get("/roles")[2]


@pytest.mark.parametrize("twice", ["state", "code", "iss", "error"])
def test_nothing_is_said_twice(there: Scene, twice: str) -> None:
    """Two parsers must not read two different values from one URL."""
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    answer = f"state={asked['state']}&code={code_for(there.issuer, asked)}&iss={there.issuer.url}&error=x"
    said = dict(part.split("=") for part in answer.split("&"))
    status, _, _ = errand.get(f"{home(there)}?{answer}&{twice}={said[twice]}")
    assert status == 400
    assert there.issuer.requests[TOKEN] == 0


def test_a_state_is_good_once_and_in_one_browser(there: Scene) -> None:
    """A replay, a missing cookie, an invented state, and a response after ten minutes are refused."""
    errand, other = Errand(there.server.url), Errand(there.server.url)
    asked = errand.begin(there.issuer)
    kept = dict(errand.cookies)
    answer = {"state": asked["state"], "code": code_for(there.issuer, asked), "iss": there.issuer.url}
    assert NOT_BEGUN in other.come_back(home(there), **answer)
    other.begin(there.issuer)
    assert NOT_BEGUN in other.come_back(home(there), **answer)
    errand.come_back(home(there), **answer)
    assert "Your roles" in errand.get("/roles")[2]
    errand.cookies = kept
    assert NOT_BEGUN in errand.come_back(home(there), **answer | {"code": code_for(there.issuer, asked)})
    assert NOT_BEGUN in errand.come_back(home(there), **answer | {"state": f"_{'0' * 40}"})
    assert NOT_BEGUN in errand.come_back(home(there), code="x")


INJECTED = {"PKCE": "{}: it answered 400", "the nonce": "another nonce"}


@pytest.mark.parametrize("stops", INJECTED)
def test_somebody_elses_code_is_good_for_nobody(there: Scene, stops: str) -> None:
    """Code injection (RFC 9700, 4.5): the provider sees another challenge, or we see another nonce."""
    there.pages.checks_verifier = stops == "PKCE"
    attacker, victim = Errand(there.server.url), Errand(there.server.url)
    stolen = code_for(there.issuer, attacker.begin(there.issuer))
    asked = victim.begin(there.issuer)
    page = victim.come_back(home(there), state=asked["state"], code=stolen, iss=there.issuer.url)
    assert 'class="card refusal"' in page
    assert there.details[-1] == INJECTED[stops].format(there.issuer.url)


# Error responses of providers


SAID = {
    "access_denied": "you declined, or you are not allowed to use this application",
    "login_required": "requires another step from you",
    "consent_required": "requires another step from you",
    "temporarily_unavailable": "reports a temporary error",
    "unauthorized_client": "check the client ID and the redirect URI",
    "<script>alert(1)</script>": "did not sign you in.",
}


@pytest.mark.parametrize("number", range(len(SAID)))
def test_errors_are_told_in_our_own_words(there: Scene, number: int) -> None:
    """Each error has advice; the error_description of the provider goes only to the audit log."""
    error, words = list(SAID.items())[number]
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    said = {"error": error, "error_description": "</p><script>call 555-0100</script>\u202e" + "x" * 9_000}
    page = errand.come_back(home(there), state=asked["state"], iss=there.issuer.url, **said)
    assert words in page
    assert "555-0100" not in page
    assert "<script>alert" not in page
    assert "Go to the sign-in page" in page
    assert there.details[-1].startswith(f"error {error!r}: '</p><script>call")
    assert len(there.details[-1]) < 500


@pytest.mark.slow
def test_a_provider_that_says_nothing_holds_nobody_up(there: Scene) -> None:
    """A person gets an error within seconds, and the server serves other requests meanwhile."""
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    later(there)
    there.issuer.requests.clear()
    there.issuer.answers |= {DISCOVERY: Answer.hang(), TOKEN: Answer.hang()}
    with ThreadPoolExecutor(12) as pool:
        link = f"/login/oidc/{Client(there.issuer.url, CLIENT).key}"
        waiting = [pool.submit(Errand(there.server.url).get, link) for _ in range(10)]
        answer = {"state": asked["state"], "code": code_for(there.issuer, asked), "iss": there.issuer.url}
        waiting_too = pool.submit(errand.come_back, home(there), **answer)
        assert "Sign in" in Errand(there.server.url).get("/login")[2]
        assert all("cannot be reached or does not respond in time" in each.result()[2] for each in waiting)
        assert "cannot be reached" in waiting_too.result()
    # All of them shared a few requests to the provider, instead of one request each.
    assert there.issuer.requests[DISCOVERY] < 10


ODD: dict[str, dict[str, Answer]] = {
    "no documents": {DISCOVERY: Answer.document([])},
    "another issuer's document": {DISCOVERY: Answer.document({"issuer": "https://evil.example.org"})},
    "invalid endpoints": {DISCOVERY: Answer.redirect("https://evil.example.org")},
    "a flood": {DISCOVERY: Answer.flood()},
    "a code that it does not know any more": {TOKEN: Answer.document({"access_token": "x"})},
    "no JSON": {TOKEN: Answer(body=b"<html>")},
    "an invalid token": {TOKEN: Answer.document({"id_token": "x.y.z"})},
    "a token of a strange kind": {TOKEN: Answer.document({"id_token": ["x"]})},
}


@pytest.mark.parametrize("case", ODD)
def test_a_provider_that_answers_oddly_gives_a_page(there: Scene, case: str) -> None:
    """For any malformed response, the person gets a sentence and the audit log the reason."""
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    later(there)
    there.issuer.answers |= ODD[case]
    before = len(there.details)
    page = errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked), iss=there.issuer.url)
    assert 'class="card refusal"' in page
    assert "InternalFailure" not in page
    assert len(there.details) == before + 1
    assert there.details[-1]


def test_a_provider_is_not_contacted_each_time(there: Scene) -> None:
    """Discovery is cached for five minutes, for all requests; after that a change is visible."""
    for _ in range(3):
        errand = Errand(there.server.url)
        asked = errand.begin(there.issuer)
        errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked))
        assert "Your roles" in errand.get("/roles")[2]
    assert there.issuer.requests[DISCOVERY] <= 2  # once for the sign-in, and possibly once for the keys
    later(there)
    there.issuer.answers[DISCOVERY] = Answer.fail()
    link = f"/login/oidc/{Client(there.issuer.url, CLIENT).key}"
    assert "cannot be reached" in Errand(there.server.url).get(link)[2]
    there.issuer.answers.clear()
    assert Errand(there.server.url).get(link)[0] == 303


def test_only_known_scopes_are_requested(there: Scene) -> None:
    """A provider may refuse a request with an unknown scope."""
    there.issuer.discovery_changes["scopes_supported"] = ["openid", "offline_access"]
    assert Errand(there.server.url).begin(there.issuer)["scope"] == "openid"


# The secret


def test_a_secret_is_in_no_page_and_no_log(there: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    """The server reads the secret from its file at start and sends it only to the provider."""
    errand = Errand(there.server.url)
    asked = errand.begin(there.issuer)
    pages = [errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked))]
    there.pages.secret = "another"
    asked = errand.begin(there.issuer)
    pages.append(errand.come_back(home(there), state=asked["state"], code=code_for(there.issuer, asked)))
    assert "is not set up correctly" in pages[-1]
    assert there.details[-1] == f"{there.issuer.url}: it answered 401"
    pages += [errand.get("/login")[2], json.dumps(asked)]
    log = b"".join(msgspec.json.encode(to_event(one)) for one in there.server.audit.audit_records).decode()
    clients = repr(oidc_clients(there.server.config)) + repr(there.server.config)
    for text in (*pages, log, clients, *capfd.readouterr()):
        assert SECRET not in text
        assert "s3cret" not in text


def test_a_server_without_its_secret_does_not_start(tmp_path: Path) -> None:
    """The error names a missing, empty or binary file, but not its content."""
    (tmp_path / "empty").write_text(" \n", encoding="utf-8")
    (tmp_path / "odd").write_bytes(b"\xff\xfes3cret")
    for name in ("empty", "odd"):
        (tmp_path / name).chmod(0o600)
    for name in ("away", "empty", "odd"):
        config = Config(oidc_clients=(ClientSetting("https://login.example.org", "x", str(tmp_path / name)),))
        with pytest.raises(ConfigurationError, match=name) as caught:
            oidc_clients(config)
        assert "s3cret" not in str(caught.value)


# An issuer that every account knows

GOOGLE = "https://accounts.google.com"


class GooglesKeys:
    """One cached key, without requests."""

    def __init__(self, key: SigningKey) -> None:
        self._keys = parse_jwks(json.dumps({"keys": [key.jwk()]}).encode())

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet:  # noqa: ARG002 - a promise
        """Return the key for Google only."""
        assert provider.issuer == GOOGLE
        return self._keys

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - a promise
        """Return False: there are no other keys."""
        return False

    @property
    def enforces_thumbprints(self) -> bool:
        """Return False: the key counts for every provider."""
        return False


def test_google_needs_no_provider_in_the_account() -> None:
    """A role that trusts accounts.google.com for our client id is offered; a role for another client is not."""
    key = SigningKey.generate("RS256", "k")
    with running_server(account=ACCOUNT) as server:
        for name, audience in (("ours", CLIENT), ("theirs", "another client")):
            _trusting_google(client_factory(server)("iam"), name, audience)
        there = server.there
        settings = ServiceSettings(public_url=server.url, regions=frozenset({"us-east-1"}))
        store_view = BlockingView(
            there, StoreCache(there.store).loading, Keychain(there.vault), settings, GooglesKeys(key), lambda _: True
        )
        now = int(server.clock.now().timestamp())
        claims = {"iss": GOOGLE, "sub": "10769", "aud": CLIENT, "azp": CLIENT, "iat": now, "exp": now + 3_600}
        claims |= {"email": "alice@example.org", "email_verified": True, "hd": "example.org"}
        token = compact({"alg": "RS256", "kid": "k"}, claims, key)
        request = HttpRequest("GET", b"/", b"", (), b"", "127.0.0.1", secure=True)
        with store_view.open(StoreAccess.BLOCKING, server.clock.now(), "us-east-1") as world:
            request_info = RequestInfo(world.now, request, "us-east-1")
            found = offer_roles(read_token(token), "alice@example.org", request_info, world)
    assert _names(found) == ["ours"]
    assert {provider for _, provider in found.roles} == {"accounts.google.com"}
    assert found.bearer.web.audience == CLIENT


def test_googles_addresses_are_such_as_we_go_to() -> None:
    """The endpoints of its discovery document are accepted; the token endpoint is on another host than the issuer."""
    assert is_issuer_url(GOOGLE)
    assert is_keys_url(f"{GOOGLE}/o/oauth2/v2/auth")
    assert is_keys_url("https://oauth2.googleapis.com/token")


def _trusting_google(iam: Any, name: str, audience: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": "accounts.google.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"accounts.google.com:aud": audience}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)


def _names(offer: WebOffer) -> list[str]:
    return [candidate.arn.rpartition("/")[2] for candidate, _ in offer.roles]
