"""CLI sign-ins by loopback and by code, and attempts of other parties to use them."""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from playwright.sync_api import Page, expect
from tests.portal.command import Command, Listener, send
from tests.portal.conftest import ACCOUNT, Portal, Visit
from tests.portal.oidc_scene import Errand

pytestmark = pytest.mark.slow  # a browser takes a second for each


def text_of(raw: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """Return the bytes of a base64url string without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


DEVELOPER = f"arn:aws:iam::{ACCOUNT}:role/developer"


def test_a_command_on_this_machine_gets_what_is_clicked(portal: Portal, visit: Visit) -> None:
    """Loopback: the browser returns a code. Code and verifier together give the credentials, once."""
    with Listener(portal.url) as listener:
        command = Command(portal.url, "loopback", redirect_uri=listener.uri, state=listener.state)
        page = visit(command.begun["url"])
        shows_who_asks(page, command)
        sign_in(page, portal)
        shows_who_asks(page, command)
        hand_over(page, "developer")
        page.get_by_role("heading", name="Sign-in approved").wait_for()
        assert listener.got["state"] == listener.state
    assert command.redeem()[1]["error"] == "invalid_grant"
    assert command.redeem(code=listener.got["code"], code_verifier="x" * 43)[1]["error"] == "invalid_grant"
    status, given = command.redeem(code=listener.got["code"])
    assert status == 200
    assert given["RoleArn"] == DEVELOPER
    assert whose(portal, given) == f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice"
    assert command.redeem(code=listener.got["code"])[1]["error"] == "expired_token"


def test_a_command_elsewhere_gets_it_by_a_typed_code(portal: Portal, visit: Visit) -> None:
    """Device: the person enters the code and the command polls. This works without scripts."""
    portal.idp.waits = True
    command = Command(portal.url, "device", role=DEVELOPER, duration="7200")
    assert command.begun["url"] == f"{portal.url}/device"
    assert command.redeem() == (
        400,
        {"error": "authorization_pending", "error_description": "The sign-in is not approved yet."},
    )
    page = visit(command.begun["url"], java_script_enabled=False)
    page.get_by_label("Code").fill(command.begun["user_code"].lower())
    page.keyboard.press("Enter")
    shows_who_asks(page, command)
    sign_in(page, portal)
    expect(page.locator("li.role")).to_have_count(1)
    expect(page.locator("select")).to_have_value("7200")
    hand_over(page, "developer")
    page.get_by_role("heading", name="Sign-in approved").wait_for()
    status, given = command.redeem()
    assert status == 200
    assert whose(portal, given).endswith("/developer/alice")
    assert command.redeem()[1]["error"] == "expired_token"


@pytest.mark.parametrize("path", ["/login/role", "/login/decline"])
def test_the_handle_of_a_command_is_not_that_of_a_choice(portal: Portal, path: str) -> None:
    """A cookie that repeats the purpose of another handle does not open it."""
    command = Command(portal.url, "device")
    handle = command.begun["handover"]
    name = hashlib.sha256(handle.encode()).hexdigest()[:12]
    errand = Errand(portal.url, {f"__Host-daypass-choice-{name}": "handover:"})
    fields = {"Handle": handle, "RoleArn": DEVELOPER, "PrincipalArn": f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"}
    assert errand.post(path, fields)[0] == 400
    assert command.redeem()[1]["error"] == "authorization_pending"


def test_a_person_may_decline(portal: Portal, visit: Visit) -> None:
    """A person who did not run the command declines, and the command gets access_denied."""
    with Listener(portal.url) as listener:
        command = Command(portal.url, "loopback", redirect_uri=listener.uri, state=listener.state)
        page = visit(command.begun["url"])
        sign_in(page, portal)
        page.get_by_role("button", name="Decline").click()
        assert listener.arrived.wait(10)
        assert listener.got == {"error": "access_denied", "state": listener.state}
    assert command.redeem()[1]["error"] == "access_denied"


def test_an_unsolicited_response_completes_no_sign_in(portal: Portal, visit: Visit) -> None:
    """A response without InResponseTo is a separate sign-in, even in a browser with a pending CLI sign-in."""
    with Listener(portal.url) as listener:
        command = Command(portal.url, "loopback", redirect_uri=listener.uri, state=listener.state)
        page = visit(command.begun["url"])
        portal.idp.answers = lambda _: None
        page.get_by_role("link", name="localhost").click()
        page.get_by_role("button", name="Continue").click()
        take(page, "developer")
        assert not listener.got
    assert command.redeem()[1]["error"] == "authorization_pending"


def test_a_response_to_another_hand_over_completes_that_one_alone(portal: Portal, visit: Visit) -> None:
    """Two commands wait in one browser: a response to the first one's request never completes the second."""
    portal.idp.waits = True
    first, second = Command(portal.url, "device"), Command(portal.url, "device")
    page = visit(f"{portal.url}/device")
    other = page.context.new_page()
    other.goto(f"{portal.url}/device")
    for tab, command in ((page, first), (other, second)):
        tab.get_by_label("Code").fill(command.begun["user_code"])
        tab.keyboard.press("Enter")
        tab.get_by_role("link", name="localhost").click()
        tab.get_by_role("button", name="Continue").wait_for()
    asked = portal.idp.seen[-2].get("ID")
    portal.idp.answers = lambda _: asked
    other.reload()  # the page of the provider, which now answers the first request
    other.get_by_role("button", name="Continue").click()
    shows_who_asks(other, first)
    hand_over(other, "developer")
    other.get_by_role("heading", name="Sign-in approved").wait_for()
    assert first.redeem()[0] == 200
    assert second.redeem()[1]["error"] == "authorization_pending"
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("started in another browser").wait_for()  # that request was already answered


def test_a_code_cannot_be_skipped_by_a_link(portal: Portal, visit: Visit) -> None:
    """The handle of a device command cannot be sent to a person as a link."""
    command = Command(portal.url, "device")
    page = visit(f"{portal.url}/handover/at/{command.begun['handover']}")
    page.get_by_text("Enter the code").wait_for()
    page.goto(f"{portal.url}/login")
    href = page.get_by_role("link", name="localhost").get_attribute("href")
    page.goto(f"{portal.url}{href}?handover={command.begun['handover']}")
    page.get_by_text("Enter the code").wait_for()


def test_a_typed_code_is_good_in_its_own_browser(portal: Portal, visit: Visit) -> None:
    """The link behind the code page is useless in another browser."""
    command = Command(portal.url, "device")
    page = visit(command.begun["url"])
    page.get_by_label("Code").fill(command.begun["user_code"])
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="localhost").get_attribute("href")
    victim = visit(f"{portal.url}{link}")
    victim.get_by_text("has expired or is already complete").wait_for()


