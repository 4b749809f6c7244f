"""Several servers behind one address: any of them handles any step, and one-time values work once.

On SQLite two servers with two workers each share the file; on PostgreSQL there are three servers.
"""

import hashlib
import http.client
import json
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
import pytest
from playwright.sync_api import Browser as Chromium
from tests.portal.command import Command
from tests.portal.conftest import ACCOUNT, furnish
from tests.portal.front import Front
from tests.portal.idp import IdpSite
from tests.portal.oidc_scene import callback
from tests.process.daypass import ROOT, Running, serving
from tests.saml.browser import JSON, Answer, Browser
from tests.storage.postgresql import fresh_database

from daypass.base64url import to_base64url
from daypass.federation.oidc.issuers.client import Client
from daypass.testing.oidc import OidcIssuer
from daypass.testing.oidc_sign_in import SignInPages
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import make_key_pair

pytestmark = pytest.mark.slow

_LISTENER, _VERIFIER = "http://127.0.0.1:50123/oauth/callback", "v" * 43
_WAIT = 30.0  # seconds; every node sees a change within one second


@dataclass(frozen=True)
class Site:
    """The address, the servers behind it, and the identity provider."""

    front: Front
    nodes: list[Running]
    idp: IdpSite
    role: str
    provider: str
    issuer: OidcIssuer

    @property
    def url(self) -> str:
        """The address."""
        return self.front.url

    def browser(self, authority: bytes | None = None) -> Browser:
        """Return a browser that accepts secure cookies from a loopback address, like real ones."""
        browser = Browser(authority)
        browser.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
        return browser

    def response(self, browser: Browser) -> dict[str, str]:
        """Start a sign-in, and return the form that the provider's page would send."""
        key = Browser().send(f"{self.url}/login").text.partition('href="/login/saml/')[2].partition('"')[0]
        [(consumer, fields)] = browser.send(f"{self.url}/login/saml/{key}").forms
        assert consumer == f"{self.url}/saml"
        return fields

    def choice(self, offered: Answer) -> dict[str, str]:
        """Return the form that chooses the offered role."""
        return {"Handle": offered.document["Handle"], "RoleArn": self.role, "PrincipalArn": self.provider}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start servers that have only their settings and the store in common."""
    with ExitStack() as stack:
        front = stack.enter_context(Front())
        shared = {
            "DAYPASS_PUBLIC_URL": front.url,
            "DAYPASS_AUDIT_LOG": "none",
            "DAYPASS_TRUSTED_PROXIES": "127.0.0.0/8",
        }
        words: tuple[str, ...] = ()
        if request.param == "sqlite":
            store, count, words = f"sqlite:///{_folder(tmp_path_factory)}/d.db", 2, ("--workers", "2")
        else:
            store, count = stack.enter_context(fresh_database()), 3
            shared["DAYPASS_MASTER_KEY"] = secrets.token_hex(32)
        issuer = stack.enter_context(OidcIssuer())
        issuer.sign_in = SignInPages("daypass", "", callback(front.url, issuer), claims={"sub": "sub-1"})
        shared |= {
            "DAYPASS_OIDC_CLIENTS": f"{issuer.url} daypass",
            "DAYPASS_OIDC_CA_BUNDLE": str(issuer.ca_bundle),
            "DAYPASS_OIDC_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        nodes = []
        for number in range(count):
            environment = {**shared, **ROOT} if number == 0 else shared
            nodes.append(stack.enter_context(serving(store, *words, environment=environment)))
            stack.callback(_end, nodes[-1])
        front.nodes = [node.url for node in nodes]
        idp = stack.enter_context(IdpSite(make_key_pair(), f"{front.url}/saml", lambda: datetime.now(UTC)))
        # Created before the other provider: a node that sees the other one also sees this one.
        _trust(nodes[0].client("iam"), issuer)
        [pair] = furnish(nodes[0].client("iam"), idp, {"developer": 3_600})
        idp.assertion = Assertion(roles=(pair,), session_name="alice", name_id="alice@example.org")
        role, provider = pair.split(",")
        made = Site(front, nodes, idp, role, provider, issuer)
        for node in nodes:
            until(partial(_knows_the_provider, node))
        yield made


def _folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("nodes")


def _trust(iam: Any, issuer: OidcIssuer) -> None:
    """Create a role for the users of an OpenID Connect provider."""
    arn = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["daypass"])["OpenIDConnectProviderArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer.url.removeprefix('https://')}:aud": "daypass"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_role(RoleName="partner", AssumeRolePolicyDocument=document)


def _knows_the_provider(node: Running) -> bool:
    return 'href="/login/saml/' in Browser().send(f"{node.url}/login").text


def _end(node: Running) -> None:
    # Workers stop when their server is terminated, not when it is killed.
    node.process.send_signal(signal.SIGTERM)
    node.process.wait(20)


def until(holds: Callable[[], bool]) -> None:
    """Retry until a condition is true."""
    end = time.monotonic() + _WAIT
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)  # the only way to observe another process


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return the responses to calls that are made at the same time."""
    answers: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        answers[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def whoami(site: Site, credentials: dict[str, str]) -> str:
    """Return the ARN of credentials, as the next node returns it."""
    sts = boto3.client(
        "sts",
        endpoint_url=site.url,
        region_name="us-east-1",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    arn: str = sts.get_caller_identity()["Arn"]
    return arn


def test_all_nodes_make_one_key_for_requests(site: Site) -> None:
    """The first node creates the signing key; nodes that need it at the same time get the same key."""
    documents = at_once([partial(Browser().send, f"{node.url}/saml/metadata.xml") for node in site.nodes * 2])
    assert len({answer.text for answer in documents}) == 1
    assert documents[0].text.count("<ds:X509Certificate>") == 1


def test_a_hand_over_goes_round_all_nodes(site: Site, chromium: Chromium) -> None:
    """Request, sign-in, response, choice and redemption each go to another node."""
    site.front.went.clear()
    command = Command(site.url, "device")
    context = chromium.new_context()
    page = context.new_page()
    page.goto(command.begun["url"])
    page.get_by_label("Code").fill(command.begun["user_code"])
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile(r"localhost.*SAML")).click()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Sign-in approved").wait_for()
    answers: list[dict[str, Any]] = []

    def is_redeemed() -> bool:
        status, answer = command.redeem()
        answers.append(answer)
        return status == 200

    until(is_redeemed)
    assert {answer["error"] for answer in answers[:-1]} <= {"authorization_pending"}
    assert whoami(site, answers[-1]["Credentials"]) == f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice"
    context.close()
    steps = site.front.nodes_of("/handover", "/login/saml/", "/saml", "/handover/approve", "/handover/token")
    assert len(set(steps)) == len(site.nodes)
    _, begun, answered, chosen, _ = steps
    assert begun != answered != chosen


def test_every_order_of_nodes_signs_somebody_in(site: Site) -> None:
    """Start, response, choice and use work with every node at every step."""
    for first in range(len(site.nodes)):
        for _ in range(first):
            Browser().send(f"{site.url}/healthz")  # moves the order of the nodes by one
        browser = site.browser()
        offered = browser.send(f"{site.url}/saml", site.response(browser), accept=JSON)
        answer = browser.send(f"{site.url}/saml/role", site.choice(offered), accept=JSON)
        assert answer.status == 200, answer.text
        assert whoami(site, answer.document["Credentials"]).endswith("/developer/alice")


def test_every_order_of_nodes_signs_somebody_in_by_openid_connect(site: Site) -> None:
    """The same with a code: the browser has the secrets of the request, and any node redeems the code."""
    key = Client(site.issuer.url, "daypass").key
    for first in range(len(site.nodes)):
        for _ in range(first):
            Browser().send(f"{site.url}/healthz")
        browser = site.browser(site.issuer.authority.pem)
        offered = browser.send(f"{site.url}/login/oidc/{key}", accept=JSON).document
        role = offered["Roles"][0]
        fields = {"Handle": offered["Handle"], "RoleArn": role["RoleArn"], "PrincipalArn": role["PrincipalArn"]}
        answer = browser.send(f"{site.url}/login/role", fields, accept=JSON)
        assert answer.status == 200, answer.text
        assert "/partner/" in whoami(site, answer.document["Credentials"])


def test_a_session_is_known_to_every_node_until_its_person_signs_out(site: Site) -> None:
    """Each node lists the roles and mints; after the sign-out, each refuses within a second."""
    browser = site.browser()
    browser.send(f"{site.url}/saml", site.response(browser))
    assert "__Host-daypass-sign-in" in {cookie.name for cookie in browser.cookies}
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)

    def each(path: str, fields: dict[str, str] | None = None) -> list[int]:
        calls = (Browser().send(f"{node.url}{path}", fields, accept=JSON, Cookie=cookies) for node in site.nodes)
        return [answer.status for answer in calls]

    offered = Browser().send(f"{site.nodes[0].url}/roles", accept=JSON, Cookie=cookies).document
    role = {"Role": f"{offered['Roles'][0]['RoleArn']} {offered['Roles'][0]['PrincipalArn']}"}
    assert set(each("/roles")) == set(each("/roles/credentials", role)) == {200}
    Browser().send(f"{site.nodes[1].url}/sign-out", {}, Cookie=cookies)
    until(lambda: set(each("/roles")) == {400})
    assert set(each("/roles/credentials", role)) == {400}


