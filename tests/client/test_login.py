"""Signing in: tokens and assertions from files and commands, and an OpenID Connect provider by loopback."""

import base64
import ipaddress
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.client.machine import ACCOUNT, Machine
from tests.sockets import free_port

from daypass.config import Config
from daypass.testing.oidc import OidcIssuer
from daypass.testing.oidc_sign_in import SignInPages
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.server import RunningServer, running_server

CLIENT = "daypass-cli"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/"
# A scripted browser: it opens the page and follows redirects.
BROWSER = """#!/usr/bin/env python3
import os, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
print(urllib.request.urlopen(sys.argv[1], context=context).read())
"""


@dataclass(frozen=True)
class Scene:
    """A server with an issuer and a SAML provider."""

    server: RunningServer
    issuer: OidcIssuer
    idp: SamlIdentityProvider
    port: int

    def assertion(self, *roles: str) -> str:
        """Return a response that offers roles."""
        provider = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
        offered = tuple(f"{ROLE}{role},{provider}" for role in roles)
        return self.idp.response(Assertion(roles=offered, session_name="alice"), now=self.server.clock.now())


def _trust(iam: Any, name: str, provider: str, action: str) -> None:
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": action}
    if "oidc" in provider:
        key = provider.partition("oidc-provider/")[2] + ":aud"
        statement["Condition"] = {"StringEquals": {key: CLIENT}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Start the scene."""
    with OidcIssuer() as issuer:
        networks = (ipaddress.ip_network("127.0.0.0/8"),)
        config = Config(oidc_ca_bundle=str(issuer.ca_bundle), oidc_allowed_networks=networks)
        with running_server(account=ACCOUNT, config=config) as server:
            iam = client_factory(server)("iam")
            known = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[CLIENT])
            _trust(iam, "web", known["OpenIDConnectProviderArn"], "sts:AssumeRoleWithWebIdentity")
            idp = SamlIdentityProvider()
            corp = iam.create_saml_provider(Name="corp", SAMLMetadataDocument=idp.metadata_xml())["SAMLProviderArn"]
            for name in ("reader", "readonly", "admin"):
                _trust(iam, name, corp, "sts:AssumeRoleWithSAML")
            port = free_port()
            issuer.sign_in = SignInPages(CLIENT, "", f"http://127.0.0.1:{port}/callback", {"sub": "ann"})
            yield Scene(server, issuer, idp, port)


@pytest.fixture
def machine(scene: Scene, tmp_path: Path) -> Machine:
    """Return a machine with a scripted browser."""
    home = tmp_path / "home"
    home.mkdir()
    browser = home / "browser"
    browser.write_text(BROWSER)
    browser.chmod(0o755)
    more = {
        "AWS_ENDPOINT_URL": scene.server.url,
        "AWS_CA_BUNDLE": str(scene.issuer.ca_bundle),
        "BROWSER": f"{browser} %s",
    }
    return Machine(home, scene.server, more)


def _by_provider(machine: Machine, scene: Scene, *words: str) -> Any:
    place = ("--issuer", scene.issuer.url, "--client-id", CLIENT, "--redirect-port", str(scene.port))
    return machine.daypass("login", "oidc", *place, "--role", f"{ROLE}web", *words)


def test_one_command_signs_in_and_every_tool_is_somebody(machine: Machine, scene: Scene) -> None:
    """The provider redirects to loopback; afterwards the AWS CLI needs only the profile's name."""
    done = _by_provider(machine, scene)
    assert done.code == 0, done
    assert "export AWS_PROFILE=web" in done.err
    assert machine.run("aws", "sts", "get-caller-identity", "--profile", "web").json["Arn"].startswith(f"{SESSION}web/")
    assert not machine.credentials.exists()


@pytest.mark.parametrize(
    ("claims", "words", "name"),
    [
        ({"sub": "ann", "email": "ann@example.org", "upn": "a"}, (), "ann@example.org"),
        ({"sub": "ann", "preferred_username": "ann b"}, (), "ann-b"),
        ({"sub": "ann"}, (), "ann"),
        ({"sub": "ann"}, ("--session-name", "mine"), "mine"),
    ],
)
def test_a_session_is_named_after_the_person_as_in_the_portal(
    machine: Machine, scene: Scene, claims: dict[str, Any], words: tuple[str, ...], name: str
) -> None:
    """The token's claims make the name, so that audit logs show one person; --session-name wins."""
    (machine.home / "token").write_text(scene.issuer.token(aud=CLIENT, **claims))
    given = ("--token-file", str(machine.home / "token"), "--role", f"{ROLE}web", "--output", "json")
    assert machine.good("login", "oidc", *given, *words).json["Arn"] == f"{SESSION}web/{name}"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_secret_is_shown_as_the_provider_wants_it(machine: Machine, scene: Scene, method: str) -> None:
    """Some providers require a client secret of desktop programs, and accept it in one form only."""
    honest = scene.issuer.sign_in
    assert honest is not None
    scene.issuer.sign_in = replace(honest, secret="s3:cr%t", method=method)
    (machine.home / "secret").write_text("s3:cr%t\n")
    (machine.home / "secret").chmod(0o600)
    try:
        done = _by_provider(machine, scene, "--client-secret-file", str(machine.home / "secret"))
    finally:
        scene.issuer.sign_in = honest
    assert done.code == 0, done


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ({"nonce": "other"}, 4, "a token of another sign-in"),
        ({"aud": "somebody-else"}, 4, "a token for another client"),
        ({"iss": "https://other.example"}, 4, "a token for another client"),
        ({"exp": 1}, 5, "has already expired"),
    ],
)
def test_a_token_that_is_not_of_this_sign_in_is_not_used(
    machine: Machine, scene: Scene, claims: dict[str, Any], code: int, words: str
) -> None:
    """Nonce, audience, issuer and expiry are checked before STS is called."""
    before, scene.issuer.sign_in = scene.issuer.sign_in, None
    assert before is not None
    scene.issuer.sign_in = replace(before, claims={"sub": "ann", **claims})
    try:
        done = _by_provider(machine, scene)
    finally:
        scene.issuer.sign_in = before
    assert done.code == code, done
    assert words in done.err
    assert not machine.config.exists()


