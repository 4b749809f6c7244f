"""`daypass saml`: the report, the list of providers, the switches."""

import json
import os
import pty
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.documents import document, trusting
from tests.process.daypass import BIN, ROOT, Running, run, serving
from tests.saml.conftest import ACCOUNT, PROVIDER, granting

from daypass.cli.operators.saml import command
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import Encryption, KeyPair, Signing

ROLE = f"arn:aws:iam::{ACCOUNT}:role/dev"


@pytest.fixture
def idp(keys: tuple[KeyPair, ...]) -> SamlIdentityProvider:
    """Return a provider."""
    return SamlIdentityProvider(keys=[keys[0]])


@pytest.fixture
def metadata(idp: SamlIdentityProvider, tmp_path: Path) -> str:
    """Return the file with the provider's metadata."""
    path = tmp_path / "idp.xml"
    path.write_text(idp.metadata_xml())
    return str(path)


@pytest.fixture
def nowhere(tmp_path: Path) -> Mapping[str, str]:
    """Return an environment without a store."""
    return {"DAYPASS_STORE": f"sqlite:///{tmp_path}/none.db"}


def _inspect(response: str, folder: Path, *words: str, environment: Mapping[str, str]) -> Any:
    path = folder / "response.txt"
    path.write_text(response)
    return CliRunner().invoke(command, ["inspect", str(path), *words], env=dict(environment))


