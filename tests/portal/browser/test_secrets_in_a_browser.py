"""Addresses, referrers, caches, cookies and the audit log of a sign-in do not contain secrets."""

from dataclasses import dataclass
from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import Browser, Page, Request, Response
from tests.portal.browser.test_saml_in_a_browser import shown
from tests.portal.command import Command, Listener
from tests.portal.conftest import BROWSER_WAITS, Portal
from tests.portal.test_handover import hand_over, sign_in, take

from daypass.audit.event import to_event

KEPT_FOR_EVER = "/assets/"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Answer:
    """A response of our server to a browser."""

    path: str
    headers: dict[str, str]
    cookies: list[str]


@dataclass(frozen=True)
class Traffic:
    """All requests of a browser, our responses, and the secrets of its actions."""

    asked: list[tuple[str, dict[str, str]]]
    answers: list[Answer]
    secrets: list[str]


@pytest.fixture(scope="module")
def traffic(portal: Portal, chromium: Browser) -> Traffic:
    """Sign in, download credentials, complete CLI sign-ins by loopback and by code, decline, and be refused."""
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(BROWSER_WAITS)
    requests: list[Request] = []
    responses: list[Response] = []
    # Playwright sets attributes on these functions.
    context.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - see above
    context.on("response", lambda response: responses.append(response))  # noqa: PLW0108 - see above
    secrets = _play(context.new_page(), portal)
    answers = [_read(response, portal) for response in responses if response.url.startswith(portal.url)]
    asked = [(request.url, request.headers) for request in requests]
    context.close()
    return Traffic(asked, answers, secrets)


def _play(page: Page, portal: Portal) -> list[str]:
    secrets: list[str] = []
    page.goto(f"{portal.url}/")
    sign_in(page, portal)
    take(page, "developer")
    secrets += shown(page)[1:]
    page.get_by_text("Individual values").click()
    with page.expect_download():
        page.get_by_role("button", name="Download as JSON").click()
    with Listener(portal.url) as listener:
        command = Command(portal.url, "loopback", redirect_uri=listener.uri, state=listener.state)
        page.goto(command.begun["url"])
        page.get_by_role("heading", name="Approve the sign-in").wait_for()
        hand_over(page, "readonly")
        page.get_by_role("heading", name="Sign-in approved").wait_for()
        secrets += _given(command.redeem(code=listener.got["code"])[1]["Credentials"])
        secrets.append(command.verifier)
    for outcome in ("Approve", "Decline"):
        command = Command(portal.url, "device")
        page.goto(f"{portal.url}/device")
        page.get_by_label("Code").fill(command.begun["user_code"])
        page.keyboard.press("Enter")
        page.get_by_role("button", name=outcome).first.click()
        page.get_by_text("You can close this page").wait_for()
        secrets.append(command.verifier)
        command.redeem()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out").wait_for()
    page.goto(f"{portal.url}/login/saml/none")
    return secrets


def _read(response: Response, portal: Portal) -> Answer:
    pairs = [(each["name"].lower(), each["value"]) for each in response.headers_array()]
    cookies = [line for name, value in pairs if name == "set-cookie" for line in value.split("\n")]
    return Answer(response.url.removeprefix(portal.url), dict(pairs), cookies)


def _given(credentials: dict[str, str]) -> list[str]:
    return [credentials["SecretAccessKey"], credentials["SessionToken"]]


def test_no_address_and_no_referrer_holds_a_secret(portal: Portal, traffic: Traffic) -> None:
    """URLs have no credentials, responses, handles, verifiers or cookies; no referrer is sent."""
    lines = [line for answer in traffic.answers for line in answer.cookies if "-provider=" not in line]
    cookies = [line.partition("=")[2].partition(";")[0] for line in lines]
    secrets = [each for each in {*traffic.secrets, *cookies} if len(each) > 16]
    assert len(secrets) > 10
    for url, headers in traffic.asked:
        address = unquote_plus(url)
        assert [each for each in secrets if each in address] == []
        assert "SAMLResponse" not in address
        assert not headers.get("referer", "").startswith(portal.url)


def test_every_cookie_is_for_this_host_and_no_script(traffic: Traffic) -> None:
    """`__Host-`, Secure, HttpOnly, Path=/, no Domain; SameSite=None only if a provider's form must send it."""
    kinds: dict[str, set[str]] = {}
    for line in (line for answer in traffic.answers for line in answer.cookies):
        name, *flags = (part.strip().lower() for part in line.split(";"))
        assert name.startswith("__host-daypass-")
        assert {"secure", "httponly", "path=/"} <= set(flags)
        assert not [flag for flag in flags if flag.startswith("domain")]
        lasts = name.startswith(("__host-daypass-provider=", "__host-daypass-roles=", "__host-daypass-sign-in="))
        assert lasts or not [flag for flag in flags if flag.startswith("max-age") and int(flag[8:]) > 3_600]
        kind = name.removeprefix("__host-daypass-").partition("=")[0].replace("sign-in", "session").partition("-")[0]
        kinds.setdefault(kind, set()).update(flag for flag in flags if flag.startswith("samesite"))
    lax = {key: {"samesite=lax"} for key in ("outcome", "provider", "roles", "session")}
    assert kinds == {"device": {"samesite=strict"}, "begun": {"samesite=none"}, **lax}


def test_no_answer_is_kept_or_framed(traffic: Traffic) -> None:
    """Only the style, the script and the picture may be cached. They have no personal data."""
    paths = set()
    for answer in traffic.answers:
        headers, path = answer.headers, answer.path.partition("?")[0]
        if path == "/":  # the address of the API, which redirects browsers to /login
            continue
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        if path.startswith(KEPT_FOR_EVER):
            continue
        paths.add(path)
        assert headers["cache-control"] == "no-store", path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cross-origin-opener-policy"] == "same-origin", path
        policy = headers["content-security-policy"]
        assert policy.startswith(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action"
        )
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert {"/login", "/saml", "/roles", "/handover/approve", "/handover/decline", "/device", "/handover/done"} <= paths


def test_the_audit_log_tells_of_it_without_secrets(portal: Portal, traffic: Traffic) -> None:
    """The log records the person and the chosen role, never their secrets."""
    log = "".join(str(to_event(each)) for each in portal.server.audit.audit_records)
    assert "SAMLSignIn" in log
    assert "AssumeRoleWithSAML" in log
    assert [each for each in traffic.secrets if each in log] == []


def test_scripts_and_styles_are_files_of_ours(portal: Portal, traffic: Traffic) -> None:
    """The policy would block any other source, and the pages do not use one."""
    served = {answer.path for answer in traffic.answers if answer.path.startswith(KEPT_FOR_EVER)}
    assert {path.rpartition("/")[2] for path in served} >= {"portal.css", "portal.js"}
    fetched = [url for url, _ in traffic.asked if url.endswith((".js", ".css", ".svg", ".woff2", ".png"))]
    assert all(url.startswith(f"{portal.url}{KEPT_FOR_EVER}") for url in fetched)
