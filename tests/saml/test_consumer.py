"""The assertion consumer service.

It offers roles, accepts a choice, and never sends the response to the browser.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from lxml import etree, html
from tests.saml.browser import JSON, Answer, Browser
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage, granting, registered

from daypass.audit.event import to_event
from daypass.config import Config
from daypass.testing.certificates import Authority
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import KeyPair
from daypass.testing.server import running_server

COOKIE = "__Host-daypass-choice-"


@dataclass(frozen=True)
class Site:
    """A server with TLS, and the certificate that its visitors trust."""

    stage: Stage
    authority: Authority

    @property
    def url(self) -> str:
        """The URL of the assertion consumer service."""
        return f"{self.stage.server.url}/saml"

    def browser(self) -> Browser:
        """Return a browser without cookies."""
        return Browser(self.authority.pem)

    def hand_in(
        self,
        browser: Browser,
        *roles: str,
        accept: str = JSON,
        headers: dict[str, str] | None = None,
        **assertion: Any,
    ) -> Answer:
        """Send a valid response for this site that grants roles."""
        given = granting(*roles, recipient=self.url, **assertion)
        fields = {"SAMLResponse": self.stage.response(given), "RelayState": "https://elsewhere.example.org/"}
        answer = browser.send(self.url, fields, accept=accept, **headers or {})
        if accept == JSON or answer.status != 200:
            return answer
        [fields] = [fields for action, fields in answer.forms if action.endswith("/login/continue")]
        return browser.send(f"{self.stage.server.url}/login/continue", fields, accept=accept)


@pytest.fixture(scope="module")
def site(keys: tuple[KeyPair, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a server with a certificate."""
    authority, folder = Authority.create(), tmp_path_factory.mktemp("tls")
    identity = str(authority.write_server_identity(folder / "server.pem", ["127.0.0.1"]))
    bundle = folder / "authority.pem"
    bundle.write_bytes(authority.pem)
    config = Config(tls_cert=identity, tls_key=identity)
    with pytest.MonkeyPatch.context() as patch, running_server(config=config) as server:
        patch.setenv("AWS_CA_BUNDLE", str(bundle))
        stage = registered(server, keys[0])
        for name in ("first", "second"):
            stage.role(name)
        stage.role("elsewhere", condition={"StringEquals": {"SAML:sub": "bob@example.org"}})
        yield Site(stage, authority)


FIRST, SECOND, CLOSED = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("first", "second", "elsewhere"))


def choices(page: Answer) -> list[str]:
    """Return the values of the buttons of a page, one for each role."""
    buttons = html.fromstring(page.text).iter("button")
    return [button.get("value", "") for button in buttons if button.get("name") == "Role"]


def test_a_browser_picks_a_role_and_gets_credentials(site: Site) -> None:
    """The page has a button for each open role.

    It shows working credentials, as often as the person likes.
    """
    browser = site.browser()
    page = site.hand_in(browser, FIRST, SECOND, CLOSED, accept="text/html")
    assert page.status == 200
    assert [value.partition(" ")[0] for value in choices(page)] == [FIRST, SECOND]
    for _ in range(2):
        shown = browser.send(f"{site.stage.server.url}/roles/credentials", {"Role": choices(page)[1]})
        assert shown.status == 200
        shown_profile = str(html.fromstring(shown.text).xpath("string(//*[@id='text-profile'])"))
        block = dict(line.split(" = ", 1) for line in shown_profile.splitlines() if " = " in line)
        credentials = {
            "AccessKeyId": block["aws_access_key_id"],
            "SecretAccessKey": block["aws_secret_access_key"],
            "SessionToken": block["aws_session_token"],
        }
        who = site.stage.client("sts", credentials).get_caller_identity()
        assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/second/alice"