def test_a_good_response_passes_check_by_check(
    idp: SamlIdentityProvider, metadata: str, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """Every check is listed with the response's values; exit code 0."""
    response = idp.response(granting(ROLE), now=datetime.now(UTC))
    done = _inspect(response, tmp_path, "--metadata", metadata, environment=nowhere)
    assert done.exit_code == 0, done.output
    assert "ok    assertion signature" in done.stdout
    assert f"{ROLE},{PROVIDER}" in done.stdout
    assert "STS would accept this response" in done.stdout


def test_what_is_wrong_is_said_with_what_to_do(
    idp: SamlIdentityProvider, metadata: str, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """Each failed check has STS's answer, the exact reason, and a hint.

    The other checks are made too.
    """
    response = idp.response(
        granting(ROLE, audiences=("https://other.example.org",), session_name=None), now=datetime.now(UTC)
    )
    done = _inspect(response, tmp_path, "--metadata", metadata, "--output", "json", environment=nowhere)
    assert done.exit_code == 5
    report = json.loads(done.stdout)
    failed = {check["Name"]: check for check in report["Checks"] if check["Outcome"] == "failed"}
    assert set(failed) == {"audience", "RoleSessionName"}
    assert "https://other.example.org" in failed["audience"]["Why"]
    assert "DAYPASS_SAML_AUDIENCES" in failed["audience"]["Hint"]
    assert (report["Outcome"], report["Verdict"]) == ("refused", "refused")
    assert report["Answer"] == f"{report['Code']}: {report['Message']}" == failed["audience"]["Answer"]
    assert report["UnverifiedStatement"]["Roles"] == [{"RoleArn": ROLE, "PrincipalArn": PROVIDER}]


@pytest.mark.parametrize(
    ("text", "hint"),
    [("<samlp:Response/>", "base64"), ("SAMLResponse=AAAA", "form field"), ("PHg%2BCg%3D%3D", "URL-encoded"), ("", "")],
)
def test_people_s_mistakes_are_named(text: str, hint: str, tmp_path: Path, nowhere: Mapping[str, str]) -> None:
    """A whole form field, raw XML and URL-encoded text have their own hints."""
    done = _inspect(text, tmp_path, environment=nowhere)
    assert done.exit_code == 5
    assert hint in done.stdout


def test_it_says_as_which_server_it_judges(
    idp: SamlIdentityProvider, metadata: str, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """The report says which server it assumes.

    Other commands do not know a port that was given to `daypass serve`.
    """
    response = idp.response(granting(ROLE, recipient="http://127.0.0.1:9000/saml"), now=datetime.now(UTC))
    done = _inspect(response, tmp_path, "--metadata", metadata, environment=nowhere)
    assert done.exit_code == 5
    assert "Server:   http://127.0.0.1:7878" in done.stdout
    assert "set DAYPASS_PUBLIC_URL or --public-url to it" in done.stdout
    url = ("--public-url", "http://127.0.0.1:9000")
    assert _inspect(response, tmp_path, "--metadata", metadata, *url, environment=nowhere).exit_code == 0


def test_without_a_provider_there_is_no_verdict(
    idp: SamlIdentityProvider, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """The checks that need no provider are made, without a verdict.

    The report never says that an unverified response is good. A store is not created.
    """
    response = idp.response(granting(ROLE), now=datetime.now(UTC))
    done = _inspect(response, tmp_path, environment=nowhere)
    assert done.exit_code == 6
    assert "No verdict: without a provider" in done.stdout
    assert not (tmp_path / "none.db").exists()


def test_the_arn_of_a_provider_may_be_given_with_its_metadata(
    idp: SamlIdentityProvider, metadata: str, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """Only then the Role values can be compared with it, as STS does."""
    response = idp.response(granting(ROLE), now=datetime.now(UTC))
    words = ("--metadata", metadata, "--provider")
    done = _inspect(response, tmp_path, *words, PROVIDER, environment=nowhere)
    assert (done.exit_code, f"Provider: {PROVIDER}" in done.stdout) == (0, True)
    done = _inspect(response, tmp_path, *words, f"{PROVIDER}2", "--output", "json", environment=nowhere)
    assert done.exit_code == 5
    [failed] = [check for check in json.loads(done.stdout)["Checks"] if check["Outcome"] == "failed"]
    assert (failed["Name"], failed["Why"]) == ("provider in Role", f"no Role value contains {PROVIDER}2")
    assert _inspect(response, tmp_path, *words, "idp", environment=nowhere).exit_code == 2


def test_an_option_without_effect_is_refused(
    idp: SamlIdentityProvider, metadata: str, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """The keys of a registered provider are in the store."""
    response = idp.response(granting(ROLE), now=datetime.now(UTC))
    done = _inspect(response, tmp_path, "--private-key", metadata, environment=nowhere)
    assert done.exit_code == 2
    assert "--private-key needs --metadata" in done.output


def test_a_response_may_be_piped(idp: SamlIdentityProvider, metadata: str, nowhere: Mapping[str, str]) -> None:
    """Standard input is the default, with any line breaks."""
    response = idp.response(granting(ROLE), now=datetime.now(UTC))
    wrapped = "\n".join(response[at : at + 76] for at in range(0, len(response), 76)) + "\n"
    for words in ((), ("-",)):
        done = subprocess.run(
            [str(BIN), "saml", "inspect", *words, "--metadata", metadata],
            input=wrapped,
            env={**os.environ, **nowhere},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_a_long_line_may_be_pasted_into_a_terminal(
    idp: SamlIdentityProvider, metadata: str, nowhere: Mapping[str, str]
) -> None:
    """The terminal's limit of 4,096 bytes a line does not truncate it.

    The pasted text is not echoed.
    """
    many = [f"{ROLE}{number}" for number in range(60)]
    response = idp.response(granting(*many), now=datetime.now(UTC))
    assert len(response) > 8192
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [str(BIN), "saml", "inspect", "--metadata", metadata],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **nowhere},
        text=True,
    )
    assert process.stderr is not None
    assert "Paste the SAMLResponse" in process.stderr.readline()
    for at in range(0, len(response), 1024):
        os.write(master, response[at : at + 1024].encode())
    os.write(master, b"\n\n")
    out, _ = process.communicate(timeout=30)
    os.close(slave)
    os.close(master)
    assert process.returncode == 0, out


def test_private_keys_open_what_is_encrypted(
    idp: SamlIdentityProvider,
    metadata: str,
    tmp_path: Path,
    keys: tuple[KeyPair, ...],
    nowhere: Mapping[str, str],
) -> None:
    """With --metadata, --private-key replaces the registered keys."""
    how = Encryption(to=keys[2].private.public_key())  # type: ignore[arg-type] # RSA
    response = idp.response(granting(ROLE), now=datetime.now(UTC), encryption=how)
    key = tmp_path / "key.pem"
    key.write_text(keys[2].pem)
    key.chmod(0o600)
    closed = _inspect(response, tmp_path, "--metadata", metadata, environment=nowhere)
    assert closed.exit_code == 5
    opened = _inspect(response, tmp_path, "--metadata", metadata, "--private-key", str(key), environment=nowhere)
    assert opened.exit_code == 0, opened.stdout


def test_nothing_in_a_response_controls_the_terminal(
    idp: SamlIdentityProvider, metadata: str, tmp_path: Path, nowhere: Mapping[str, str]
) -> None:
    """Control characters of a response are never printed."""
    given = granting(ROLE, name_id="alice\u009b31m", attributes={"urn:x:\u202ename": ["a\u009bb"]})
    done = _inspect(idp.response(given, now=datetime.now(UTC)), tmp_path, "--metadata", metadata, environment=nowhere)
    assert "\u009b" not in done.stdout
    assert "\u202e" not in done.stdout


def _redeem(server: Running, response: str) -> Any:
    return server.client("sts").assume_role_with_saml(RoleArn=ROLE, PrincipalArn=PROVIDER, SAMLAssertion=response)


@pytest.mark.slow
def test_the_store_s_providers_are_found_listed_and_switched_beside_a_live_server(
    idp: SamlIdentityProvider, tmp_path: Path
) -> None:
    """The issuer finds the provider; a running server's next request follows `set`. The change can be undone."""
    store = f"sqlite:///{tmp_path}/d.db"
    with serving(store) as server:
        iam = server.client("iam")
        iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata_xml())
        trust = document(trusting({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML"))
        iam.create_role(RoleName="dev", AssumeRolePolicyDocument=trust)
        old = idp.response(
            granting(ROLE, recipient="https://other.example.org/saml"),
            now=datetime.now(UTC),
            how=Signing(method="rsa-sha1", digest="sha1"),
        )
        words = ("--store", store)
        listed = run("saml", "providers", *words, "--output", "json")
        assert [each["Arn"] for each in json.loads(listed.stdout)["Providers"]] == [PROVIDER]
        found = _inspect(old, tmp_path, *words, "--output", "json", environment={})
        report = json.loads(found.stdout)
        assert (report["Provider"], report["Verdict"]) == (PROVIDER, "refused")
        with pytest.raises(Exception, match="InvalidIdentityToken"):
            _redeem(server, old)
        assert run("saml", "set", PROVIDER, "--lax", "--allow-sha1", *words).returncode == 0
        assert _redeem(server, old)["Credentials"]
        assert "lax  sha-1" in run("saml", "providers", *words).stdout
        assert _inspect(old, tmp_path, *words, environment={}).exit_code == 0
        assert run("saml", "set", PROVIDER, "--strict", *words).returncode == 0
        with pytest.raises(Exception, match="InvalidIdentityToken"):
            _redeem(server, old)
        missing = run("saml", "set", f"{PROVIDER}2", "--lax", *words)
        assert missing.returncode == 6
        assert "does not exist" in missing.stderr


@pytest.mark.slow
def test_one_use_holds_across_processes(idp: SamlIdentityProvider, tmp_path: Path) -> None:
    """With DAYPASS_SAML_ONE_USE an assertion creates one session only.

    This is true for all servers of a store, at once or later.
    """
    store = f"sqlite:///{tmp_path}/d.db"
    environment = {**ROOT, "DAYPASS_SAML_ONE_USE": "true"}
    with serving(store, environment=environment) as first, serving(store, environment=environment) as second:
        iam = first.client("iam")
        iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata_xml())
        trust = document(trusting({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML"))
        iam.create_role(RoleName="dev", AssumeRolePolicyDocument=trust)
        for servers in ((first, second), (second, first), (first, first)):
            response = idp.response(granting(ROLE), now=datetime.now(UTC))
            assert _redeem(servers[0], response)["Credentials"]
            with pytest.raises(Exception, match="SAML Assertion has already been used"):
                _redeem(servers[1], response)
        marked = idp.response(granting(ROLE, conditions_xml="<saml:OneTimeUse/>"), now=datetime.now(UTC))
        assert _redeem(first, marked)["Credentials"]


def test_an_assertion_may_ask_to_be_used_once(idp: SamlIdentityProvider, tmp_path: Path) -> None:
    """OneTimeUse is obeyed without the setting.

    A refusal for another reason does not use up the assertion.
    """
    with serving(f"sqlite:///{tmp_path}/d.db") as server:
        iam = server.client("iam")
        iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata_xml())
        trust = document(trusting({"Federated": PROVIDER}, "sts:AssumeRoleWithSAML"))
        given = granting(ROLE, conditions_xml="<saml:OneTimeUse/>", lifetime=timedelta(minutes=5))
        response = idp.response(given, now=datetime.now(UTC))
        with pytest.raises(Exception, match="Not authorized to perform sts:AssumeRoleWithSAML"):
            _redeem(server, response)
        iam.create_role(RoleName="dev", AssumeRolePolicyDocument=trust)
        assert _redeem(server, response)["Credentials"]
        with pytest.raises(Exception, match="SAML Assertion has already been used"):
            _redeem(server, response)
