"""The login providers of AWS's SDKs, with the cache that `aws login` writes: they refresh, and know every refusal."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from botocore.exceptions import LoginInsufficientPermissions, LoginRefreshRequired
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.components import node_packages
from tests.sso.login_scene import DEVELOPER, LoginScene, Person, Program, Token
from tests.web_identity.node import run_script

from daypass.testing.server import RunningServer

ARN = "arn:aws:sts::123456789012:assumed-role/developer/alice"


def write_cache(folder: Path, server: RunningServer, program: Program, answer: Token) -> Path:
    """Write profile and token as AWS CLI 2.36 does, with credentials that have expired, and return the token's file."""
    session = jwt.decode(answer["idToken"], options={"verify_signature": False})["sub"]
    key = program.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    token = {
        "accessToken": {**answer["accessToken"], "accountId": "123456789012", "expiresAt": "2020-01-01T00:00:00Z"},
        "tokenType": answer["tokenType"],
        "clientId": program.client_id,
        "refreshToken": answer["refreshToken"],
        "idToken": answer["idToken"],
        "dpopKey": key,
    }
    cache = folder / ".aws" / "login" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{hashlib.sha256(session.encode()).hexdigest()}.json"
    file.write_text(json.dumps(token), encoding="utf-8")
    (folder / ".aws" / "config").write_text(
        f"[default]\nregion = us-east-1\nlogin_session = {session}\nendpoint_url = {server.url}\n", encoding="utf-8"
    )
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home directory without settings of this machine's user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_LOGIN_CACHE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def logged_in(login_scene: LoginScene, home: Path) -> Path:
    """Log in, and return the file of the token."""
    login_scene.person = Person()
    return write_cache(home, login_scene.server, *login_scene.logged_in())


def _who() -> Any:
    return boto3.Session(profile_name="default").client("sts").get_caller_identity()["Arn"]


def test_boto3_refreshes_what_aws_login_left(logged_in: Path) -> None:
    """The refreshed tokens replace the old ones in the cache."""
    before = json.loads(logged_in.read_text(encoding="utf-8"))["refreshToken"]
    assert _who() == ARN
    assert json.loads(logged_in.read_text(encoding="utf-8"))["refreshToken"] != before


@pytest.mark.slow
def test_eight_sessions_of_boto3_refresh_at_once(logged_in: Path) -> None:
    """Each reads the same token and gets credentials."""
    sessions = [boto3.Session(profile_name="default") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: one.client("sts").get_caller_identity()["Arn"], sessions))
    assert found == [ARN] * 8


def test_boto3_asks_for_a_new_login_when_the_token_is_not_valid(logged_in: Path) -> None:
    """Its own exception says what to do."""
    token = json.loads(logged_in.read_text(encoding="utf-8"))
    logged_in.write_text(json.dumps({**token, "refreshToken": "dp1.x"}), encoding="utf-8")
    with pytest.raises(LoginRefreshRequired):
        _who()


def test_boto3_says_that_the_role_is_closed(login_scene: LoginScene, logged_in: Path) -> None:
    """INSUFFICIENT_PERMISSIONS has its own exception."""
    login_scene.trust(DEVELOPER, is_open=False)
    try:
        with pytest.raises(LoginInsufficientPermissions):
            _who()
    finally:
        login_scene.trust(DEVELOPER)
    assert _who() == ARN


@pytest.mark.slow
@pytest.mark.component("node")
def test_the_javascript_sdk_refreshes_what_aws_login_left(login_scene: LoginScene, home: Path, logged_in: Path) -> None:
    """Its provider and its default chain."""
    script = Path(__file__).with_name("login.mjs")
    played = run_script(script, node_packages(), home, AWS_ENDPOINT_URL=login_scene.server.url, AWS_REGION="us-east-1")
    assert played.returncode == 0, played.stderr
    assert json.loads(played.stdout) == {"chain": ARN, "login": ARN}
