"""`aws sso login` in both forms: what the programs send, and what a person must click.

The programs are boto3's client of SSO OIDC, and raw HTTP as the AWS CLI 2.36 sends it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from tests.http.raw import Answer, send
from tests.sign_in.conftest import People
from tests.sso.browser import Browser, handle_in, query_of
from tests.sso.conftest import ROLE

from daypass.audit.event import to_event
from daypass.base64url import to_base64url
from daypass.errors import ExpiredTokenException
from daypass.portal.approvals.program_approval import WaitingCode
from daypass.portal.approvals.sealed_forms import open_form, seal_form
from daypass.sign_in.clients import load_client
from daypass.sign_in.sessions import cookie_of, end_session, find_by_cookie
from daypass.testing.server import RunningServer

VERIFIER = "v" * 64
CHALLENGE = to_base64url(hashlib.sha256(VERIFIER.encode()).digest())
URI = "http://127.0.0.1:50123/oauth/callback"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "sso:account:access"


@pytest.fixture(autouse=True)
def _new_hour(server: RunningServer, everyone: People) -> None:
    server.clock.move(timedelta(hours=1))


@pytest.fixture
def program(sso_oidc: Any) -> Mapping[str, str]:
    """Return the registration of a program for the code flow."""
    return register(sso_oidc)


def register(sso_oidc: Any, name: str = "botocore-client-mine", **more: Any) -> Mapping[str, str]:
    """Register as the AWS CLI does for the code flow."""
    given = {
        "grantTypes": ["authorization_code", "refresh_token"],
        "redirectUris": ["http://127.0.0.1/oauth/callback"],
        "scopes": [SCOPE],
        **more,
    }
    found = sso_oidc.register_client(clientName=name, clientType="public", **given)
    return {name: found[name] for name in ("clientId", "clientSecret")}


def asked(program: Mapping[str, str], **changes: str) -> str:
    """Return the address that the AWS CLI opens."""
    members = {
        "response_type": "code",
        "client_id": program["clientId"],
        "redirect_uri": URI,
        "state": "5f3b27c4-1111-2222-3333-444455556666",
        "code_challenge_method": "S256",
        "scopes": SCOPE,
        "code_challenge": CHALLENGE,
    }
    return f"/authorize?{urlencode(members | changes)}"


def approve(browser: Browser, program: Mapping[str, str]) -> str:
    """Click on Approve, and return the code."""
    handle = handle_in(browser.get(asked(program)))
    return query_of(browser.post("/authorize", {"Handle": handle, "Approve": "yes"}))["code"]


def redeem(sso_oidc: Any, program: Mapping[str, str], code: str, **changes: str) -> dict[str, Any]:
    """Exchange a code as the AWS CLI does."""
    given = {"grantType": "authorization_code", "code": code, "redirectUri": URI, "codeVerifier": VERIFIER}
    found: dict[str, Any] = sso_oidc.create_token(**{**program, **given, **changes})
    return found


def code_of(call: Any, *args: Any, **more: Any) -> str:
    """Return the error code of a refused call."""
    with pytest.raises(ClientError) as caught:
        call(*args, **more)
    return str(caught.value.response["Error"]["Code"])


def accounts(server: RunningServer, token: str) -> Answer:
    """Use an access token."""
    return send(server, b"", {"x-amz-sso_bearer_token": token}, method="GET", target="/assignment/accounts")


def test_a_person_approves_a_program_on_this_device(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """The whole way: page, click, redirect with code and state, tokens, refresh."""
    page = browser.get(asked(program))
    assert (page.status, page.text.count("Approve sign-in")) == (200, 2)
    assert "It says it is" in page.text
    assert "“botocore-client-mine”" in page.text
    sent = browser.post("/authorize", {"Handle": handle_in(page), "Approve": "yes"})
    assert sent.status == 303
    assert sent.headers["location"].startswith(f"{URI}?code=")
    assert query_of(sent)["state"] == "5f3b27c4-1111-2222-3333-444455556666"
    tokens = redeem(sso_oidc, program, query_of(sent)["code"])
    assert (tokens["tokenType"], tokens["expiresIn"]) == ("Bearer", 3_600)
    ends = int(tokens["ResponseMetadata"]["HTTPHeaders"]["x-daypass-sign-in-ends"])
    assert abs(ends - server.clock.now().timestamp() - 8 * 3_600) < 60
    assert accounts(server, tokens["accessToken"]).status == 200
    renewed = sso_oidc.create_token(**program, grantType="refresh_token", refreshToken=tokens["refreshToken"])
    assert renewed["accessToken"] != tokens["accessToken"]
    assert accounts(server, renewed["accessToken"]).status == 200


def test_a_person_approves_a_program_on_another_device(server: RunningServer, browser: Browser, sso_oidc: Any) -> None:
    """The program polls once before it shows the code, and gets the tokens once."""
    program = register(sso_oidc, grantTypes=[DEVICE_CODE, "refresh_token"])
    begun = sso_oidc.start_device_authorization(**program, startUrl=f"{server.url}/start")
    assert (begun["expiresIn"], begun["interval"]) == (600, 2)
    assert begun["verificationUri"] == f"{server.url}/device"
    assert begun["verificationUriComplete"] == f"{server.url}/device?user_code={begun['userCode']}"
    poll = {**program, "grantType": DEVICE_CODE, "deviceCode": begun["deviceCode"]}
    assert code_of(sso_oidc.create_token, **poll) == "AuthorizationPendingException"
    form = browser.get(f"/device?user_code={begun['userCode']}")
    assert f'value="{begun["userCode"]}"' in form.text
    page = browser.post("/device", {"code": begun["userCode"]})
    assert "“botocore-client-mine”" in page.text
    assert begun["userCode"] in page.text
    assert "at 127.0.0.1" in page.text
    done = browser.post("/device/approval", {"Handle": handle_in(page), "Approve": "yes"})
    assert "You are signed in" in done.text
    server.clock.move(timedelta(seconds=2))
    tokens = sso_oidc.create_token(**poll)
    assert accounts(server, tokens["accessToken"]).status == 200
    server.clock.move(timedelta(seconds=2))
    assert code_of(sso_oidc.create_token, **poll) == "ExpiredTokenException"


def test_the_program_is_told_that_the_person_declined(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """Both flows end, and no token is issued."""
    sent = browser.post("/authorize", {"Handle": handle_in(browser.get(asked(program))), "Decline": "yes"})
    assert query_of(sent) == {"error": "access_denied", "state": "5f3b27c4-1111-2222-3333-444455556666"}
    other = register(sso_oidc, grantTypes=[DEVICE_CODE])
    begun = sso_oidc.start_device_authorization(**other, startUrl=f"{server.url}/start")
    page = browser.post("/device", {"code": begun["userCode"]})
    assert "declined" in browser.post("/device/approval", {"Handle": handle_in(page), "Decline": "yes"}).text
    found = code_of(sso_oidc.create_token, **other, grantType=DEVICE_CODE, deviceCode=begun["deviceCode"])
    assert found == "AccessDeniedException"


def test_a_form_without_a_button_approves_nothing(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """Only a click on Approve does."""
    sent = browser.post("/authorize", {"Handle": handle_in(browser.get(asked(program)))})
    assert query_of(sent)["error"] == "access_denied"
    other = register(sso_oidc, grantTypes=[DEVICE_CODE])
    begun = sso_oidc.start_device_authorization(**other, startUrl=f"{server.url}/start")
    page = browser.post("/device", {"code": begun["userCode"]})
    assert "declined" in browser.post("/device/approval", {"Handle": handle_in(page)}).text


def test_a_program_uses_the_grants_that_it_registered_for(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """A program for devices gets no code, and a program for codes no device code."""
    devices = register(sso_oidc, grantTypes=[DEVICE_CODE])
    found = browser.get(asked(devices))
    assert (found.status, found.headers["x-amzn-errortype"]) == (400, "UnauthorizedClientException")
    begin = sso_oidc.start_device_authorization
    assert code_of(begin, **program, startUrl=f"{server.url}/start") == "UnauthorizedClientException"


def test_a_program_with_tokens_keeps_its_registration(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """Only unused registrations are replaced."""
    with server.there.store.read() as reader:
        assert not getattr(load_client(reader, program["clientId"]), "is_used", True)
    redeem(sso_oidc, program, approve(browser, program))
    with server.there.store.read() as reader:
        assert getattr(load_client(reader, program["clientId"]), "is_used", False)


def test_a_waiting_program_does_not_need_the_writer(server: RunningServer, sso_oidc: Any) -> None:
    """Polls are answered from the cache while another request writes."""
    program = register(sso_oidc, grantTypes=[DEVICE_CODE])
    begun = sso_oidc.start_device_authorization(**program, startUrl=f"{server.url}/start")
    poll = {**program, "grantType": DEVICE_CODE, "deviceCode": begun["deviceCode"]}
    assert code_of(sso_oidc.create_token, **poll) == "AuthorizationPendingException"
    with server.there.store.write():
        assert code_of(sso_oidc.create_token, **poll) == "AuthorizationPendingException"


def test_a_form_of_one_page_is_not_one_of_another(everyone: People, browser: Browser) -> None:
    """The sealed value names its page."""
    with everyone.node.ctx() as ctx:
        session = find_by_cookie(browser.session, ctx)
        assert session is not None
        handle = seal_form("/authorize", WaitingCode("BCDFGHJK", "0" * 32), session, ctx)
        assert open_form("/authorize", handle, session, ctx).id
        with pytest.raises(ExpiredTokenException):
            open_form("/device/approval", handle, session, ctx)


def test_a_browser_that_is_not_signed_in_signs_in_first(
    server: RunningServer, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """It comes back to the approval, not to the program."""
    begun = sso_oidc.start_device_authorization(
        **register(sso_oidc, grantTypes=[DEVICE_CODE]), startUrl=f"{server.url}/start"
    )
    for target in (asked(program), f"/device?user_code={begun['userCode']}"):
        found = Browser(server).get(target)
        assert found.status == 303
        assert re.fullmatch(r"/login\?next=[A-Za-z0-9_-]+", found.headers["location"])
    typed = Browser(server).post("/device", {"code": begun["userCode"]})
    assert re.fullmatch(r"/login\?next=[A-Za-z0-9_-]+", typed.headers["location"])


def test_pages_cannot_be_framed_and_forms_go_to_the_program_alone(browser: Browser, program: Mapping[str, str]) -> None:
    """The redirect after the click is a form action for browsers."""
    page = browser.get(asked(program))
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:50123;" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_an_approval_of_another_site_is_refused(
    browser: Browser, program: Mapping[str, str], headers: dict[str, str]
) -> None:
    """Even with the sealed value of a page."""
    handle = handle_in(browser.get(asked(program)))
    assert browser.post("/authorize", {"Handle": handle, "Approve": "yes"}, **headers).status == 403
    assert browser.post("/device/approval", {"Handle": handle, "Approve": "yes"}, **headers).status == 403


def test_a_form_belongs_to_one_browser_session_and_page(
    everyone: People, browser: Browser, program: Mapping[str, str]
) -> None:
    """An attacker's form in the victim's browser, no form, and a form of another page are refused."""
    other = Browser(browser.server, cookie_of(*everyone.node.sign_in_by_saml(everyone.response(ROLE))))
    handle = handle_in(browser.get(asked(program)))
    for fields in ({"Handle": handle}, {"Handle": ""}, {}, {"Handle": "DPp1" + "A" * 100}):
        found = other.post("/authorize", {**fields, "Approve": "yes"})
        assert (found.status, "location" in found.headers) == (400, False)
    assert browser.post("/device/approval", {"Handle": handle, "Approve": "yes"}).status == 400
    assert Browser(browser.server).post("/authorize", {"Handle": handle, "Approve": "yes"}).status == 400


def test_a_page_approves_once_and_for_ten_minutes(
    server: RunningServer, browser: Browser, program: Mapping[str, str]
) -> None:
    """A second click, Back and a form that was left open give no further code."""
    handle = handle_in(browser.get(asked(program)))
    assert browser.post("/authorize", {"Handle": handle, "Approve": "yes"}).status == 303
    assert browser.post("/authorize", {"Handle": handle, "Approve": "yes"}).status == 400
    late = handle_in(browser.get(asked(program)))
    server.clock.move(timedelta(minutes=10))
    assert browser.post("/authorize", {"Handle": late, "Approve": "yes"}).status == 400


_WRONG_QUERIES: Mapping[str, Mapping[str, str]] = {
    "response_type": {"response_type": "token"},
    "client": {"client_id": "unknown"},
    "no client": {"client_id": ""},
    "long client": {"client_id": "x" * 600},
    "other redirect": {"redirect_uri": "http://127.0.0.1:50123/other"},
    "foreign redirect": {"redirect_uri": "https://evil.example/oauth/callback"},
    "localhost": {"redirect_uri": "http://localhost:50123/oauth/callback"},
    "user info": {"redirect_uri": "http://127.0.0.1:50123@evil.example/oauth/callback"},
    "script": {"redirect_uri": "javascript:alert(1)"},
    "no state": {"state": ""},
    "NUL in state": {"state": "a\0b"},
    "line in state": {"state": "a\r\nSet-Cookie: x=y"},
    "20 kB of state": {"state": "s" * 20_000},
    "513 characters of state": {"state": "s" * 513},
    "plain": {"code_challenge_method": "plain"},
    "no method": {"code_challenge_method": ""},
    "no challenge": {"code_challenge": ""},
    "padded challenge": {"code_challenge": CHALLENGE + "="},
    "no scope": {"scopes": ""},
    "unknown scope": {"scopes": "sso:account:access admin"},
    "another scope": {"scopes": "openid"},
    "unknown member": {"prompt": "none"},
}


@pytest.mark.parametrize("name", _WRONG_QUERIES)
def test_a_wrong_request_is_a_page_and_never_a_redirect(
    browser: Browser, program: Mapping[str, str], name: str
) -> None:
    """A redirect before the check would be an open redirect."""
    for accept in ("text/html", "*/*"):
        browser.headers["Accept"] = accept
        found = browser.get(asked(program, **_WRONG_QUERIES[name]))
        assert (found.status, "location" in found.headers) == (400, False)
        assert found.headers["x-amzn-errortype"] in {"InvalidRequestException", "InvalidScopeException"}
        if accept == "*/*":
            assert json.loads(found.body).keys() == {"error", "error_description"}


@pytest.mark.parametrize(
    "member",
    ["response_type", "client_id", "redirect_uri", "state", "code_challenge_method", "code_challenge", "scopes"],
)
def test_every_member_occurs_exactly_once(browser: Browser, program: Mapping[str, str], member: str) -> None:
    """Two readers could see different values of a doubled one."""
    whole = asked(program)
    without = "/authorize?" + "&".join(each for each in whole[11:].split("&") if not each.startswith(f"{member}="))
    (given,) = [each for each in whole[11:].split("&") if each.startswith(f"{member}=")]
    for target in (without, f"{whole}&{given}", f"{whole}&{member}=other", f"{whole}&{member.upper()}=x"):
        assert browser.get(target).status == 400


def test_a_query_that_cannot_be_decoded_is_refused(browser: Browser, program: Mapping[str, str]) -> None:
    """Broken escapes and bytes that are not UTF-8 never reach a page."""
    for end in ("&x=%zz", "&x=%ff", "%", "&"):
        assert browser.get(asked(program) + end).status == 400


_NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\u202e\u2066Your bank\u202c",
    "W" * 3_000,
    "a\nb\r\nc\td",
    "{{ 7 * 7 }}",
    "e" + "\u0301" * 500,
    "Administrator: click Approve sign-in</dd></dl>",
    "名前 🔑",
]


@pytest.mark.parametrize("name", _NAMES)
def test_a_name_neither_breaks_nor_widens_the_page(browser: Browser, sso_oidc: Any, name: str) -> None:
    """It is escaped, cut, in one line, and marked as a claim."""
    page = browser.get(asked(register(sso_oidc, name)))
    assert page.status == 200
    shown = re.search(r"It says it is</dt><dd>“([^<]*)”</dd>", page.text)
    assert shown is not None
    assert len(shown[1]) < 64 * 10
    assert "\n" not in shown[1]
    assert not re.search("[\u0000-\u001f\u202a-\u202e\u2066-\u2069]", shown[1])
    assert "<script>alert" not in page.text
    assert "onerror=alert(1)>" not in page.text
    assert "49" not in shown[1]


def test_an_intercepted_code_is_worth_nothing(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """Without the verifier, the right client gets nothing, and the code is used up."""
    code = approve(browser, program)
    assert code_of(redeem, sso_oidc, program, code, codeVerifier="w" * 64) == "InvalidGrantException"
    assert code_of(redeem, sso_oidc, program, code) == "InvalidGrantException"
    assert server.audit.audit_records[-1].fault is not None
    assert server.audit.audit_records[-1].fault.detail == "code: reused"


def test_a_code_of_another_client_is_refused(browser: Browser, sso_oidc: Any, program: Mapping[str, str]) -> None:
    """A program cannot redeem the code of another one (mix-up)."""
    thief = register(sso_oidc, "thief")
    assert code_of(redeem, sso_oidc, thief, approve(browser, program)) == "InvalidGrantException"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:50124/oauth/callback", "http://127.0.0.1/oauth/callback"])
def test_a_code_belongs_to_the_redirect_uri_of_its_request(
    browser: Browser, sso_oidc: Any, program: Mapping[str, str], uri: str
) -> None:
    """Its port too: another port is another program of this machine."""
    found = code_of(redeem, sso_oidc, program, approve(browser, program), redirectUri=uri)
    assert found == "InvalidGrantException"


def test_reuse_of_a_code_revokes_its_tokens(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """The other tokens of the person stay."""
    other = redeem(sso_oidc, program, approve(browser, program))
    code = approve(browser, program)
    tokens = redeem(sso_oidc, program, code)
    assert code_of(redeem, sso_oidc, program, code) == "InvalidGrantException"
    assert accounts(server, tokens["accessToken"]).status == 401
    assert accounts(server, other["accessToken"]).status == 200
    refused = code_of(sso_oidc.create_token, **program, grantType="refresh_token", refreshToken=tokens["refreshToken"])
    assert refused == "InvalidGrantException"


def test_a_code_lasts_a_minute(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """It is on its way for a second at most."""
    code = approve(browser, program)
    server.clock.move(timedelta(seconds=60))
    assert code_of(redeem, sso_oidc, program, code) == "InvalidGrantException"


def test_reuse_of_a_refresh_token_revokes_its_family(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """For 30 seconds it has the same answer; after that, either of two holders is a thief."""
    first = redeem(sso_oidc, program, approve(browser, program))
    refresh = {**program, "grantType": "refresh_token", "refreshToken": first["refreshToken"]}
    second = sso_oidc.create_token(**refresh)
    again = sso_oidc.create_token(**refresh)
    assert (again["accessToken"], again["refreshToken"]) == (second["accessToken"], second["refreshToken"])
    server.clock.move(timedelta(seconds=31))
    assert code_of(sso_oidc.create_token, **refresh) == "InvalidGrantException"
    assert accounts(server, second["accessToken"]).status == 401


def test_a_refresh_token_belongs_to_its_client(browser: Browser, sso_oidc: Any, program: Mapping[str, str]) -> None:
    """Another program cannot use it, and cannot revoke the family by trying."""
    tokens = redeem(sso_oidc, program, approve(browser, program))
    refresh = {"grantType": "refresh_token", "refreshToken": tokens["refreshToken"]}
    assert code_of(sso_oidc.create_token, **register(sso_oidc, "thief"), **refresh) == "InvalidGrantException"
    assert sso_oidc.create_token(**program, **refresh)["accessToken"]


def test_sign_out_ends_codes_and_tokens(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """A code that waits is worth nothing after the sign-in has ended."""
    tokens, code = redeem(sso_oidc, program, approve(browser, program)), approve(browser, program)
    with server.there.store.write() as writer:
        end_session(writer, browser.session.partition(".")[0])
    assert code_of(redeem, sso_oidc, program, code) == "InvalidGrantException"
    refresh = {"grantType": "refresh_token", "refreshToken": tokens["refreshToken"]}
    assert code_of(sso_oidc.create_token, **program, **refresh) == "InvalidGrantException"
    assert browser.get(asked(program)).headers["location"].startswith("/login?next=")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clientSecret": "wrong"}, "InvalidClientException"),
        ({"clientId": "wrong"}, "InvalidClientException"),
        ({"grantType": "password"}, "UnsupportedGrantTypeException"),
        ({"grantType": DEVICE_CODE, "deviceCode": "x"}, "UnauthorizedClientException"),
        ({"grantType": "authorization_code"}, "InvalidRequestException"),
        ({"grantType": "authorization_code", "code": "x", "redirectUri": URI}, "InvalidRequestException"),
        ({"grantType": "refresh_token"}, "InvalidRequestException"),
        ({"grantType": "refresh_token", "refreshToken": "x"}, "InvalidGrantException"),
        ({"grantType": "refresh_token", "refreshToken": "x", "scope": ["admin"]}, "InvalidScopeException"),
        ({"grantType": "authorization_code", "code": "x" * 60_000}, "InvalidRequestException"),
    ],
)
def test_create_token_refuses_in_the_words_of_the_protocol(
    sso_oidc: Any, program: Mapping[str, str], changes: dict[str, Any], code: str
) -> None:
    """RFC 6749 section 5.2."""
    given = {**program, "grantType": "refresh_token", **changes}
    assert code_of(sso_oidc.create_token, **given) == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"clientId":1,"clientSecret":"s","grantType":"g"}',
        b'{"clientId":"a","clientId":"b","clientSecret":"s","grantType":"g"}',
        b'{"clientId":"a\\u0000","clientSecret":"s","grantType":"g"}',
        b'{"clientId":"a","clientSecret":"s","grantType":["g"]}',
        b'{"clientId":"a","clientSecret":"s","grantType":"g","new":1}',
        b"[" * 50_000,
        b" " * 1_048_576,
    ],
)
@pytest.mark.parametrize("target", ["/token", "/device_authorization", "/client/register"])
def test_malformed_bodies_are_a_400_of_the_service(server: RunningServer, target: str, body: bytes) -> None:
    """Never a 500, whatever arrives."""
    found = send(server, body, {"Content-Type": "application/json"}, target=target)
    assert (found.status, found.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")
    assert json.loads(found.body)["error"] == "invalid_request"


def test_a_program_that_polls_too_often_is_slowed_down(server: RunningServer, sso_oidc: Any) -> None:
    """Three polls at once are allowed: the AWS CLI sends two. After SlowDown it waits five seconds longer."""
    program = register(sso_oidc, grantTypes=[DEVICE_CODE])
    begun = sso_oidc.start_device_authorization(**program, startUrl=f"{server.url}/start")
    poll = {**program, "grantType": DEVICE_CODE, "deviceCode": begun["deviceCode"]}
    server.clock.freeze()
    try:
        found = [code_of(sso_oidc.create_token, **poll) for _ in range(4)]
        assert found == [*["AuthorizationPendingException"] * 3, "SlowDownException"]
        server.clock.move(timedelta(seconds=0.99))
        assert code_of(sso_oidc.create_token, **poll) == "SlowDownException"
        server.clock.move(timedelta(seconds=1))
        assert code_of(sso_oidc.create_token, **poll) == "AuthorizationPendingException"
    finally:
        server.clock.reset()


def test_a_device_code_belongs_to_its_client_and_ends(server: RunningServer, browser: Browser, sso_oidc: Any) -> None:
    """Another client cannot collect the approval."""
    program, thief = (register(sso_oidc, name, grantTypes=[DEVICE_CODE]) for name in ("mine", "thief"))
    begun = sso_oidc.start_device_authorization(**program, startUrl=f"{server.url}/start")
    page = browser.post("/device", {"code": begun["userCode"]})
    browser.post("/device/approval", {"Handle": handle_in(page), "Approve": "yes"})
    poll = {"grantType": DEVICE_CODE, "deviceCode": begun["deviceCode"]}
    assert code_of(sso_oidc.create_token, **thief, **poll) == "InvalidGrantException"
    assert code_of(sso_oidc.create_token, **program, grantType=DEVICE_CODE, deviceCode="x") == "InvalidGrantException"
    server.clock.move(timedelta(minutes=10))
    assert code_of(sso_oidc.create_token, **program, **poll) == "ExpiredTokenException"
    assert browser.post("/device/approval", {"Handle": handle_in(page), "Approve": "yes"}).status == 400


def test_five_wrong_codes_close_the_page_for_a_network(server: RunningServer, browser: Browser, sso_oidc: Any) -> None:
    """Codes of commands and of programs count together."""
    program = register(sso_oidc, grantTypes=[DEVICE_CODE])
    begun = sso_oidc.start_device_authorization(**program, startUrl=f"{server.url}/start")
    for _ in range(5):
        assert browser.post("/device", {"code": "BCDF-GHJK"}).status == 400
    assert browser.post("/device", {"code": begun["userCode"]}).status == 429
    server.clock.move(timedelta(minutes=5))
    assert browser.post("/device", {"code": begun["userCode"]}).status == 200


@pytest.mark.parametrize("url", ["https://d-1234567890.awsapps.com/start", "", "x" * 9_000, "javascript:alert(1)"])
def test_the_start_url_of_another_portal_is_refused(sso_oidc: Any, url: str) -> None:
    """The program was configured for another server."""
    program = register(sso_oidc, grantTypes=[DEVICE_CODE])
    assert code_of(sso_oidc.start_device_authorization, **program, startUrl=url) == "InvalidRequestException"


def test_events_name_the_sign_in_and_no_secret(
    server: RunningServer, browser: Browser, sso_oidc: Any, program: Mapping[str, str]
) -> None:
    """Neither codes, tokens, verifiers nor secrets of clients are in the audit log."""
    code = approve(browser, program)
    tokens = redeem(sso_oidc, program, code)
    sso_oidc.create_token(**program, grantType="refresh_token", refreshToken=tokens["refreshToken"])
    last = [to_event(record) for record in server.audit.audit_records[-3:]]
    assert [event.event_name for event in last] == ["ApproveAuthorization", "CreateToken", "CreateToken"]
    sign_in = browser.session.partition(".")[0]
    assert [(event.additional_event_data or {})["SignInId"] for event in last] == [sign_in] * 3
    assert last[1].request_parameters == {"grantType": "authorization_code", "clientId": program["clientId"]}
    whole = str([to_event(record) for record in server.audit.audit_records])
    secrets = (code, VERIFIER, program["clientSecret"], browser.session.partition(".")[2])
    assert not [secret for secret in (*secrets, *tokens.values()) if isinstance(secret, str) and secret in whole]
