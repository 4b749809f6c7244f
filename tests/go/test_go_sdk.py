"""The AWS SDK for Go v2, with each kind of credentials of its default chain."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sso.people.conftest import ACCOUNT, Scene, new_scene

from daypass.testing.client_factory import client_factory
from daypass.testing.oidc import OidcIssuer

pytestmark = [pytest.mark.slow, pytest.mark.component("go"), pytest.mark.timeout(600)]

_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program with Debian's packages, without a module proxy."""
    folder = tmp_path_factory.mktemp("go")
    built = folder / "whoami"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
    }
    source = Path(__file__).with_name("main.go")
    made = subprocess.run(
        ["go", "build", "-o", str(built), str(source)], env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return built


@dataclass(frozen=True)
class Account:
    """A server with people, an issuer, a user and a role for the program."""

    scene: Scene
    issuer: OidcIssuer
    key: Mapping[str, str]
    deploy: str
    ci: str


def _trust(principal: Mapping[str, str], action: str, condition: Mapping[str, Any] | None = None) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition or {}}
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    """Run the server and make its records."""
    with new_scene() as scene, OidcIssuer(now=lambda: scene.server.clock.now().timestamp()) as issuer:
        iam = client_factory(scene.server)("iam")
        user = iam.create_user(UserName="go")["User"]["Arn"]
        iam.attach_user_policy(UserName="go", PolicyArn=_ADMINISTRATOR)
        key = iam.create_access_key(UserName="go")["AccessKey"]
        trust = _trust({"AWS": user}, "sts:AssumeRole", {"StringEquals": {"sts:ExternalId": "go"}})
        deploy = iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.attach_role_policy(RoleName="deploy", PolicyArn=_ADMINISTRATOR)
        provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["go"])["OpenIDConnectProviderArn"]
        aud = {"StringEquals": {f"{issuer.url.removeprefix('https://')}:aud": "go"}}
        trust = _trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", aud)
        ci = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        yield Account(scene, issuer, key, deploy, ci)


def _play(program: Path, account: Account, home: Path, config: str = "", **more: str) -> dict[str, str]:
    """Run the program with a configuration file; return what it said."""
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws/config").write_text(config, encoding="utf-8")
    (home / ".aws/credentials").write_text(_profile("go", account.key), encoding="utf-8")
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TEST_ENDPOINT": account.scene.url,
        **more,
    }
    ran = subprocess.run([str(program)], env=environment, capture_output=True, text=True, timeout=120, check=True)
    said: dict[str, str] = json.loads(ran.stdout)
    return said


def _profile(name: str, key: Mapping[str, str]) -> str:
    token = f"aws_session_token = {key['SessionToken']}\n" if "SessionToken" in key else ""
    pair = f"aws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    return f"[{name}]\n{pair}{token}"


def test_keys_of_a_profile(program: Path, account: Account, tmp_path: Path) -> None:
    """Both services answer, and IAM's XML is parsed."""
    said = _play(program, account, tmp_path, AWS_PROFILE="go", TEST_ROLE="deploy")
    assert said["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/go"
    assert said["Role"] == account.deploy


def test_a_role_of_a_profile(program: Path, account: Account, tmp_path: Path) -> None:
    """The SDK assumes the role, with the external ID that the trust policy wants."""
    config = f"[profile r]\nrole_arn = {account.deploy}\nsource_profile = go\nrole_session_name = gopher\n"
    said = _play(program, account, tmp_path, config + "external_id = go\n", AWS_PROFILE="r", TEST_ROLE="ci")
    assert said["Source"] == "AssumeRoleProvider"
    assert said["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/gopher"
    assert said["Role"] == account.ci
    said = _play(program, account, tmp_path, config + "external_id = other\n", AWS_PROFILE="r")
    assert said["Code"] == "AccessDenied"


def test_a_web_identity_token(program: Path, account: Account, tmp_path: Path) -> None:
    """The file of the token is read as in a pod."""
    token = tmp_path / "token"
    token.write_text(account.issuer.token(aud="go"), encoding="utf-8")
    given = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": account.ci, "AWS_ROLE_SESSION_NAME": "pod"}
    assert _play(program, account, tmp_path, **given)["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/pod"
    token.write_text(account.issuer.token(aud="other"), encoding="utf-8")
    assert _play(program, account, tmp_path, **given)["Code"] == "InvalidIdentityToken"


def test_a_credential_process(program: Path, account: Account, tmp_path: Path) -> None:
    """`daypass credential-process` serves the SDK."""
    daypass = Path(sys.executable).with_name("daypass")
    config = (
        f"[profile p]\ncredential_process = {daypass} credential-process --profile source\n"
        f"[profile source]\nrole_arn = {account.deploy}\nsource_profile = go\nexternal_id = go\n"
        f"role_session_name = process\nendpoint_url = {account.scene.url}\nregion = us-east-1\n"
    )
    said = _play(program, account, tmp_path, config, AWS_PROFILE="p", AWS_ENDPOINT_URL=account.scene.url)
    assert said.get("Source") == "ProcessProvider", said
    assert said["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/process"


def test_a_profile_of_single_sign_on(program: Path, account: Account, tmp_path: Path) -> None:
    """The token that `aws sso login` leaves is exchanged for the role of the profile.

    Debian's version of the SDK knows neither `sso_session` for credentials nor `aws login`.
    """
    start = f"{account.scene.url}/start"
    place = f"sso_start_url = {start}\nsso_region = us-east-1\n"
    role = f"sso_account_id = {ACCOUNT}\nsso_role_name = developer\n"
    config = f"[profile s]\n{place}{role}"
    cache = tmp_path / ".aws/sso/cache"
    cache.mkdir(parents=True)
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    token = {"startUrl": start, "region": "us-east-1", "accessToken": account.scene.access_token(), "expiresAt": until}
    name = hashlib.sha1(start.encode(), usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps(token), encoding="utf-8")
    said = _play(program, account, tmp_path, config, AWS_PROFILE="s")
    assert said.get("Source") == "SSOProvider", said
    assert said["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice"


def test_an_expired_session(program: Path, account: Account, tmp_path: Path) -> None:
    """The SDK signs with real time, and reads the code of the refusal."""
    sts = client_factory(account.scene.server)("sts", account.key)
    session = sts.get_session_token(DurationSeconds=3600)["Credentials"]
    given = {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    assert _play(program, account, tmp_path, **given)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/go"
    account.scene.server.clock.move(timedelta(hours=1))
    try:
        assert _play(program, account, tmp_path, **given)["Code"] == "ExpiredToken"
    finally:
        account.scene.server.clock.reset()
