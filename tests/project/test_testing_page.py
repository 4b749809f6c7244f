"""The examples of docs/testing.md run as they stand, in a project of their own."""

import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from tests.process.daypass import clean_environment

_PAGE = Path(__file__).parents[2] / "docs/testing.md"
_FAKE = {"region_name": "us-east-1", "aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "fake"}


SESSION = """
import json, os

def test_the_session_fixtures_share_one_server(
    daypass_server_session, daypass_client_session, daypass_oidc_issuer_session, daypass_saml_idp_session,
    daypass_aws_env_session, daypass_clock_session, daypass_server, daypass_aws_env,
):
    root, issuer = daypass_server_session.new_account(), daypass_oidc_issuer_session
    iam, sts = daypass_client_session("iam", root), daypass_client_session("sts", root)
    arn = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    name = issuer.url.removeprefix("https://")
    trust = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Federated": arn},
             "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringEquals": {name + ":aud": "app"}}}}
    role = iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    given = {"RoleArn": role, "RoleSessionName": "ci", "WebIdentityToken": issuer.token(aud="app")}
    assert sts.assume_role_with_web_identity(**given)["Audience"] == "app"
    assert daypass_saml_idp_session.consumer == daypass_server_session.url + "/saml"
    assert daypass_aws_env_session["AWS_ENDPOINT_URL"] == daypass_server_session.url
    assert daypass_server.clock is not daypass_clock_session is daypass_server_session.clock
    assert os.environ["AWS_ENDPOINT_URL"] == daypass_server.url

def test_the_environment_of_the_session_is_back(daypass_aws_env_session, daypass_server_session):
    assert os.environ["AWS_ENDPOINT_URL"] == daypass_server_session.url
"""


def page_source() -> str:
    """Return the code blocks of the page as one file."""
    return "\n\n".join(re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), flags=re.DOTALL))


def run_project(folder: Path, source: str, python: str = sys.executable) -> None:
    """Run a file of tests in a project without any conftest.py."""
    (folder / "test_page.py").write_text(source, encoding="utf-8")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", str(folder)]
    ran = subprocess.run(
        command, cwd=folder, env=clean_environment({}), capture_output=True, text=True, timeout=100, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{source.count('def test_')} passed" in ran.stdout


@pytest.mark.slow
def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    """All code blocks of the page together are a file that pytest accepts."""
    run_project(tmp_path, page_source())


@pytest.mark.slow
def test_fixtures_of_both_scopes_work_together(tmp_path: Path) -> None:
    """The session has one server and one environment, and a test may have others in between."""
    run_project(tmp_path, SESSION)


@pytest.mark.slow
def test_the_table_says_the_truth_of_moto() -> None:
    """Moto assumes a role whose trust policy denies everybody, and takes any text as a web identity token."""
    deny = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}'
    with mock_aws():
        iam, sts = (boto3.client(name, **_FAKE) for name in ("iam", "sts"))
        role = iam.create_role(RoleName="closed", AssumeRolePolicyDocument=deny)["Role"]["Arn"]
        assert sts.assume_role(RoleArn=role, RoleSessionName="any")["Credentials"]
        given = {"RoleArn": role, "RoleSessionName": "any", "WebIdentityToken": "garbage"}
        assert sts.assume_role_with_web_identity(**given)["Credentials"]
