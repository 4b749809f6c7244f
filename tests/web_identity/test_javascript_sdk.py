"""The JavaScript SDK v3 with web identities."""

import json
from pathlib import Path

import pytest
from tests.components import node_packages
from tests.documents import document
from tests.web_identity.conftest import Account, name_of
from tests.web_identity.node import run_script
from tests.web_identity.test_workloads import pod_token

from daypass.testing.oidc import OidcIssuer
from daypass.testing.server import RunningServer

pytestmark = pytest.mark.component("node")


def test_every_way_to_a_session(account: Account, issuer: OidcIssuer, server: RunningServer, tmp_path: Path) -> None:
    """Two environment variables, a given token, the default chain, a second role from there, and AWS's refusal."""
    trust = account.trust(issuer, StringEquals={f"{name_of(issuer)}:sub": "system:serviceaccount:shop:checkout"})
    role = account.role("web", trust, {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
    here = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"}
    second = account.role("second", document(here))
    token = tmp_path / "token"
    token.write_text(pod_token(issuer) + "\n")
    done = run_script(
        Path(__file__).with_name("javascript.mjs"),
        node_packages(),
        tmp_path,
        AWS_ROLE_ARN=role,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
        AWS_ENDPOINT_URL=server.url,
        AWS_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true",
        SECOND_ROLE_ARN=second,
        WRONG_TOKEN=pod_token(issuer, aud=["somebody-else"]),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    session = f"arn:aws:sts::{account.id}:assumed-role/"
    assert found.pop("refusal") == {
        "name": "InvalidIdentityTokenException",  # the class that the SDK has for it
        "message": (
            "The web identity token provided could not be validated. "
            "See the AssumeRoleWithWebIdentity documentation for requirements."
        ),
        "status": 400,
    }
    assert found.pop("fromWebToken") == f"{session}web/web"
    assert found.pop("fromTemporaryCredentials") == f"{session}second/chained"
    assert set(found) == {"default", "fromTokenFile", "fromNodeProviderChain"}
    assert all(arn.startswith(f"{session}web/aws-sdk-js-session-") for arn in found.values())
