"""The fixtures of daypass[testing]: together, of both scopes, and without a setting."""

import os
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import ClientError
from tests.saml.browser import Browser

from daypass.testing.boto3_clock import boto3_follows
from daypass.testing.client_factory import ClientFactory
from daypass.testing.clock import MovableClock
from daypass.testing.oidc import KEYS, Answer, OidcIssuer
from daypass.testing.saml_idp import SamlIdp
from daypass.testing.server import RunningServer

_TRUST = """{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"%s"},"Action":"%s",
"Condition":{"StringEquals":{"%s":"%s"}}}}"""


def _saml_role(iam: Any, idp: SamlIdp, name: str) -> tuple[str, str]:
    provider = iam.create_saml_provider(Name=name, SAMLMetadataDocument=idp.metadata_xml())["SAMLProviderArn"]
    trust = _TRUST % (provider, "sts:AssumeRoleWithSAML", "SAML:aud", idp.consumer)
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"], provider


def test_clocks_may_be_nested_and_given(daypass_clock: MovableClock) -> None:
    """The clock of the innermost context counts, and the clock that a test gave to credentials counts first."""
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    told = {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": ends}
    held = RefreshableCredentials.create_from_metadata(told, dict, "test")
    own = RefreshableCredentials.create_from_metadata(told, dict, "test")
    own._time_fetcher = lambda: datetime.now(UTC)
    inner = MovableClock()
    with boto3_follows(inner):
        inner.move(timedelta(hours=2))
        assert (held.refresh_needed(), own.refresh_needed()) == (True, False)
    assert not held.refresh_needed()
    daypass_clock.move(timedelta(hours=2))
    assert (held.refresh_needed(), own.refresh_needed()) == (True, False)


@pytest.mark.parametrize("profile", ["", "not-there"])
def test_clients_do_not_use_the_profile_of_the_person(
    profile: str, daypass_client: ClientFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile of the environment that does not exist, or a faulty file, does not end the tests."""
    monkeypatch.setenv("AWS_PROFILE", profile)
    monkeypatch.setenv("AWS_CONFIG_FILE", __file__)
    assert daypass_client("sts").get_caller_identity()["Account"] == "123456789012"


def test_an_issuer_can_fail_and_recover(daypass_client: ClientFactory, daypass_oidc_issuer: OidcIssuer) -> None:
    """The server reaches the issuer without a CA bundle or networks of the test."""
    iam, sts, issuer = daypass_client("iam"), daypass_client("sts"), daypass_oidc_issuer
    arn = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    key = f"{issuer.url.removeprefix('https://')}:aud"
    trust = _TRUST % (arn, "sts:AssumeRoleWithWebIdentity", key, "app")
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    issuer.answers[KEYS] = Answer.fail()
    with pytest.raises(ClientError) as refused:
        sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="ci", WebIdentityToken=issuer.token(aud="app"))
    assert refused.value.response["Error"]["Code"] in {"IDPCommunicationError", "InvalidIdentityToken"}
    assert issuer.requests[KEYS] >= 1


def test_a_person_signs_in_on_the_page_of_the_provider(
    daypass_server: RunningServer, daypass_client: ClientFactory, daypass_saml_idp: SamlIdp
) -> None:
    """The page answers the request of the sign-in page, and a button posts the assertion."""
    role, provider = _saml_role(daypass_client("iam"), daypass_saml_idp, "corp")
    daypass_saml_idp.add_person("alice", roles=[f"{role},{provider}"])
    daypass_saml_idp.add_person("bob")
    login = urllib.request.urlopen(f"{daypass_server.url}/login", timeout=30).read().decode()  # noqa: S310 - ours
    link = login.partition('href="/login/saml/')[2].partition('"')[0]
    browser = Browser()
    browser.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
    page = browser.send(f"{daypass_server.url}/login/saml/{link}")
    assert "Continue as alice" in page.text
    assert daypass_saml_idp.request_ids[-1].startswith("_")
    assert [target for target, _ in page.forms] == [daypass_saml_idp.consumer] * 2
    target, fields = page.forms[0]
    roles = browser.send(target, fields)
    assert roles.status == 200
    assert "corp" in roles.text


@pytest.mark.parametrize(
    ("knob", "value"),
    [("signed", "none"), ("fails", True), ("in_response_to", lambda _: "_other")],
)
def test_the_knobs_of_the_provider_make_sts_refuse(
    kit_saml: tuple[ClientFactory, SamlIdp, str, str], knob: str, value: object
) -> None:
    """Each knob changes the response, and its default restores it."""
    client, idp, role, provider = kit_saml
    good = getattr(idp.page, knob)
    given = {"RoleArn": role, "PrincipalArn": provider}
    setattr(idp.page, knob, value)
    wrong = idp.sign_in("alice")
    setattr(idp.page, knob, good)
    if knob != "in_response_to":  # STS does not look at the request, the sign-in page does
        with pytest.raises(ClientError):
            client("sts").assume_role_with_saml(SAMLAssertion=wrong, **given)
    assert client("sts").assume_role_with_saml(SAMLAssertion=idp.sign_in("alice"), **given)["Credentials"]


@pytest.fixture
def kit_saml(daypass_client: ClientFactory, daypass_saml_idp: SamlIdp) -> tuple[ClientFactory, SamlIdp, str, str]:
    """Register the provider, and return it with a role for alice."""
    role, provider = _saml_role(daypass_client("iam"), daypass_saml_idp, "knobs")
    daypass_saml_idp.add_person("alice", roles=[f"{role},{provider}"])
    return daypass_client, daypass_saml_idp, role, provider


def test_a_rebound_name_gets_no_assertion(daypass_saml_idp: SamlIdp) -> None:
    """A page elsewhere whose name leads to this machine must not read an assertion."""
    daypass_saml_idp.add_person("alice")
    request = urllib.request.Request(f"{daypass_saml_idp.url}/sso", headers={"Host": "evil.example.org"})  # noqa: S310 - ours
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)  # noqa: S310 - ours
    assert refused.value.code == 400
    refused.value.close()


def test_the_environment_is_replaced_and_restored(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """No variable of the developer is left, and boto3 forgets its default session."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "old")
    variables = request.getfixturevalue("daypass_aws_env")
    assert {name for name in os.environ if name.startswith("AWS_")} == set(variables)
    assert boto3.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_the_plugin_imports_no_server_before_a_fixture_is_used() -> None:
    """Every project with Daypass installed loads it, so it imports pytest alone."""
    code = (
        "import pytest, sys; before = set(sys.modules); import daypass.testing.pytest_plugin;"
        "print(sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['daypass', 'daypass.testing', 'daypass.testing.pytest_plugin']"