def test_a_person_who_declines_is_told_so(machine: Machine, scene: Scene) -> None:
    """The provider's error ends the command with exit code 8."""
    before = scene.issuer.sign_in
    assert before is not None
    scene.issuer.sign_in = replace(before, error="access_denied")
    try:
        done = _by_provider(machine, scene)
    finally:
        scene.issuer.sign_in = before
    assert (done.code, "access_denied" in done.err) == (8, True), done


def test_a_job_signs_in_with_its_token_file(machine: Machine, scene: Scene) -> None:
    """There is no prompt, and the profile refreshes when the file changes."""
    token = machine.home / "token"
    token.write_text(scene.issuer.token(aud=CLIENT, sub="job"))
    machine.good("login", "oidc", "--token-file", str(token), "--role", f"{ROLE}web", "--profile", "ci", "--no-input")
    kept = machine.good("credential-process", "--profile", "ci").json
    # Another subject in the same file is another person with another session.
    token.write_text(scene.issuer.token(aud=CLIENT, sub="other"))
    assert machine.good("credential-process", "--profile", "ci").json["AccessKeyId"] != kept["AccessKeyId"]
    (entry,) = [
        each
        for each in map(json.loads, (path.read_text() for path in (machine.home / ".cache").rglob("*.json")))
        if each["credentials"]["AccessKeyId"] == kept["AccessKeyId"]
    ]
    assert entry["subject"] == "job"


@pytest.mark.slow
def test_a_command_that_prints_another_persons_token_gets_another_session(machine: Machine, scene: Scene) -> None:
    """The token of the same person gets the cached session; the command runs each time."""
    token = machine.home / "token"
    token.write_text(scene.issuer.token(aud=CLIENT, sub="job"))
    words = ("--token-command", f"cat {token}", "--role", f"{ROLE}web", "--profile", "ci", "--no-input")
    machine.good("login", "oidc", *words)
    ask = ("credential-process", "--profile", "ci")
    kept = machine.good(*ask).json["AccessKeyId"]
    assert machine.good(*ask).json["AccessKeyId"] == kept
    token.write_text(scene.issuer.token(aud=CLIENT, sub="other"))
    assert machine.good(*ask).json["AccessKeyId"] != kept


