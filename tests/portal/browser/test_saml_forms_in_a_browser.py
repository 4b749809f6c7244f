"""Sign-in at a provider that only accepts forms (HTTP-POST), with a real browser and our policy."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import signxml
import trustme
from cryptography import x509
from lxml import etree
from playwright.sync_api import Page, Route
from tests.federation.saml.test_requests import verify_query
from tests.portal.command import Command
from tests.portal.conftest import ACCOUNT, Visit, trusting
from tests.portal.idp import IdpSite
from tests.portal.test_handover import lasting

from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

pytestmark = pytest.mark.slow  # a browser takes seconds for each

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])


@dataclass(frozen=True)
class Scene:
    """A server, and a provider that requires signed forms."""

    server: RunningServer
    idp: IdpSite

    def register(self, *, binding: str) -> None:
        """Register a provider with one binding that requires signed requests."""
        role = "<md:IDPSSODescriptor "
        metadata = self.idp.idp.metadata_xml().replace(role, f'{role}WantAuthnRequestsSigned="true" ')
        other = {"POST": "Redirect", "Redirect": "POST"}[binding]
        iam = client_factory(self.server)("iam")
        arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
        iam.update_saml_provider(
            SAMLProviderArn=arn, SAMLMetadataDocument=metadata.replace(f"bindings:HTTP-{other}", "bindings:SOAP")
        )


@pytest.fixture(scope="module")
def shared() -> Iterator[Scene]:
    """Run the server and its provider."""
    with (
        running_server(account=ACCOUNT) as server,
        IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as idp,
    ):
        iam = client_factory(server)("iam")
        provider = iam.create_saml_provider(Name="corp", SAMLMetadataDocument=idp.idp.metadata_xml())["SAMLProviderArn"]
        role = iam.create_role(RoleName="developer", AssumeRolePolicyDocument=trusting(provider))["Role"]["Arn"]
        idp.assertion = Assertion(roles=(f"{role},{provider}",), session_name="alice", name_id="alice@example.org")
        yield Scene(server, idp)


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """Return both, with a provider that only accepts forms."""
    shared.register(binding="POST")
    yield shared
    shared.idp.moves_to, shared.idp.waits = "", False
    shared.idp.seen.clear()


@pytest.fixture
def certificate(scene: Scene, visit: Visit) -> x509.Certificate:
    """Return our certificate, as an administrator of a provider gets it."""
    page = visit(f"{scene.server.url}/login")
    text = page.request.get(f"{scene.server.url}/saml/certificate.pem").text()
    return x509.load_pem_x509_certificate(text.encode())


def go(scene: Scene, page: Page, *, scripts: bool) -> None:
    """Open the provider: automatically with scripts, with a button without."""
    page.get_by_role("link", name="localhost").click()
    if not scripts:
        page.get_by_role("heading", name="Continue to localhost").wait_for()
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Continue as alice@example.org").click()


@SCRIPTS
def test_a_form_goes_to_the_provider_and_back(
    scene: Scene, visit: Visit, certificate: x509.Certificate, *, scripts: bool
) -> None:
    """The policy allows this form; the provider gets a signed request, and its response offers the roles."""
    scene.idp.waits = True
    page = visit(f"{scene.server.url}/login", java_script_enabled=scripts)
    go(scene, page, scripts=scripts)
    page.get_by_role("heading", name="Your roles").wait_for()
    request = scene.idp.seen[-1]
    assert request.get("Destination") == f"{scene.idp.url}/sso"
    signxml.XMLVerifier().verify(etree.tostring(request), x509_cert=certificate)
    page.get_by_role("button", name="Get credentials").click()
    page.locator(".clock").wait_for()
    assert lasting(page) == {"sign-in", "provider", "roles"}


def test_a_redirect_is_signed_too(scene: Scene, visit: Visit, certificate: x509.Certificate) -> None:
    """The same provider with the other binding."""
    scene.register(binding="Redirect")
    page = visit(f"{scene.server.url}/login")
    page.get_by_role("link", name="localhost").click()
    page.get_by_role("heading", name="Your roles").wait_for()
    address = next(each for each in reversed(scene.idp.addresses) if "SAMLRequest=" in each)
    assert verify_query(address.partition("?")[2], certificate)["RelayState"] == scene.idp.seen[-1].get("ID")


@SCRIPTS
def test_a_provider_may_send_people_on_to_another_host(
    scene: Scene, visit: Visit, tmp_path: Path, *, scripts: bool
) -> None:
    """A provider may receive the form at one host and sign people in at another.

    Browsers apply our policy to each redirect.
    """
    issued = trustme.CA().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    with IdpSite(scene.idp.key, scene.idp.consumer, scene.idp.now, scene.idp.assertion, tls=context) as elsewhere:
        elsewhere.idp = scene.idp.idp
        elsewhere.waits = True
        scene.idp.moves_to = f"{elsewhere.url}/sso"
        page = visit(f"{scene.server.url}/login", java_script_enabled=scripts, ignore_https_errors=True)
        go(scene, page, scripts=scripts)
        page.get_by_role("heading", name="Your roles").wait_for()
        assert len(elsewhere.seen) == 1


def run_after_load(route: Route) -> None:
    """Answer with the script, whose code runs only after the page has loaded."""
    code = route.fetch().text()
    late = f"addEventListener('load', () => setTimeout(() => {{ {code} }}, 100));"
    route.fulfill(body=late, content_type="text/javascript")


@pytest.mark.parametrize("is_late", [False, True], ids=["in time", "late"])
def test_the_way_back_leads_to_the_sign_in_page(scene: Scene, visit: Visit, *, is_late: bool) -> None:
    """The self-submitting page is not a trap: going back from the provider skips it.

    A browser leaves it out of the history only if its form is submitted before the page has loaded.
    """
    scene.idp.waits = True
    page = visit(f"{scene.server.url}/login")
    if is_late:
        page.route("**/*.js", run_after_load)
    page.get_by_role("link", name="localhost").click()
    # The self-submitting page has a button "Continue" too: going back from there would race with its script.
    page.get_by_role("button", name="Continue as alice@example.org").wait_for()
    page.wait_for_load_state("load")  # a page that is still loading may interpret the navigation as its own
    page.go_back()
    page.wait_for_url(f"{scene.server.url}/login")
    page.get_by_role("link", name="localhost").wait_for()


@SCRIPTS
def test_a_waiting_command_gets_it(scene: Scene, visit: Visit, *, scripts: bool) -> None:
    """A CLI sign-in by code, with the same form."""
    scene.idp.waits = True
    command = Command(scene.server.url, "device")
    page = visit(command.begun["url"], java_script_enabled=scripts)
    page.get_by_label("Code").fill(command.begun["user_code"])
    page.keyboard.press("Enter")
    go(scene, page, scripts=scripts)
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("heading", name="Sign-in approved").wait_for()
    assert command.redeem()[0] == 200


PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}


@pytest.mark.parametrize("look", [{}, PHONE], ids=["wide", "phone"])
def test_the_page_between_fits_and_lets_nothing_else_out(scene: Scene, visit: Visit, look: dict[str, Any]) -> None:
    """The page fits a phone, and its policy differs only in the target of its one form."""
    page = visit(f"{scene.server.url}/login", java_script_enabled=False, **look)
    with page.expect_response("**/login/saml/*") as caught:
        page.get_by_role("link", name="localhost").click()
    page.get_by_role("button", name="Continue").wait_for()
    policy = caught.value.headers["content-security-policy"]
    assert f"form-action 'self' {scene.idp.url} https:;" in policy
    assert "default-src 'none'; style-src 'self'; script-src 'self';" in policy
    assert caught.value.headers["cache-control"] == "no-store"
    box = page.locator("main form").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= (page.viewport_size or {"width": 0})["width"]