def test_one_answer_to_one_request_on_any_node(site: Site) -> None:
    """The same response is sent to all nodes at the same moment: exactly one accepts it."""
    browser = site.browser()
    fields = site.response(browser)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    calls = [
        partial(Browser().send, f"{node.url}/saml", fields, accept=JSON, Cookie=cookies) for node in site.nodes * 3
    ]
    answers = at_once(calls)
    assert sorted(answer.status for answer in answers) == [200] + [400] * (len(calls) - 1)
    assert all("started in another browser" in answer.text for answer in answers if answer.status == 400)


def test_one_choice_on_any_node(site: Site) -> None:
    """The same choice is sent to all nodes at the same moment: exactly one returns credentials."""
    browser = site.browser()
    choice = site.choice(browser.send(f"{site.url}/saml", site.response(browser), accept=JSON))
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    calls = [
        partial(Browser().send, f"{node.url}/saml/role", choice, accept=JSON, Cookie=cookies) for node in site.nodes * 3
    ]
    answers = at_once(calls)
    assert sorted(answer.status for answer in answers) == [200] + [400] * (len(calls) - 1)
    codes = {json.loads(answer.text)["Error"]["Code"] for answer in answers if answer.status == 400}
    assert codes == {"ExpiredTokenException"}


def test_five_wrong_verifiers_end_a_hand_over_wherever_they_are_tried(site: Site) -> None:
    """All nodes share the count of attempts."""
    command = Command(site.url, "device")
    answers = at_once([lambda: command.redeem(code_verifier="guess")[1]["error"]] * 9)
    assert answers.count("invalid_grant") == 5
    assert answers.count("expired_token") == 4
    assert command.redeem()[1]["error"] == "expired_token"


