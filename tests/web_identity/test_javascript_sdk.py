"""The JavaScript SDK v3 with web identities. Runs where Node is installed and the SDK's packages lie somewhere.

DAYPASS_NODE_PACKAGES names the directory that holds `node_modules`; without it the repository's own is looked at.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.web_identity.conftest import Account, name_of
from tests.web_identity.test_workloads import pod_token

from daypass.testing.oidc import OidcIssuer
from daypass.testing.server import RunningServer

SCRIPT = Path(__file__).with_name("javascript.mjs")
REPOSITORY = Path(__file__).parents[2]
NEEDED = ("@aws-sdk/client-sts", "@aws-sdk/credential-providers")


@pytest.fixture(scope="module")
def packages() -> Path:
    """Return the directory whose packages Node shall find, or skip."""
    named = Path(os.environ.get("DAYPASS_NODE_PACKAGES") or REPOSITORY).absolute()
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    for package in NEEDED:
        if not (named / "node_modules" / package).is_dir():
            pytest.skip(f"{named} has no node_modules/{package}; DAYPASS_NODE_PACKAGES names another directory")
    return named


def test_every_way_to_a_session(
    packages: Path, account: Account, issuer: OidcIssuer, server: RunningServer, tmp_path: Path
) -> None:
    """Two environment variables, a token at hand, the default chain, a second role from there; and AWS's refusal."""
    trust = account.trust(issuer, StringEquals={f"{name_of(issuer)}:sub": "system:serviceaccount:shop:checkout"})
    role = account.role("web", trust, {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
    here = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "sts:AssumeRole"}
    second = account.role("second", json.dumps({"Version": "2012-10-17", "Statement": [here]}))
    token = tmp_path / "token"
    token.write_text(pod_token(issuer) + "\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "NODE_NO_WARNINGS": "1",
        "AWS_ROLE_ARN": role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ENDPOINT_URL": server.url,
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SECOND_ROLE_ARN": second,
        "WRONG_TOKEN": pod_token(issuer, aud=["somebody-else"]),
    }
    done = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=SCRIPT.read_text(encoding="utf-8"),
        cwd=packages,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
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
