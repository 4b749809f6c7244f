"""SAML sign-in with a real browser, from the sign-in page to working credentials."""

import configparser
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import Page, expect
from tests.portal.conftest import ACCOUNT, OTHER, Portal, Visit
from tests.portal.test_handover import lasting, take

from daypass.cli.shared.profile_writer import server_endpoints
from daypass.errors import InvalidParameterValue
from daypass.portal.credential_formats import FORMS, RoleCredentials, sign_in_command


def test_a_person_signs_in_and_gets_credentials(portal: Portal, visit: Visit) -> None:
    """From /login to the provider and back: the chosen role gives working credentials."""
    page = visit(f"{portal.url}/")
    expect(page).to_have_url(f"{portal.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("heading", name="Your roles").wait_for()
    page.get_by_text("alice@example.org").wait_for()
    page.get_by_role("heading", name="acme-sandbox").wait_for()
    take(page, "admin")
    assert portal.whoami(*shown(page)) == f"arn:aws:sts::{OTHER}:assumed-role/admin/alice"
    request = portal.idp.seen[-1]
    assert request.get("AssertionConsumerServiceURL") == f"{portal.url}/saml"
    assert lasting(page) == {"sign-in", "provider", "roles"}


@pytest.mark.slow
def test_it_works_without_javascript(portal: Portal, visit: Visit) -> None:
    """Every step is a link or a form; scripts are optional."""
    portal.idp.waits = True
    page = visit(f"{portal.url}/login", java_script_enabled=False)
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("button", name="Continue").click()
    take(page, "developer")
    assert portal.whoami(*shown(page)).endswith("assumed-role/developer/alice")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_text("Environment variables").click()
    page.locator("label", has_text="fish").click()
    expect(page.locator("#text-fish")).to_be_visible()
    expect(page.locator("#text-sh")).to_be_hidden()


@pytest.mark.slow
def test_the_keyboard_is_enough(portal: Portal, visit: Visit) -> None:
    """Every control is reachable with Tab and activated with Enter."""
    page = visit(f"{portal.url}/login")
    reach(page, "localhost")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Your roles").wait_for()
    reach(page, "Get credentials")
    page.keyboard.press("Enter")
    page.locator(".clock").wait_for()
    page.locator("#way-cli").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#text-fish")).to_be_visible()


def reach(page: Page, text: str) -> None:
    """Press Tab until an element with this text has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if text in (page.evaluate("document.activeElement.textContent") or ""):
            return
    raise AssertionError(f"Tab does not reach {text}")


@pytest.mark.slow
def test_a_response_may_be_unsolicited(portal: Portal, visit: Visit) -> None:
    """A sign-in may start at the provider's own dashboard."""
    page = visit(f"{portal.idp.url}/dashboard")
    page.get_by_role("heading", name="Continue as alice@example.org?").wait_for()
    page.get_by_role("button", name="Continue").click()
    take(page, "readonly")
    assert portal.whoami(*shown(page)).startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/readonly/")


@pytest.mark.slow
def test_a_response_to_somebody_elses_request_is_refused(portal: Portal, visit: Visit) -> None:
    """A response with InResponseTo must answer a request of this browser: an injected response is refused."""
    portal.idp.waits = True
    other = visit(f"{portal.url}/login")
    other.get_by_role("link", name="localhost").click()
    theirs = portal.idp.seen[-1].get("ID")
    portal.idp.waits = False
    portal.idp.answers = lambda _: theirs
    page = visit(f"{portal.idp.url}/dashboard")
    page.get_by_text("started in another browser").wait_for()
    # The browser that started it can still finish it, once.
    other.get_by_role("button", name="Continue").click()
    other.get_by_role("heading", name="Your roles").wait_for()


@pytest.mark.slow
def test_a_response_answers_once(portal: Portal, visit: Visit) -> None:
    """The cookie of a sign-in is deleted after its response, and the response is recorded."""
    page = visit(f"{portal.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("heading", name="Your roles").wait_for()
    begun = portal.idp.seen[-1].get("ID")
    assert not [each for each in page.context.cookies() if "begun" in each["name"]]
    portal.idp.answers = lambda _: begun
    page.goto(f"{portal.idp.url}/dashboard")
    page.get_by_text("started in another browser").wait_for()


@pytest.mark.slow
def test_a_second_click_is_no_second_choice(portal: Portal, visit: Visit) -> None:
    """A double click, or a click on another role, returns the credentials of the first click without an error."""
    page = visit(f"{portal.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.locator("li.role").first.wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    slow = {"offline": False, "latency": 700, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.evaluate(
        """() => {
            const [first, second] = document.querySelectorAll("li.role .take");
            first.click();
            setTimeout(() => first.click(), 150);
            setTimeout(() => second.click(), 300);
        }"""
    )
    page.locator(".clock").wait_for()
    assert asked == [f"{portal.url}/roles/credentials"]


@pytest.mark.slow
def test_the_copy_button_and_the_clock(portal: Portal, visit: Visit) -> None:
    """Copying puts the whole string on the clipboard; the countdown runs."""
    page = signed_in(portal, visit, "developer", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Environment variables").click()
    page.locator('[data-copy="text-sh"]').click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#text-sh").text_content()
    assert re.fullmatch(r"59:\d\d left|1:00:00 left", page.locator("[data-left]").text_content() or "")


@pytest.mark.slow
def test_a_machine_whose_clock_is_wrong_counts_right(portal: Portal, visit: Visit) -> None:
    """The server sends the remaining time; the machine's own clock only counts it down."""
    page = visit("about:blank")
    page.clock.install(time=datetime(2031, 1, 1, 12, 0, tzinfo=UTC))
    page.goto(f"{portal.url}/login")
    page.get_by_role("link", name="localhost").click()
    take(page, "developer")
    assert re.fullmatch(r"(1:00:00|5\d:\d\d) left", page.locator("[data-left]").text_content() or "")
    page.clock.run_for(61 * 60_000)
    page.get_by_text("Expired", exact=True).wait_for()


AWS = Path(sys.executable).parent / "aws"


def identity(command: list[str], home: Path) -> str:
    """Return the identity that the AWS CLI prints on a machine that has only the copied values."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["sh", "fish"])
def test_what_is_pasted_into_a_shell_is_enough(portal: Portal, visit: Visit, tmp_path: Path, shell: str) -> None:
    """It works on a machine without a configured region, endpoint or file."""
    if which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    page = signed_in(portal, visit, "developer")
    pasted = page.locator(f"#text-{shell}").text_content() or ""
    said = identity([shell, "-c", f"{pasted}{AWS} sts get-caller-identity"], tmp_path)
    assert json.loads(said)["Arn"].endswith("/developer/alice")


@pytest.mark.slow
def test_the_two_files_are_enough(portal: Portal, visit: Visit, tmp_path: Path) -> None:
    """The profile works with the command on the page, from the downloaded files."""
    page = signed_in(portal, visit, "developer")
    folder = tmp_path / ".aws"
    folder.mkdir()
    page.locator("label", has_text="Credentials file").click()
    for name in ("credentials", "config"):
        with page.expect_download() as caught:
            page.get_by_role("button", name=f"Download {name}", exact=True).click()
        assert caught.value.suggested_filename == name
        caught.value.save_as(folder / name)
    command = page.locator("#text-test").text_content() or ""
    assert command == "aws --profile developer sts get-caller-identity"
    assert json.loads(identity([str(AWS), *command.split()[1:]], tmp_path))["Arn"].endswith("/developer/alice")


@pytest.mark.parametrize("url", ["http://127.0.0.1:7878", "https://STS.Example.com", "http://[::1]:80", "https://a_b"])
def test_the_page_and_the_command_name_a_server_alike(url: str) -> None:
    """Page and command write the same section name for a server; two servers have two names."""
    given = RoleCredentials("A" * 20, "s" * 40, "t", "2026-01-01T00:00:00Z", "dev", url)
    server = server_endpoints(url)
    assert server is not None
    assert f"\n[services {server.section}]\n" in FORMS["config"].write(given)


def test_the_files_name_the_gateway() -> None:
    """`aws s3` presigns with version 4. The gateway is named if the server knows it."""
    known = ("A" * 20, "s" * 40, "t", "2026-01-01T00:00:00Z", "dev", "https://sts.example.com", "us-east-1")
    for given, count in ((RoleCredentials(*known), 0), (RoleCredentials(*known, "https://s3.example.com"), 1)):
        config = configparser.RawConfigParser()
        config.read_string(FORMS["config"].write(given))
        assert config["profile dev"]["s3"] == "\nsignature_version = s3v4"
        section = config["services daypass-sts.example.com"]
        assert section.get("s3", "").count("endpoint_url = https://s3.example.com") == count
        assert FORMS["sh"].write(given).count("export AWS_ENDPOINT_URL_S3='https://s3.example.com'\n") == count
    with pytest.raises(InvalidParameterValue):
        RoleCredentials(*known, "https://x'$(id)")


@pytest.mark.slow
def test_the_page_names_the_command_that_would_have_got_them(portal: Portal, visit: Visit) -> None:
    """The command can be pasted unchanged: it contains the server and the role."""
    page = signed_in(portal, visit, "developer")
    assert page.locator("#text-command").text_content() == (
        f"daypass login saml --endpoint-url {portal.url} --role arn:aws:iam::{ACCOUNT}:role/developer"
    )


@pytest.mark.parametrize("path", ["/$(id)/", "/`id`/", "/a;b/", "/a&b/", "/%PATH%/", "/a,b/", "/@a/", '/"/', "/'/"])
def test_a_role_that_a_shell_would_read_otherwise_is_not_in_the_command(path: str) -> None:
    """The creator of a role chooses its path, and must not control a command that others paste."""
    given = RoleCredentials("A" * 20, "s" * 40, "t", "2026-01-01T00:00:00Z", "dev", "https://sts.example.com")
    command = sign_in_command(given, f"arn:aws:iam::{ACCOUNT}:role{path}dev", "saml")
    assert command == "daypass login saml --endpoint-url https://sts.example.com"


@pytest.mark.slow
def test_credentials_come_as_a_file(portal: Portal, visit: Visit, tmp_path: Path) -> None:
    """Each format can be downloaded, and no URL contains credentials."""
    page = signed_in(portal, visit, "developer")
    page.get_by_text("Individual values").click()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download as JSON").click()
    assert caught.value.url == f"{portal.url}/login/file"
    caught.value.save_as(tmp_path / "credentials.json")
    document = json.loads((tmp_path / "credentials.json").read_text())
    given = [document[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    assert portal.whoami(*given).endswith("/developer/alice")
    assert document["Version"] == 1


@pytest.mark.slow
def test_back_reload_and_a_second_tab_work(portal: Portal, visit: Visit) -> None:
    """No step asks for a form to be sent again, and each shows working credentials of the session."""
    page = signed_in(portal, visit, "developer")
    page.reload()
    assert portal.whoami(*shown(page)).endswith("/developer/alice")
    page.go_back()
    page.get_by_role("heading", name="Your roles").wait_for()
    page.reload()
    page.go_forward()
    assert portal.whoami(*shown(page)).endswith("/developer/alice")
    other = page.context.new_page()
    other.goto(f"{portal.url}/login")
    take(other, "readonly")
    assert portal.whoami(*shown(other)).endswith("/readonly/alice")


def test_names_are_text(portal: Portal, visit: Visit) -> None:
    """Attributes from a provider are never markup."""
    name = "<img src=x onerror=alert(1)>'\"&"
    portal.idp.assertion = type(portal.idp.assertion)(roles=portal.idp.assertion.roles, name_id=name)
    page = visit(f"{portal.idp.url}/dashboard")
    page.get_by_text(name).wait_for()
    expect(page.locator("main img")).to_have_count(0)


def signed_in(portal: Portal, visit: Visit, role: str, **how: object) -> Page:
    """Sign in and choose a role."""
    page = visit(f"{portal.url}/login", **how)
    page.get_by_role("link", name="localhost").click()
    take(page, role)
    return page


def shown(page: Page) -> tuple[str, str, str]:
    """Return the credentials on a page."""
    key, secret, token = (page.locator(f"#value-{name}").text_content() or "" for name in ("key", "secret", "token"))
    return key, secret, token