def test_a_program_gets_its_tokens_from_the_nodes_that_remain(site: Site) -> None:
    """Registration, approval and tokens go to different nodes, and a node ends between approval and tokens.

    This test is the last: it ends a node.
    """
    browser = site.browser()
    browser.send(f"{site.url}/saml", site.response(browser))
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    programs = boto3.client("sso-oidc", endpoint_url=site.url, region_name="us-east-1")
    found = programs.register_client(
        clientName="a program",
        clientType="public",
        grantTypes=["authorization_code", "refresh_token"],
        redirectUris=["http://127.0.0.1/oauth/callback"],
    )
    program = {name: found[name] for name in ("clientId", "clientSecret")}
    code = _approve(site, cookies, program["clientId"])
    gone = site.front.nodes.index(site.nodes[0].url)
    site.front.nodes = [url for number, url in enumerate(site.front.nodes) if number != gone]
    _end(site.nodes[0])
    tokens = programs.create_token(
        **program, grantType="authorization_code", code=code, redirectUri=_LISTENER, codeVerifier=_VERIFIER
    )
    for _ in range(3):
        tokens = programs.create_token(**program, grantType="refresh_token", refreshToken=tokens["refreshToken"])
        sso = boto3.client("sso", endpoint_url=site.url, region_name="us-east-1")
        given = {"roleName": "developer", "accountId": ACCOUNT, "accessToken": tokens["accessToken"]}
        keys = sso.get_role_credentials(**given)["roleCredentials"]
        assert keys["expiration"] > time.time() * 1_000


def _approve(site: Site, cookies: str, client_id: str) -> str:
    """Return the code that a browser takes to a program after a click."""
    members = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": _LISTENER,
        "state": "s",
        "code_challenge_method": "S256",
        "scopes": "sso:account:access",
        "code_challenge": to_base64url(hashlib.sha256(_VERIFIER.encode()).digest()),
    }
    page = Browser().send(f"{site.url}/authorize?{urlencode(members)}", Cookie=cookies)
    form = urlencode({"Handle": page.text.partition('name="Handle" value="')[2].partition('"')[0], "Approve": "yes"})
    connection = http.client.HTTPConnection(site.url.removeprefix("http://"), timeout=30)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookies}
    connection.request("POST", "/authorize", form, headers)
    location = connection.getresponse().headers["Location"]
    connection.close()
    return parse_qs(urlsplit(location).query)["code"][0]
