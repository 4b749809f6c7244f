"""The sign-in session of a browser: one sign-in serves all roles, until it ends or the person signs out."""

import base64
import json
import zlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from lxml import etree, html
from tests.growth import least_seconds
from tests.portal.command import Command
from tests.portal.conftest import ACCOUNT, OTHER, Portal, furnish, running_portal
from tests.portal.idp import IdpSite
from tests.portal.oidc_scene import Errand

from daypass.audit.event import to_event
from daypass.config import Config
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import running_server

JSON = "application/json"
Answer = tuple[int, dict[str, str], str]


def tree_of(text: str) -> Any:
    """Return a page as a tree."""
    return html.fromstring(text)


def sign_in(
    portal: Portal,
    browser: Errand,
    *,
    name_id: str = "alice@example.org",
    in_response_to: str | None = None,
    **also: Any,
) -> Answer:
    """Post a response of the provider, by default an unsolicited one, as its dashboard does."""
    given: dict[str, Any] = {"recipient": f"{portal.url}/saml", "name_id": name_id, "in_response_to": in_response_to}
    assertion = replace(portal.idp.assertion, **given)
    response = portal.idp.idp.response(assertion, now=portal.server.clock.now())
    return browser.post("/saml", {"SAMLResponse": response}, **also)


def arrive(browser: Errand, answer: Answer) -> Answer:
    """Continue as the person on the page after an unsolicited response."""
    address = answer[1]["location"]
    status, _, text = browser.get(address)
    assert (status, "Continue as alice@example.org?" in text) == (200, True)
    return browser.post("/login/continue", {"Token": address.rpartition("/")[2]})


@pytest.fixture
def browser(portal: Portal) -> Errand:
    """Return a browser of a person who has signed in."""
    browser = Errand(portal.url)
    status, headers, _ = arrive(browser, sign_in(portal, browser))
    assert (status, headers["location"]) == (303, "/roles")
    return browser


def choices(text: str) -> dict[str, str]:
    """Return the values of the page's roles, by name."""
    tree = tree_of(text)
    rows = tree.xpath("//details//li[@class='role']")
    return {
        row.xpath(".//span[@class='role-name']")[0].text: row.xpath(".//button[@name='Role']")[0].get("value")
        for row in rows
    }


def take(browser: Errand, role: str, seconds: int = 3_600) -> Answer:
    """Choose a role as the form does, and follow the redirect."""
    status, headers, text = browser.post("/roles/credentials", {"Role": role, "DurationSeconds": str(seconds)})
    return browser.get(headers["location"]) if status == 303 else (status, headers, text)


def whoami(portal: Portal, text: str) -> str:
    """Return the ARN of the credentials on a page."""
    tree = tree_of(text)
    key, secret, token = (tree.xpath(f"string(//*[@id='value-{name}'])") for name in ("key", "secret", "token"))
    return portal.whoami(key, secret, token)


def test_one_sign_in_serves_all_roles(portal: Portal, browser: Errand) -> None:
    """Each role is one form, any number of times, in any order."""
    roles = choices(browser.get("/roles")[2])
    assert set(roles) == {"developer", "readonly", "admin"}
    for name in ("developer", "admin", "readonly", "developer"):
        status, _, page = take(browser, roles[name])
        assert status == 200
        account = OTHER if name == "admin" else ACCOUNT
        assert whoami(portal, page) == f"arn:aws:sts::{account}:assumed-role/{name}/alice"


def test_a_duration_is_shortened_to_the_limit_of_the_role(portal: Portal, browser: Errand) -> None:
    """The page has one duration; readonly allows one hour of its twelve."""
    roles = choices(browser.get("/roles")[2])
    for name, hours in (("readonly", 1), ("developer", 7)):
        _, _, text = take(browser, roles[name], 7 * 3_600)
        seconds = int(tree_of(text).xpath("//*[@data-clock]/@data-clock")[0])
        assert hours * 3_600 - 60 < seconds <= hours * 3_600
    assert 'value="25200" selected' in browser.get("/roles")[2]