def test_five_wrong_codes_are_enough(portal: Portal, visit: Visit) -> None:
    """After five wrong codes a network waits for five minutes, even with a right code."""
    command = Command(portal.url, "device")
    page = visit(f"{portal.url}/device")
    for guess in ("BBBB-BBBB", "short", "AEIO-UAEI", "ZZZZ ZZZZ", "<script>"):
        page.get_by_label("Code").fill(guess)
        page.keyboard.press("Enter")
        page.get_by_text("not valid or has expired").wait_for()
    page.get_by_label("Code").fill(command.begun["user_code"])
    page.keyboard.press("Enter")
    page.get_by_text("Too many wrong codes").wait_for()
    portal.server.clock.move(timedelta(minutes=5, seconds=1))
    try:
        again = Command(portal.url, "device")
        page.get_by_label("Code").fill(again.begun["user_code"])
        page.keyboard.press("Enter")
        shows_who_asks(page, again)
    finally:
        portal.server.clock.reset()
        with portal.server.there.store.write() as writer:
            if writer.find("sign_in", "", "tries:127.0.0.1") is not None:
                writer.delete("sign_in", "", "tries:127.0.0.1")


def test_five_wrong_verifiers_end_it(portal: Portal) -> None:
    """A leaked handle cannot be used to guess the verifier."""
    command = Command(portal.url, "device")
    for _ in range(5):
        assert command.redeem(code_verifier="guess")[1]["error"] == "invalid_grant"
    assert command.redeem()[1]["error"] == "expired_token"