def test_a_script_gets_json(site: Site) -> None:
    """Accept: application/json returns the roles.

    The credentials have the format of `aws sts`.
    """
    browser = site.browser()
    offer = site.hand_in(browser, FIRST, CLOSED).document
    assert [role["RoleArn"] for role in offer["Roles"]] == [FIRST]
    assert offer["ClosedRoles"] == 1
    choice = {"Handle": offer["Handle"], "RoleArn": FIRST, "PrincipalArn": PROVIDER, "DurationSeconds": "900"}
    answer = browser.send(f"{site.url}/role", json.dumps(choice).encode(), accept=JSON, Content_Type=JSON)
    assert answer.status == 200
    assert answer.document["Credentials"]["SessionToken"]
    assert answer.document["Subject"] == "alice@example.org"
    assert answer.document["Credentials"]["Expiration"].endswith("+00:00")


def test_the_browser_never_holds_the_response(site: Site) -> None:
    """A script has a handle and a cookie between the steps, and a browser the cookie of its session.

    The cookies are for this host alone. None of them contains any part of the assertion.
    """
    browser = site.browser()
    response = site.stage.response(granting(FIRST, recipient=site.url))
    page = site.hand_in(browser, FIRST, accept="text/html")
    assert response[:60] not in page.text
    assert "SAMLResponse" not in page.text
    assert [cookie.name for cookie in browser.cookies] == ["__Host-daypass-sign-in"]
    answer = site.hand_in(site.browser(), FIRST)
    assert "SAMLResponse" not in answer.text
    flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
    assert answer.headers["set-cookie"].startswith(COOKIE)
    assert {"secure", "httponly", "path=/", "samesite=strict"} <= flags
    assert not any(flag.startswith("domain") for flag in flags)


def test_a_session_that_ends_soon_at_the_provider_can_be_taken(site: Site) -> None:
    """The portal offers ten minutes if the provider does not allow more.

    STS refuses requests for less than fifteen minutes.
    """
    browser, clock = site.browser(), site.stage.server.clock
    clock.freeze()
    try:
        page = site.hand_in(browser, FIRST, accept="text/html", session_lifetime=timedelta(minutes=10, seconds=30))
        [select] = html.fromstring(page.text).iter("select")
        assert [(option.get("value"), option.text) for option in select] == [("900", "10 minutes")]
        fields = {"Role": choices(page)[0], "DurationSeconds": "900"}
        answer = browser.send(f"{site.stage.server.url}/roles/credentials", fields, accept=JSON)
        assert answer.status == 200
        ends = datetime.fromisoformat(answer.document["Credentials"]["Expiration"])
        assert ends - clock.now() <= timedelta(minutes=10, seconds=30)
    finally:
        clock.reset()


def test_roles_stand_in_order(site: Site) -> None:
    """Roles are sorted by name, in any order of the provider."""
    page = site.hand_in(site.browser(), SECOND, FIRST, accept="text/html")
    assert [value.partition(" ")[0] for value in choices(page)] == [FIRST, SECOND]


def test_a_handle_is_worth_nothing_without_its_cookie(site: Site) -> None:
    """The page's handle is not valid without its cookie.

    An attempt without the cookie does not use up the handle.
    """
    browser, thief = site.browser(), site.browser()
    offer = site.hand_in(browser, FIRST).document
    choice = {"Handle": offer["Handle"], "RoleArn": FIRST, "PrincipalArn": PROVIDER}
    url = f"{site.url}/role"
    assert thief.send(url, choice, accept=JSON).document["Error"]["Code"] == "ExpiredTokenException"
    site.hand_in(thief, FIRST)  # a cookie, but a different one
    assert thief.send(url, choice, accept=JSON).document["Error"]["Code"] == "ExpiredTokenException"
    for handle in ("", "DPp1", offer["Handle"][:-4], offer["Handle"] + "AAAA", "\ud800"):
        forged = json.dumps({**choice, "Handle": handle}).encode()
        assert browser.send(url, forged, accept=JSON, Content_Type=JSON).status == 400
    assert browser.send(url, choice, accept=JSON).status == 200