@pytest.mark.slow
def test_processes_that_sign_in_at_once_do_not_disturb_each_other(machine: Machine, scene: Scene) -> None:
    """Each gets its profile and credentials, and the existing content of the file stays."""
    machine.config.parent.mkdir()
    machine.config.write_text("# mine\n[default]\nregion = eu-west-1\n")
    names = [f"job-{number}" for number in range(6)]
    running = []
    for name in names:
        token = machine.home / name
        token.write_text(scene.issuer.token(aud=CLIENT, sub=name))
        words = ("daypass", "login", "oidc", "--token-file", str(token), "--role", f"{ROLE}web", "--no-input")
        running.append(
            subprocess.Popen(
                [*words, "--profile", name],
                env=machine.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    text = machine.config.read_text()
    assert text.startswith("# mine\n[default]\nregion = eu-west-1\n")
    assert sorted(re.findall(r"^\[profile (.*)\]$", text, re.MULTILINE)) == names
    keys = {machine.good("credential-process", "--profile", name).json["AccessKeyId"] for name in names}
    assert len(keys) == len(names)


def test_plain_tools_use_a_token_file_by_themselves(machine: Machine, scene: Scene) -> None:
    """--plain writes role_arn and web_identity_token_file, and the server's address."""
    token = machine.home / "token"
    token.write_text(scene.issuer.token(aud=CLIENT))
    words = ("--role", f"{ROLE}web", "--token-file", str(token), "--plain", "--endpoint-url", scene.server.url)
    machine.good("profile", "add", "job", *words)
    assert "credential_process" not in machine.config.read_text()
    done = machine.run("aws", "sts", "get-caller-identity", "--profile", "job", AWS_ENDPOINT_URL="")
    assert done.json["Arn"].startswith(f"{SESSION}web/")


def test_a_chain_from_a_token_has_source_identity_and_transitive_tags(machine: Machine, scene: Scene) -> None:
    """The first AssumeRole of the chain sets them: AssumeRoleWithWebIdentity takes them from the token alone."""
    iam = client_factory(scene.server)("iam")
    actions = ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"]
    statement = {"Effect": "Allow", "Principal": {"AWS": f"{ROLE}web"}, "Action": actions}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="vault", AssumeRolePolicyDocument=trust)
    token = machine.home / "token"
    token.write_text(scene.issuer.token(aud=CLIENT))
    chain = ("--role", f"{ROLE}web", "--role", f"{ROLE}vault", "--token-file", str(token))
    tags = ("--tag", "team=a", "--transitive-tag", "team", "--source-identity", "ann")
    machine.good("profile", "add", "deep", *chain, *tags, "--endpoint-url", scene.server.url)
    machine.good("credential-process", "--profile", "deep")
    [event] = [one for one in scene.server.audit.audit_records if one.action == "AssumeRole"]
    parameters = event.parameters or {}
    assert parameters["SourceIdentity"] == "ann"
    assert parameters["TransitiveTagKeys"] == ["team"]


@pytest.mark.parametrize("form", ["base64", "form", "xml"])
def test_an_assertion_is_taken_as_people_have_it(machine: Machine, scene: Scene, form: str) -> None:
    """The field's value, the whole form and the XML are accepted, as browsers show all three."""
    text = scene.assertion("reader")
    given = {
        "base64": text,
        "form": urlencode({"RelayState": "x", "SAMLResponse": text}),
        "xml": base64.b64decode(text).decode(),
    }[form]
    done = machine.daypass("login", "saml", "--assertion-file", "-", "--output", "json", stdin=given)
    assert done.code == 0, done
    assert done.json["Arn"] == f"{SESSION}reader/alice"


@pytest.mark.slow
def test_all_roles_that_match_are_signed_in_to(machine: Machine, scene: Scene) -> None:
    """A pattern selects several roles, each with its own profile."""
    machine.good(
        "login",
        "saml",
        "--assertion-file",
        "-",
        "--role",
        f"{ROLE}read*",
        stdin=scene.assertion("reader", "admin", "readonly"),
    )
    listed = machine.good("profile", "list", "--output", "json", "--query", "[].Name").json
    assert listed == ["reader", "readonly"]
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "readonly")
    assert shown.json["Arn"] == f"{SESSION}readonly/alice"


def test_several_roles_and_nobody_to_ask_is_told_what_would_help(machine: Machine, scene: Scene) -> None:
    """The message lists the offered roles."""
    words = ("login", "saml", "--assertion-file", "-", "--no-input")
    done = machine.daypass(*words, stdin=scene.assertion("reader", "admin"))
    assert (done.code, done.out) == (3, "")
    assert f"{ROLE}admin" in done.err
    assert "--role" in done.err


@pytest.mark.slow
def test_a_second_login_by_another_method_keeps_the_profile(machine: Machine, scene: Scene) -> None:
    """Its settings are the person's; the new sign-in gets a profile of its own, and says so."""
    path = str(machine.home / "token")
    machine.good("profile", "add", "reader", "--role", f"{ROLE}reader", "--token-file", path)
    before = machine.config.read_text()
    done = machine.good("login", "saml", "--assertion-file", "-", stdin=scene.assertion("reader"))
    assert "Profile reader signs in with oidc and was not changed. This sign-in is profile reader-saml." in done.err
    assert machine.config.read_text().startswith(before.rstrip("\n"))
    again = machine.good("login", "saml", "--assertion-file", "-", stdin=scene.assertion("reader"))
    assert "export AWS_PROFILE=reader-saml" in again.err


def test_keys_are_written_on_request(machine: Machine, scene: Scene) -> None:
    """Only --keys writes an assertion's keys to the credentials file."""
    machine.good("login", "saml", "--assertion-file", "-", "--keys", "--profile", "x", stdin=scene.assertion("reader"))
    assert "aws_session_token" in machine.credentials.read_text()
    assert machine.credentials.stat().st_mode & 0o777 == 0o600


def test_an_assertion_that_has_expired_has_its_exit_code(machine: Machine, scene: Scene) -> None:
    """Exit code 5: the person needs a new one."""
    stale = scene.idp.response(
        Assertion(roles=(f"{ROLE}reader,arn:aws:iam::{ACCOUNT}:saml-provider/corp",)),
        now=scene.server.clock.now().replace(year=2020),
    )
    assert machine.daypass("login", "saml", "--assertion-file", "-", stdin=stale).code == 5


def test_a_profile_that_must_be_signed_in_to_says_how(machine: Machine, scene: Scene) -> None:
    """A credential process never opens a browser: it names the command that does."""
    machine.good("profile", "add", "web", "--issuer", scene.issuer.url, "--client-id", CLIENT, "--role", f"{ROLE}web")
    done = machine.daypass("credential-process", "--profile", "web")
    assert (done.code, done.out) == (3, "")
    assert "daypass login oidc --profile web" in done.err
    assert machine.daypass("login", "--profile", "web", "--no-input").code == 3