def test_it_waits_five_minutes(portal: Portal) -> None:
    """After five minutes the CLI sign-in does not exist."""
    command = Command(portal.url, "device")
    portal.server.clock.move(timedelta(minutes=5, seconds=1))
    try:
        assert command.redeem()[1]["error"] == "expired_token"
    finally:
        portal.server.clock.reset()


BAD: dict[str, dict[str, str]] = {
    "no mode": {"mode": "browser"},
    "a listener elsewhere": {"mode": "loopback", "redirect_uri": "http://evil.example.org:80/", "state": "s" * 20},
    "a name": {"mode": "loopback", "redirect_uri": "http://localhost:80/", "state": "s" * 20},
    "a trick": {"mode": "loopback", "redirect_uri": "http://127.0.0.1:80@evil.example.org/", "state": "s" * 20},
    "a port that is none": {"mode": "loopback", "redirect_uri": "http://127.0.0.1:70000/", "state": "s" * 20},
    "no state": {"mode": "loopback", "redirect_uri": "http://127.0.0.1:8000/"},
    "a short challenge": {"mode": "device", "code_challenge": "abc"},
    "a machine with a line break": {"mode": "device", "machine": "a\nb"},
    "a machine that turns the text around": {"mode": "device", "machine": "a\u202eb"},
    "no role": {"mode": "device", "role": "arn:aws:iam::1:role/x"},
    "no duration": {"mode": "device", "duration": "-1"},
}


@pytest.mark.parametrize("case", BAD)
def test_an_impossible_request_is_refused(portal: Portal, case: str) -> None:
    """Only a loopback address is a valid redirect URI, and the displayed values are plain text."""
    command = Command(portal.url, **BAD[case])
    assert (command.status, command.begun["error"]) == (400, "invalid_request")


def test_what_cannot_be_redeemed_is_refused(portal: Portal) -> None:
    """Every invalid request gets an error in the form of the protocol."""
    for handle in ("", "DPp1", "x" * 5000):
        status, answer = send(f"{portal.url}/handover/token", {"handover": handle, "code_verifier": "v"})
        assert (status, answer["error"]) == (400, "expired_token")


def test_nothing_secret_is_in_the_audit_log(portal: Portal) -> None:
    """Handles, codes and credentials of the CLI sign-ins above are not in any event."""
    command = Command(portal.url, "device")
    command.redeem(code_verifier="guess")
    log = json.dumps([str(each.parameters) + str(each.fault) for each in portal.server.audit.audit_records])
    assert command.begun["handover"] not in log


def shows_who_asks(page: Page, command: Command) -> None:
    """Check that the page shows the machine, its address and the code."""
    asking = page.get_by_role("region", name="A command line requests")
    asking.wait_for()
    text = asking.text_content() or ""
    assert "alice@laptop" in text
    assert "127.0.0.1" in text
    assert command.begun["user_code"] in text


def sign_in(page: Page, portal: Portal) -> None:
    """Open the provider and return."""
    page.get_by_role("link", name="localhost").click()
    if portal.idp.waits:
        page.get_by_role("button", name="Continue").click()
    page.locator("li.role").first.wait_for()


def take(page: Page, role: str) -> None:
    """Choose a role on the page that offers it."""
    row = page.locator("li.role", has=page.get_by_text(role, exact=True)).first
    row.get_by_role("button", name="Get credentials").click()
    page.locator(".clock").wait_for()


def lasting(page: Page) -> set[str]:
    """Return the names of a browser's cookies: those of the session and of a person's choices last."""
    return {str(each.get("name", "")).removeprefix("__Host-daypass-") for each in page.context.cookies()}


def hand_over(page: Page, role: str) -> None:
    """Click the role."""
    page.locator("li.role", has=page.get_by_text(role, exact=True)).get_by_role("button", name="Approve").click()