@pytest.mark.parametrize("accept", ["text/html", JSON])
def test_a_role_that_is_not_a_role_is_refused(browser: Errand, accept: str) -> None:
    """Letters of more than one byte do not make the address of the credentials too long."""
    form = {"Role": "\u00e9" * 1_100, "DurationSeconds": "900"}
    assert browser.post("/roles/credentials", form, accept=accept)[0] == 400


def test_the_page_evaluates_trust_policies_anew(portal: Portal, browser: Errand) -> None:
    """A role that trusts the person no more leaves the page, and its old button is refused."""
    iam = client_factory(portal.server)("iam")
    before = iam.get_role(RoleName="readonly")["Role"]["AssumeRolePolicyDocument"]
    stale = choices(browser.get("/roles")[2])["readonly"]
    closed = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*"}}'
    iam.update_assume_role_policy(RoleName="readonly", PolicyDocument=closed)
    try:
        assert "readonly" not in choices(browser.get("/roles")[2])
        status, _, page = take(browser, stale)
        assert status == 403
        assert "Not authorized to perform" in page
    finally:
        iam.update_assume_role_policy(RoleName="readonly", PolicyDocument=json.dumps(before))


def test_sign_out_ends_the_session(portal: Portal, browser: Errand) -> None:
    """The cookie is deleted and worthless afterwards, and the log has the event."""
    cookie = dict(browser.cookies)
    status, headers, _ = browser.post("/sign-out", {})
    assert (status, headers["location"]) == (303, "/login?signed-out")
    assert "__Host-daypass-sign-in" not in browser.cookies
    assert "You are signed out" in browser.get("/login?signed-out")[2]
    browser.cookies = cookie
    status, headers, _ = browser.get("/roles")
    assert (status, headers["location"].partition("=")[0]) == (303, "/login?next")
    events = [json.loads(msgspec.json.encode(to_event(each))) for each in portal.server.audit.audit_records]
    ids = {each["eventName"]: each.get("additionalEventData", {}).get("SignInId") for each in events}
    assert ids["SignOut"] == ids["SAMLSignIn"] == cookie["__Host-daypass-sign-in"].partition(".")[0]


def test_a_session_ends_after_eight_hours(portal: Portal, browser: Errand) -> None:
    """At its end the browser is sent to the sign-in page, which leads back."""
    portal.server.clock.move(timedelta(minutes=480))
    try:
        status, headers, _ = browser.get("/roles")
        assert (status, headers["location"].partition("=")[0]) == (303, "/login?next")
        assert browser.get(headers["location"])[0] == 200
    finally:
        portal.server.clock.reset()


@pytest.mark.parametrize(
    "cookie",
    ["", "si-0", "si-" + "0" * 32 + "." + "A" * 43, "si-" + "0" * 32, "x" * 5_000, "../etc", "si-%00." + "A" * 43],
)
def test_a_forged_cookie_is_no_session(portal: Portal, cookie: str) -> None:
    """Every other value is like no cookie."""
    browser = Errand(portal.url, {"__Host-daypass-sign-in": cookie})
    assert browser.get("/roles")[0] == 303
    assert browser.post("/roles/credentials", {"Role": "x"})[0] == 400
    assert browser.post("/sign-out", {})[0] == 303


def test_the_secret_belongs_to_the_session(portal: Portal, browser: Errand) -> None:
    """The id alone, which the audit log has, opens nothing."""
    value = browser.cookies["__Host-daypass-sign-in"]
    wrong = value[:-1] + ("A" if value[-1] != "A" else "B")
    assert Errand(portal.url, {"__Host-daypass-sign-in": wrong}).get("/roles")[0] == 303
    assert Errand(portal.url, {"__Host-daypass-sign-in": value}).get("/roles")[0] == 200


def without_session(browser: Errand) -> Errand:
    """Return the browser as its cross-site form is sent: without cookies that are SameSite=Lax."""
    return Errand(browser.server, {name: value for name, value in browser.cookies.items() if "sign-in" not in name})