def test_each_choice_has_its_own_cookie(site: Site) -> None:
    """In one browser, a handle opens with its own cookie alone, once.

    Both cookies are removed in the end.
    """
    browser = site.browser()
    url = f"{site.url}/role"
    choices = []
    for _ in range(2):
        offer = site.hand_in(browser, FIRST).document
        choices.append({"Handle": offer["Handle"], "RoleArn": FIRST, "PrincipalArn": PROVIDER})
    one, other = (cookie for cookie in browser.cookies if cookie.name.startswith(COOKIE))
    one.value, other.value = other.value, one.value
    for choice in choices:
        assert browser.send(url, choice, accept=JSON).document["Error"]["Code"] == "ExpiredTokenException"
    one.value, other.value = other.value, one.value
    for choice in choices:
        assert browser.send(url, choice, accept=JSON).status == 200
        assert browser.send(url, choice, accept=JSON).document["Error"]["Code"] == "ExpiredTokenException"
    assert list(browser.cookies) == []


@pytest.mark.parametrize("listed", ["x", "." * 40, "0123456789ab." * 99 + "0123456789ab", "../../etc", '"'])
def test_a_list_of_cookies_that_we_did_not_write_is_passed_over(site: Site, listed: str) -> None:
    """The list names cookies to remove. Invalid entries are ignored."""
    answer = site.hand_in(site.browser(), FIRST, headers={"Cookie": f"__Host-daypass-choices={listed}"})
    assert answer.status == 200
    assert len(answer.headers["set-cookie"]) < 400


def test_a_choice_waits_five_minutes(site: Site) -> None:
    """A choice expires with the assertion."""
    browser = site.browser()
    offer = site.hand_in(browser, FIRST).document
    choice = {"Handle": offer["Handle"], "RoleArn": FIRST, "PrincipalArn": PROVIDER}
    site.stage.server.clock.move(timedelta(minutes=5, seconds=1))
    try:
        answer = browser.send(f"{site.url}/role", choice, accept=JSON)
    finally:
        site.stage.server.clock.reset()
    assert answer.document["Error"]["Code"] == "ExpiredTokenException"


def test_another_role_than_those_offered_is_refused(site: Site) -> None:
    """The second step repeats every check.

    A role that was not granted, or is closed, is refused.
    """
    for role, code in ((SECOND, "InvalidIdentityToken"), (CLOSED, "AccessDenied")):
        browser = site.browser()
        offer = site.hand_in(browser, FIRST, CLOSED).document
        choice = {"Handle": offer["Handle"], "RoleArn": role, "PrincipalArn": PROVIDER}
        assert browser.send(f"{site.url}/role", choice, accept=JSON).document["Error"]["Code"] == code


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example.org"}, {"Sec_Fetch_Site": "cross-site"}])
def test_another_site_cannot_choose(site: Site, headers: dict[str, str]) -> None:
    """A form on another site's page is refused, whatever that site knows."""
    browser = site.browser()
    offer = site.hand_in(browser, FIRST).document
    choice = {"Handle": offer["Handle"], "RoleArn": FIRST, "PrincipalArn": PROVIDER}
    refused = browser.send(f"{site.url}/role", choice, accept=JSON, **headers)
    assert refused.document["Error"]["Code"] == "AccessDenied"
    own = {"Origin": site.stage.server.url, "Sec_Fetch_Site": "same-origin"}
    assert browser.send(f"{site.url}/role", choice, accept=JSON, **own).status == 200


_BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "tampered with by nobody": ({}, {}, ""),
    "unsigned": ({}, {"signed": "none"}, "InvalidIdentityToken"),
    "of another issuer": ({"issuer": "https://evil.example.org"}, {}, "InvalidIdentityToken"),
    "for another recipient": ({"recipient": "https://evil.example.org/saml"}, {}, "InvalidIdentityToken"),
    "expired": ({"lifetime": timedelta(minutes=-1)}, {}, "ExpiredTokenException"),
    "for no open role": ({"roles": (f"{CLOSED},{PROVIDER}",)}, {}, "AccessDenied"),
}


@pytest.mark.parametrize("case", _BAD)
def test_a_response_that_sts_would_refuse_offers_nothing(site: Site, case: str) -> None:
    """The consumer verifies as STS does, with the same message and status."""
    assertion, how, code = _BAD[case]
    given = granting(FIRST, **{"recipient": site.url, **assertion})
    answer = site.browser().send(site.url, {"SAMLResponse": site.stage.response(given, **how)}, accept=JSON)
    if not code:
        assert answer.status == 200
        return
    assert answer.document["Error"]["Code"] == code
    assert answer.status == (403 if code == "AccessDenied" else 400)
    assert "set-cookie" not in answer.headers


