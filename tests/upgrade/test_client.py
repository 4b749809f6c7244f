"""A home directory of version 0.1.0: cached sessions are served, and profiles fetch new ones."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.upgrade.conftest import MEMBER, Upgraded, at_home, recorded, upgraded

from daypass.testing.tokens import SigningKey, compact

KEPT = sorted(recorded()["kept"])
ACCOUNT_ROLES = f"arn:aws:sts::{MEMBER}:assumed-role"
PROFILES = {
    "browser": f"daypass: oidc arn:aws:iam::{MEMBER}:role/pipeline from https://{recorded()['issuer']}",
    "careful": f"daypass: role arn:aws:iam::{MEMBER}:role/ops/deploy from ci",
    "printed": f"daypass: oidc arn:aws:iam::{MEMBER}:role/pipeline",
    "session": "daypass: session from ci",
    "workforce": f"daypass: saml arn:aws:iam::{MEMBER}:role/people",
}


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_session_is_served(home: Path, name: str) -> None:
    """It is read from the old file with the old key: a server is not called and not running."""
    done = at_home(home, "credential-process", "--profile", name)
    assert done.exit_code == 0, done.output
    answer, old = json.loads(done.stdout), recorded()["kept"][name]
    for part in ("Version", "AccessKeyId", "SecretAccessKey", "SessionToken"):
        assert answer[part] == old[part]


def test_kept_sessions_are_listed(home: Path) -> None:
    """They are listed with their profiles."""
    shown = json.loads(at_home(home, "status", "--output", "json").stdout)
    assert {each["Profile"] for each in shown} >= set(KEPT)


def test_old_profiles_are_listed(home: Path) -> None:
    """Each profile is unchanged."""
    shown = json.loads(at_home(home, "profile", "list", "--output", "json").stdout)
    found = {each["Name"]: each["How"] for each in shown}
    assert {name: found[name] for name in PROFILES} == PROFILES


def test_old_kept_sessions_are_forgotten(home: Path) -> None:
    """`daypass logout` finds them, by their profile."""
    assert at_home(home, "logout", "deploy").exit_code == 0
    assert len(list((home / ".cache/daypass/credentials").glob("*.json"))) == len(KEPT)


def fresh_token() -> str:
    """Return a token of the old issuer that is valid now."""
    private = load_pem_private_key(recorded()["issuer_key"].encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": f"https://{recorded()['issuer']}", "sub": "repo:acme/site", "aud": "sts.amazonaws.com"}
    key = SigningKey("old-key-1", "ES256", private)
    return compact({"alg": "ES256", "typ": "JWT", "kid": key.kid}, {**claims, "iat": now, "exp": now + 600}, key)


@pytest.mark.slow
def test_old_profiles_fetch_new_sessions(home: Path, old_sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The present server accepts the old keys today: a role, a chain, a session, tokens, and AWS's own settings."""
    monkeypatch.chdir(home)  # the token's command reads it in this directory
    (home / "token.jwt").write_text(fresh_token())
    with upgraded(old_sqlite, at=datetime.now(UTC)) as there:
        move_home(home, there)
        arns = {name: who(home, name, there) for name in ("deploy", "chain", "session", "web", "printed")}
        plain = json.loads(at_home(home, "whoami", "--profile", "plain", "--output", "json").stdout)
    assert plain["Arn"].startswith(f"{ACCOUNT_ROLES}/deploy/")
    assert arns.pop("chain").startswith(f"{ACCOUNT_ROLES}/second/")
    assert arns.pop("web").startswith(f"{ACCOUNT_ROLES}/pipeline/")
    assert arns.pop("printed").startswith(f"{ACCOUNT_ROLES}/pipeline/")
    assert arns == {"deploy": f"{ACCOUNT_ROLES}/deploy/monday", "session": f"arn:aws:iam::{MEMBER}:user/ci"}


def move_home(home: Path, there: Upgraded) -> None:
    """Set the address of this test's server in the old profiles."""
    config = home / ".aws/config"
    config.write_text(config.read_text().replace(recorded()["url"], there.server.url))


def who(home: Path, name: str, there: Upgraded) -> str:
    """Return the identity of the new credentials of a profile."""
    done = at_home(home, "credential-process", "--profile", name)
    assert done.exit_code == 0, done.output
    keys = json.loads(done.stdout)
    assert keys["AccessKeyId"] != recorded()["kept"].get(name, {}).get("AccessKeyId")
    return str(there.client("sts", keys).get_caller_identity()["Arn"])