def test_an_unsolicited_response_does_not_replace_another_person(portal: Portal, browser: Errand) -> None:
    """A page of an attacker cannot sign its visitor in as the attacker (login CSRF)."""
    address = sign_in(portal, without_session(browser), name_id="mallory@example.org")[1]["location"]
    status, headers, text = browser.get(address)
    assert status == 403
    assert "set-cookie" not in headers
    assert "You are signed in as alice@example.org" in text
    assert browser.get("/roles")[0] == 200
    assert Errand(portal.url).get(address)[0] == 400
    again = sign_in(portal, without_session(browser), name_id="mallory@example.org")[1]["location"]
    assert browser.post("/login/continue", {"Token": again.rpartition("/")[2]})[0] == 403


def test_a_visitor_is_asked_before_a_sign_in_that_they_did_not_start(portal: Portal) -> None:
    """Without a session the page names the person, and only its button, once, gives the browser the session."""
    victim = Errand(portal.url)
    address = sign_in(portal, victim, name_id="mallory@example.org")[1]["location"]
    page = victim.get(address)[2]
    assert "Continue as mallory@example.org?" in page
    assert "__Host-daypass-sign-in" not in victim.cookies
    token = address.rpartition("/")[2]
    assert victim.post("/login/continue", {"Token": token}, Origin="https://evil.example.org")[0] == 403
    assert victim.post("/login/continue", {"Token": token})[0] == 303
    assert victim.post("/login/continue", {"Token": token})[0] == 400
    assert victim.post("/login/continue", {"Token": "x" * 9_000})[0] == 400


def test_the_same_person_continues_at_once(portal: Portal, browser: Errand) -> None:
    """The new session replaces the old one, which ends."""
    before = dict(browser.cookies)
    address = sign_in(portal, without_session(browser))[1]["location"]
    assert browser.get(address)[1]["location"] == "/roles"
    assert browser.get("/roles")[0] == 200
    assert Errand(portal.url, before).get("/roles")[0] == 303


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Role": ""},
        {"Role": "a b c d"},
        {"Role": "x y", "DurationSeconds": "-1"},
        {"Role": "x y", "DurationSeconds": "9999999"},
        {"Role": "x y many"},
        {"Role": "x" * 9_000},
        {"Role": "\x00 y"},
        {"Role": "arn:aws:iam::123456789012:role/developer nonsense"},
    ],
)
def test_a_malformed_choice_is_a_page(portal: Portal, browser: Errand, fields: dict[str, str]) -> None:
    """The response is a 4xx with a heading, never an error of ours."""
    status, headers, text = browser.post("/roles/credentials", fields)
    if status == 303:
        status, _, text = browser.get(headers["location"])
    assert 400 <= status < 500
    assert "card refusal" in text


def test_favourites_and_recent_roles_are_remembered(portal: Portal, browser: Errand) -> None:
    """They need no script, and a forged cookie shows no role that is not open."""
    page = tree_of(browser.get("/roles")[2])
    [star] = page.xpath("//li[.//span[text()='admin']]//button[@name='Add']/@value")
    assert browser.post("/roles/favourites", {"Add": star})[0] == 303
    assert tree_of(browser.get("/roles")[2]).xpath("//section[h2='Favourites']//span/text()")[0] == "admin"
    assert browser.post("/roles/favourites", {"Remove": star, "Stay": "1"})[0] == 204
    assert "Favourites" not in browser.get("/roles")[2]
    assert browser.post("/roles/favourites", {"Add": "<script>"})[0] == 400
    browser.cookies["__Host-daypass-roles"] = f"{'0' * 12}~{'f' * 12}~3600"
    assert browser.get("/roles")[0] == 200


def test_a_search_works_without_scripts(portal: Portal, browser: Errand) -> None:
    """The query leaves the roles that contain all of its words."""
    text = browser.get("/roles?q=sandbox+adm")[2]
    assert set(choices(text)) == {"admin"}
    assert "1 of 3 roles match" in text