_SAID: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "for no open role": ({"roles": (f"{CLOSED},{PROVIDER}",)}, {}, "no role here allows you to assume it"),
    "for no role": ({"roles": ()}, {}, "did not send a role of this server for you"),
    "unsigned": ({}, {"signed": "none"}, "This is not your mistake"),
    "for somebody else": ({"audiences": ("https://elsewhere",)}, {}, "This is not your mistake"),
    "expired": ({"lifetime": timedelta(minutes=-1)}, {}, "check the clocks"),
}


@pytest.mark.parametrize("case", _SAID)
def test_a_page_says_what_to_do_beside_aws_s_words(site: Site, case: str) -> None:
    """A page adds advice for people; scripts get the message alone."""
    assertion, how, says = _SAID[case]
    given = granting(FIRST, **{"recipient": site.url, **assertion})
    page, answer = (
        site.browser().send(site.url, {"SAMLResponse": site.stage.response(given, **how)}, accept=accept)
        for accept in ("text/html", JSON)
    )
    assert says in page.text
    assert page.status == answer.status
    assert says not in answer.text
    shown = "".join(map(str, html.fromstring(page.text).itertext()))
    assert answer.document["Error"]["Message"][:40] in shown


@pytest.mark.parametrize("text", ["", "A", "AAAA", "<xml>", "%", "PD94bWwgdmVyc2lvbj0iMS4wIj8+"])
def test_what_is_no_response_is_refused_on_a_page(site: Site, text: str) -> None:
    """Any input is answered with a page, never with a traceback."""
    answer = site.browser().send(site.url, {"SAMLResponse": text})
    assert answer.status == 400
    assert ("InvalidIdentityToken" if len(text) in {0, *range(4, 100_000)} else "ValidationError") in answer.text


def test_a_response_that_is_too_long_is_not_the_person_s_mistake(site: Site) -> None:
    """The page has the heading and the advice of other responses that the server cannot accept."""
    answer = site.browser().send(site.url, {"SAMLResponse": "A" * 100_001})
    assert answer.status == 400
    assert "Member must have length less than or equal to 100000" in answer.text
    assert "This is not your mistake" in answer.text


def test_bodies_have_bounds(site: Site) -> None:
    """An oversized body is refused unread; a body that is not a form too."""
    browser = site.browser()
    huge = {"SAMLResponse": "A" * 400_000}
    assert browser.send(site.url, huge, accept=JSON).status == 413
    assert browser.send(f"{site.url}/role", {"Handle": "A" * 17_000}, accept=JSON).status == 413
    assert browser.send(site.url, b"{}", accept=JSON, Content_Type=JSON).status == 415
    assert browser.send(f"{site.url}/role", b"[1]", accept=JSON, Content_Type=JSON).status == 400
    assert browser.send(site.url, b"SAMLResponse=%zz", accept=JSON).status == 400


def test_every_answer_is_kept_by_nobody_and_runs_no_script(site: Site) -> None:
    """Pages are not cached or framed, and only load our own scripts."""
    for page in (
        site.hand_in(site.browser(), FIRST, accept="text/html"),
        site.browser().send(site.url, {"SAMLResponse": "AAAA"}),
        site.browser().send(f"{site.url}/metadata.xml"),
    ):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'; ")
        assert "unsafe" not in policy
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "<style" not in page.text
        assert re.findall(r"<script[^>]*>[^<]", page.text) == []


def test_names_from_the_assertion_are_text_and_nothing_else(site: Site) -> None:
    """Names from the assertion are escaped in pages and in JSON."""
    name = "<b>alice</b>&\"'"
    page = site.hand_in(site.browser(), FIRST, accept="text/html", name_id=name)
    assert name not in page.text
    assert "&lt;b&gt;alice&lt;/b&gt;" in page.text
    answer = site.hand_in(site.browser(), FIRST, name_id=name)
    assert "<b>" not in answer.text
    assert answer.document["Subject"] == name