def whose(portal: Portal, given: dict[str, dict[str, str]]) -> str:
    """Return the ARN of credentials."""
    keys = given["Credentials"]
    return portal.whoami(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


ELSEWHERE = ("arn:aws:iam::999999999999:role/admin", "arn:aws:iam::999999999999:saml-provider/corp")


@dataclass(frozen=True)
class Recipient:
    """The key of a command, for which an assertion is encrypted."""

    private: X25519PrivateKey

    @property
    def asks(self) -> dict[str, str]:
        """The parameters of the request."""
        return {"deliver": "assertion", "public_key": text_of(self.private.public_key().public_bytes_raw())}

    def open(self, given: dict[str, str], command: Command) -> bytes:
        """Return the response in a redeemed result."""
        ephemeral = bytes_of(given["ephemeral_key"])
        shared = self.private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        salt = ephemeral + self.private.public_key().public_bytes_raw()
        key = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"daypass assertion 1").derive(shared)
        challenge = text_of(hashlib.sha256(command.verifier.encode()).digest())
        sealed = AESGCM(key).decrypt(bytes(12), bytes_of(given["sealed_assertion"]), challenge.encode())
        return base64.b64decode(sealed)


@pytest.fixture
def recipient(portal: Portal) -> Recipient:
    """Make a key, and let the provider assert a role of another STS."""
    portal.idp.assertion = replace(portal.idp.assertion, roles=(",".join(ELSEWHERE),))
    return Recipient(X25519PrivateKey.generate())


def test_an_assertion_for_another_sts_is_sealed_to_the_command(
    portal: Portal, visit: Visit, recipient: Recipient
) -> None:
    """With deliver=assertion the command gets an assertion for AWS, and only the command can decrypt it."""
    command = Command(portal.url, "device", **recipient.asks)
    page = visit(command.begun["url"])
    page.get_by_label("Code").fill(command.begun["user_code"])
    page.keyboard.press("Enter")
    page.get_by_text("The command receives the assertion itself").wait_for()
    sign_in(page, portal)
    hand_over(page, "admin")
    page.get_by_role("heading", name="Sign-in approved").wait_for()
    status, given = command.redeem()
    assert status == 200
    assert ELSEWHERE[0].encode() in recipient.open(given, command)
    assert given["roles"] == [dict(zip(("RoleArn", "PrincipalArn"), ELSEWHERE, strict=True))]
    assert command.redeem()[1]["error"] == "expired_token"


def test_an_assertion_goes_to_a_command_on_this_machine(portal: Portal, visit: Visit, recipient: Recipient) -> None:
    """The same by loopback: the redirect URL does not contain any part of the assertion."""
    with Listener(portal.url) as listener:
        asks = {**recipient.asks, "redirect_uri": listener.uri, "state": listener.state}
        command = Command(portal.url, "loopback", **asks)
        page = visit(command.begun["url"])
        sign_in(page, portal)
        hand_over(page, "admin")
        page.get_by_role("heading", name="Sign-in approved").wait_for()
    assert set(listener.got) == {"code", "state"}
    status, given = command.redeem(code=listener.got["code"])
    assert status == 200
    assert ELSEWHERE[0].encode() in recipient.open(given, command)
    with pytest.raises(InvalidTag):
        Recipient(X25519PrivateKey.generate()).open(given, command)


def test_an_unsolicited_assertion_goes_to_no_command(portal: Portal, visit: Visit, recipient: Recipient) -> None:
    """Without InResponseTo it is a separate sign-in, and roles of another STS cannot be assumed here."""
    command = Command(portal.url, "device", **recipient.asks)
    page = visit(command.begun["url"])
    page.get_by_label("Code").fill(command.begun["user_code"])
    page.keyboard.press("Enter")
    portal.idp.answers = lambda _: None
    page.get_by_role("link", name="localhost").click()
    page.get_by_text("Not authorized to perform sts:AssumeRoleWithSAML").wait_for()
    assert command.redeem()[1]["error"] == "authorization_pending"


@pytest.mark.parametrize("key", ["", "abc", text_of(bytes(32)), text_of(bytes(31))])
def test_nothing_is_sealed_to_what_is_no_key(portal: Portal, key: str) -> None:
    """A key of low order would make the shared secret public."""
    command = Command(portal.url, "device", deliver="assertion", public_key=key)
    assert (command.status, command.begun["error"]) == (400, "invalid_request")