def test_a_script_gets_documents(portal: Portal, browser: Errand) -> None:
    """With JSON, the form returns what the page shows."""
    role = choices(browser.get("/roles")[2])["developer"]
    status, _, text = browser.post("/roles/credentials", {"Role": role}, accept=JSON)
    given = json.loads(text)
    assert (status, given["RoleName"]) == (200, "developer")
    keys = given["Credentials"]
    arn = portal.whoami(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert arn.endswith("/developer/alice")


def test_a_credentials_page_is_of_one_session(portal: Portal, browser: Errand) -> None:
    """Its address mints again on Reload, for the person who chose the role, and for no other browser."""
    role = choices(browser.get("/roles")[2])["developer"]
    address = browser.post("/roles/credentials", {"Role": role})[1]["location"]
    first, second = (browser.get(address)[2] for _ in range(2))
    assert whoami(portal, first) == whoami(portal, second)
    assert first != second
    other = Errand(portal.url)
    assert other.get(address)[1]["location"].startswith("/login?next=")
    arrive(other, sign_in(portal, other))
    status, _, text = other.get(address)
    assert (status, "Choose the role again" in text) == (400, True)


def test_json_clients_of_0_1_0_get_a_handle_and_no_session(portal: Portal) -> None:
    """POST /saml answers the roles with a handle; POST /saml/role takes one of them, once."""
    browser = Errand(portal.url)
    status, _, text = sign_in(portal, browser, accept=JSON)
    offered = json.loads(text)
    assert status == 200
    assert "__Host-daypass-sign-in" not in browser.cookies
    role = offered["Roles"][0]
    fields = {"Handle": offered["Handle"], "RoleArn": role["RoleArn"], "PrincipalArn": role["PrincipalArn"]}
    assert browser.post("/saml/role", fields, accept=JSON)[0] == 200
    assert browser.post("/saml/role", fields, accept=JSON)[0] == 400


# Commands


def test_a_command_is_approved_with_the_session(portal: Portal, browser: Errand) -> None:
    """No second sign-in: the page names who asks, and only its button approves."""
    command = Command(portal.url, "device", role=f"arn:aws:iam::{ACCOUNT}:role/developer", duration="7200")
    status, headers, _ = browser.post("/device", {"code": command.begun["user_code"]})
    assert status == 303
    page = browser.get(headers["location"])[2]
    assert "alice@laptop" in page
    assert command.begun["user_code"] in page
    assert set(choices(page)) == {"developer"}
    assert 'value="7200" selected' in page
    assert command.redeem()[1]["error"] == "authorization_pending"
    fields = {"Handle": headers["location"].rpartition("/")[2], "Role": choices(page)["developer"]}
    assert Errand(portal.url).post("/handover/approve", fields)[0] == 400
    status, headers, _ = browser.post("/handover/approve", fields)
    assert (status, headers["location"]) == (303, "/handover/done")
    assert "Sign-in approved" in browser.get("/handover/done")[2]
    given = command.redeem()[1]
    assert given["AssumedRoleUser"]["Arn"].endswith("/developer/alice")
    assert given["RoleArn"].endswith(":role/developer")
    assert browser.post("/handover/approve", fields)[0] == 400


def test_another_person_cannot_use_the_address_of_an_approval(portal: Portal, browser: Errand) -> None:
    """The handle is bound to the session for which the code was entered."""
    command = Command(portal.url, "device")
    address = browser.post("/device", {"code": command.begun["user_code"]})[1]["location"]
    victim = Errand(portal.url)
    token = sign_in(portal, victim, name_id="bob@example.org")[1]["location"].rpartition("/")[2]
    victim.post("/login/continue", {"Token": token})
    assert victim.get("/roles")[0] == 200
    assert victim.get(address)[0] == 400
    assert victim.post("/handover/decline", {"Handle": address.rpartition("/")[2]})[0] == 400
    assert browser.post("/handover/decline", {"Handle": address.rpartition("/")[2]})[0] == 303
    assert command.redeem()[1]["error"] == "access_denied"


def test_a_command_gets_the_role_that_it_requested(portal: Portal, browser: Errand) -> None:
    """A form that names another role is refused."""
    roles = choices(browser.get("/roles")[2])
    command = Command(portal.url, "device", role=f"arn:aws:iam::{ACCOUNT}:role/readonly")
    address = browser.post("/device", {"code": command.begun["user_code"]})[1]["location"]
    fields = {"Handle": address.rpartition("/")[2], "Role": roles["developer"]}
    status, _, text = browser.post("/handover/approve", fields)
    assert status == 403
    assert "The command requested another role." in text
    assert command.redeem()[1]["error"] == "authorization_pending"


def test_a_command_that_wants_the_assertion_signs_in_anew(portal: Portal, browser: Errand) -> None:
    """A session has no fresh assertion, so the person goes to the provider."""
    key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
    command = Command(portal.url, "device", deliver="assertion", public_key=key)
    status, _, text = browser.post("/device", {"code": command.begun["user_code"]})
    assert status == 200
    assert "Sign in for your terminal" in text


# Where a sign-in leads


def test_a_page_that_needs_a_sign_in_is_continued(portal: Portal) -> None:
    """`next` survives the way to the provider and back."""
    browser = Errand(portal.url)
    _, headers, _ = browser.get("/roles?q=adm")
    page = tree_of(browser.get(headers["location"])[2])
    [link] = page.xpath("//a[@class='login-option']/@href")
    to = parse_qs(urlsplit(browser.get(link)[1]["location"]).query)
    request = etree.fromstring(zlib.decompress(base64.b64decode(to["SAMLRequest"][0]), -15))
    status, headers, _ = sign_in(portal, browser, in_response_to=request.get("ID"))
    assert (status, headers["location"]) == (303, "/roles?q=adm")
    # With a session, the sign-in page leads on at once; "other" is for another person.
    assert browser.get("/login")[1]["location"] == "/roles"
    assert browser.get("/login?other")[0] == 200
    assert "Last used" not in browser.get("/login?other")[2]


def test_a_sign_in_that_another_site_began_waits_for_the_person(portal: Portal) -> None:
    """A SAML provider of an attacker knows the request, and answers it about the attacker."""
    browser = Errand(portal.url)
    _, headers, _ = browser.get("/roles?q=adm")
    [link] = tree_of(browser.get(headers["location"])[2]).xpath("//a[@class='login-option']/@href")
    to = parse_qs(urlsplit(browser.get(link, Sec_Fetch_Site="cross-site")[1]["location"]).query)
    request = etree.fromstring(zlib.decompress(base64.b64decode(to["SAMLRequest"][0]), -15))
    answer = sign_in(portal, browser, in_response_to=request.get("ID"))
    assert browser.get("/roles")[1]["location"].startswith("/login?next=")
    assert arrive(browser, answer)[1]["location"] == "/roles"
    assert browser.get("/roles")[0] == 200


@pytest.mark.parametrize("handle", ["x", "//evil.example.org", "https://evil.example.org", "DPp1" + "A" * 90])
def test_only_our_handles_are_continued(portal: Portal, browser: Errand, handle: str) -> None:
    """Another value of `next` leads to the roles."""
    assert browser.get(f"/login?{urlencode({'next': handle})}")[1]["location"] == "/roles"


# Many roles


@pytest.mark.slow
def test_a_page_of_300_roles_is_quick() -> None:
    """Server and client together need at most 30 ms of a processor; the server alone less."""
    with (
        running_server(account=ACCOUNT) as server,
        IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as idp,
    ):
        roles = {f"role-{number:03}": 43_200 for number in range(300)}
        pairs = furnish(client_factory(server)("iam"), idp, roles)
        idp.assertion = Assertion(roles=tuple(pairs), session_name="alice", name_id="alice@example.org")
        browser = Errand(server.url)
        arrive(browser, sign_in(Portal(server, idp), browser))
        assert browser.get("/roles")[2].count('class="role"') == 300
        assert least_seconds(lambda: browser.get("/roles"), 0.03) < 0.03


@pytest.mark.parametrize("is_served", [True, False])
def test_a_profile_for_programs_is_shown_while_they_can_sign_in(*, is_served: bool) -> None:
    """Without the sign-in API, the page begins with the environment variables."""
    with running_portal(Config(sign_in_api=is_served)) as there:
        browser = Errand(there.url)
        arrive(browser, sign_in(there, browser))
        page = take(browser, choices(browser.get("/roles")[2])["developer"])[2]
    assert ("sso_start_url" in page) is is_served
    for command in (f"daypass login --endpoint-url {there.url} --all", "daypass profile sync --sso"):
        assert (f"<code>{command}</code>" in page) is is_served
    assert tree_of(page).xpath("//input[@name='way'][@checked]/@id") == ["way-cli" if is_served else "way-env"]