def test_one_provider_may_be_registered_in_many_accounts(site: Site) -> None:
    """Roles of every account that registered the issuer are offered.

    Each goes through the provider of its own account.
    """
    key = site.stage.server.new_account()
    iam = site.stage.client("iam", key)
    metadata = site.stage.idp.metadata_xml()
    other = iam.create_saml_provider(Name="their", SAMLMetadataDocument=metadata)["SAMLProviderArn"]
    statement = {"Effect": "Allow", "Principal": {"Federated": other}, "Action": "sts:AssumeRoleWithSAML"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    theirs = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    given = Assertion(roles=(f"{FIRST},{PROVIDER}", f"{theirs},{other}", f"{theirs},{PROVIDER}"), recipient=site.url)
    browser = site.browser()
    offer = browser.send(site.url, {"SAMLResponse": site.stage.response(given)}, accept=JSON).document
    assert {(role["RoleArn"], role["PrincipalArn"]) for role in offer["Roles"]} == {(FIRST, PROVIDER), (theirs, other)}
    choice = {"Handle": offer["Handle"], "RoleArn": theirs, "PrincipalArn": other}
    assert browser.send(f"{site.url}/role", choice, accept=JSON).status == 200


def test_both_steps_are_in_the_audit_log(site: Site) -> None:
    """The sign-in and the choice are events.

    They do not contain the response, the handle or the credentials.
    """
    browser = site.browser()
    offer = site.hand_in(browser, FIRST).document
    browser.send(
        f"{site.url}/role", {"Handle": offer["Handle"], "RoleArn": FIRST, "PrincipalArn": PROVIDER}, accept=JSON
    )
    sign_in, choice = (to_event(record) for record in site.stage.server.audit.audit_records[-2:])
    assert (sign_in.event_name, choice.event_name) == ("SAMLSignIn", "AssumeRoleWithSAML")
    assert sign_in.user_identity.principal_id.endswith(":alice@example.org")
    assert offer["Handle"] not in str(sign_in) + str(choice)


@pytest.mark.parametrize("case", ["no role is open", "an answer that nobody asked for"])
def test_a_refusal_of_whom_a_provider_vouches_for_names_them(site: Site, case: str) -> None:
    """The refusal of a verified caller is an event of its own.

    As at the API, it is never counted among the refusals of unverified callers.
    """
    more: dict[str, Any] = {"in_response_to": "_unasked"} if case == "an answer that nobody asked for" else {}
    answer = site.hand_in(site.browser(), CLOSED, **more)
    assert "Error" in answer.document
    refusal = site.stage.server.audit.audit_records[-1]
    assert (refusal.action, refusal.is_unproven_refusal) == ("SAMLSignIn", False)
    assert to_event(refusal).user_identity.principal_id.endswith(":alice@example.org")


def test_a_refusal_of_what_no_provider_vouches_for_names_nobody(site: Site) -> None:
    """The unverified subject of a response is not recorded as known."""
    fields = {"SAMLResponse": site.stage.response(granting(FIRST, recipient="https://other.example/saml"))}
    assert site.browser().send(site.url, fields, accept=JSON).status == 400
    assert site.stage.server.audit.audit_records[-1].is_unproven_refusal


def test_our_metadata_names_the_address_and_what_we_ask(site: Site) -> None:
    """An identity provider can be configured with the document.

    It has entity ID, consumer URL, and the request for signed assertions.
    """
    answer = site.browser().send(f"{site.url}/metadata.xml")
    assert answer.headers["content-type"].startswith("application/samlmetadata+xml")
    root = etree.fromstring(answer.text.encode())
    assert root.get("entityID") == f"{site.url}/metadata.xml"
    consumer = root.find(".//{*}AssertionConsumerService")
    assert consumer is not None
    assert consumer.get("Location") == site.url
    given = granting(FIRST, recipient=site.url, audiences=(root.get("entityID") or "",))
    taken = site.browser().send(site.url, {"SAMLResponse": site.stage.response(given)}, accept=JSON)
    assert taken.status == 200


def test_get_says_what_is_taken(site: Site) -> None:
    """A browser that only opens the URL gets an explanation."""
    answer = site.browser().send(site.url)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
