"""Exchange an assertion in a file for credentials with the AWS CLI."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.process.daypass import BIN
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage, granting

_TRADE = """
creds=$(aws sts assume-role-with-saml --role-arn "$ROLE" --principal-arn "$PROVIDER" \\
    --saml-assertion "$(cat saml-assertion.txt)" --output json)
"""
_INTO_THE_ENVIRONMENT = """
export AWS_ACCESS_KEY_ID=$(echo "$creds" | jq -r .Credentials.AccessKeyId)
export AWS_SECRET_ACCESS_KEY=$(echo "$creds" | jq -r .Credentials.SecretAccessKey)
export AWS_SESSION_TOKEN=$(echo "$creds" | jq -r .Credentials.SessionToken)
aws sts get-caller-identity --query Arn --output text
"""
_INTO_THE_FILE = """
export AWS_SHARED_CREDENTIALS_FILE=$PWD/credentials
echo "$creds" | jq -r '.Credentials | "[saml]
aws_access_key_id = \\(.AccessKeyId)
aws_secret_access_key = \\(.SecretAccessKey)
aws_session_token = \\(.SessionToken)"' >"$AWS_SHARED_CREDENTIALS_FILE"
aws --profile saml sts get-caller-identity --query Arn --output text
"""
_CONFIGURE = """
export AWS_SHARED_CREDENTIALS_FILE=$PWD/credentials AWS_CONFIG_FILE=$PWD/config
read -r key secret token < <(aws sts assume-role-with-saml --role-arn "$ROLE" --principal-arn "$PROVIDER" \\
    --saml-assertion file://saml-assertion.txt --output text \\
    --query "Credentials.[AccessKeyId,SecretAccessKey,SessionToken]")
aws configure set aws_access_key_id "$key" --profile saml
aws configure set aws_secret_access_key "$secret" --profile saml
aws configure set aws_session_token "$token" --profile saml
aws --profile saml sts get-caller-identity --query Arn --output text
"""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_TRADE + _INTO_THE_ENVIRONMENT, marks=pytest.mark.component("jq")),
        pytest.param(_TRADE + _INTO_THE_FILE, marks=[pytest.mark.component("jq"), pytest.mark.slow]),
        pytest.param(_CONFIGURE, marks=pytest.mark.slow),
    ],
)
def test_the_aws_cli_trades_a_file_for_credentials(stage: Stage, tmp_path: Path, script: str) -> None:
    """The command does not need credentials.

    Its output is written to the environment or the credentials file with jq.
    """
    role = stage.role("mission")
    (tmp_path / "saml-assertion.txt").write_text(stage.response(granting(role)) + "\n")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": f"{BIN.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": stage.server.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "ROLE": role,
            "PROVIDER": PROVIDER,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"arn:aws:sts::{ACCOUNT}:assumed-role/mission/alice\n"
