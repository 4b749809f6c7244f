"""Real requests of workloads: the SDK's own provider, a token file, and tokens in Kubernetes' exact form."""

import configparser
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.session import Session
from tests.web_identity.conftest import AUDIENCE, Account, name_of, not_taken, take

from daypass.testing.oidc import OidcIssuer
from daypass.testing.server import RunningServer

SUBJECT = "system:serviceaccount:shop:checkout"


def pod_token(issuer: OidcIssuer, alg: str = "RS256", **changes: Any) -> str:
    """Return a projected service-account token as the API server of Kubernetes 1.31 writes it."""
    now = issuer.claims()["iat"]
    claims = {
        "aud": [AUDIENCE],
        "exp": now + 86_400,
        "iat": now,
        "nbf": now,
        "iss": issuer.url,
        "jti": "0a1b2c3d-0000-4000-8000-0123456789ab",
        "kubernetes.io": {
            "namespace": "shop",
            "node": {"name": "node-1", "uid": "1a1b2c3d-0000-4000-8000-0123456789ab"},
            "pod": {"name": "checkout-7d9f", "uid": "2a1b2c3d-0000-4000-8000-0123456789ab"},
            "serviceaccount": {"name": "checkout", "uid": "3a1b2c3d-0000-4000-8000-0123456789ab"},
            "warnafter": now + 3607,
        },
        "sub": SUBJECT,
        **changes,
    }
    return issuer.token(claims, alg=alg)


@pytest.fixture
def pod_role(account: Account, issuer: OidcIssuer) -> str:
    """Create a role for one service account of the cluster."""
    name = name_of(issuer)
    return account.role("pod", account.trust(issuer, StringEquals={f"{name}:sub": SUBJECT, f"{name}:aud": AUDIENCE}))


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_service_account_s_token(issuer: OidcIssuer, sts: Any, pod_role: str, alg: str) -> None:
    """One audience in a list, no azp, and the service account as the subject."""
    answer = take(sts, pod_role, pod_token(issuer, alg))
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == (SUBJECT, AUDIENCE)
    other = "system:serviceaccount:shop:default"
    assert not_taken(sts, pod_role, pod_token(issuer, alg, sub=other))[0] == "AccessDenied"
    for_the_api_server = ["https://kubernetes.default.svc.cluster.local"]
    assert not_taken(sts, pod_role, pod_token(issuer, alg, aud=for_the_api_server))[0] == "InvalidIdentityToken"


def test_two_environment_variables_and_nothing_else(
    issuer: OidcIssuer,
    pod_role: str,
    server: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """boto3 finds role and token itself, and reads the file again when it needs new credentials.

    The third variable names the endpoint, which on AWS is built in.
    """
    token_file = tmp_path / "token"
    token_file.write_text(pod_token(issuer) + "\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ROLE_ARN", pod_role)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token_file))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    who = boto3.Session(region_name="us-east-1").client("sts").get_caller_identity()
    assert who["Arn"].startswith(pod_role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/")


def test_a_profile_with_a_token_file(
    issuer: OidcIssuer, pod_role: str, server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile names role, token file and session; another profile chains from it."""
    token_file = tmp_path / "token"
    token_file.write_text(pod_token(issuer))
    profiles = configparser.ConfigParser()
    profiles["profile pod"] = {
        "role_arn": pod_role,
        "web_identity_token_file": str(token_file),
        "role_session_name": "checkout",
        "endpoint_url": server.url,
        "region": "us-east-1",
    }
    with (tmp_path / "config").open("w") as file:
        profiles.write(file)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    session = boto3.Session(botocore_session=Session(profile="pod"))
    who = session.client("sts").get_caller_identity()
    assert who["Arn"].endswith(":assumed-role/pod/checkout")
