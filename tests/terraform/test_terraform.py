"""Terraform with its AWS provider: create, plan without drift, change in place, destroy."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.terraform.terraform_files import find_mirror

from daypass.testing.client_factory import client_factory
from daypass.testing.oidc import OidcIssuer
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.server import running_server

pytestmark = [pytest.mark.slow, pytest.mark.component("terraform"), pytest.mark.timeout(1800)]

_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_RC = """disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path = %s
  }
}
"""


@dataclass(frozen=True)
class Workspace:
    """A directory with the configuration, and the values of its variables."""

    folder: Path
    variables: Mapping[str, Any]
    iam: Any
    account: str

    def run(self, *words: str, fails: bool = False, **changes: object) -> str:
        """Run terraform; return what it printed."""
        settings = [f"-var={name}={value}" for name, value in {**self.variables, **changes}.items()]
        given = ["-no-color", *settings] if words[0] in {"plan", "apply", "destroy", "import"} else []
        ran = subprocess.run(
            ["terraform", words[0], *given, *words[1:]],
            cwd=self.folder,
            env=_environment(self.folder),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert (ran.returncode != 0) is fails, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def outputs(self) -> dict[str, Any]:
        """Return the values of the outputs."""
        return {name: each["value"] for name, each in json.loads(self.run("output", "-json")).items()}


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment without AWS settings, and with the mirror alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    extra = {"TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"), "TF_IN_AUTOMATION": "1", "NO_COLOR": "1"}
    return {**kept, **extra, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(folder)}


def _trust(principal: Mapping[str, str], action: str | list[str], **condition: object) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Run a server with a management account, a user for Terraform, and the roles that its providers assume."""
    folder = tmp_path_factory.mktemp("terraform")
    shutil.copy(Path(__file__).with_name("main.tf"), folder)
    (folder / "terraform.rc").write_text(_RC % json.dumps(find_mirror()), encoding="utf-8")
    with running_server() as server, OidcIssuer() as issuer:
        root = server.new_account(standing="management")
        iam = client_factory(server)("iam", root)
        user = iam.create_user(UserName="terraform")["User"]["Arn"]
        iam.attach_user_policy(UserName="terraform", PolicyArn=_ADMINISTRATOR)
        key = iam.create_access_key(UserName="terraform")["AccessKey"]
        trust = _trust(
            {"AWS": user},
            ["sts:AssumeRole", "sts:TagSession"],
            StringEquals={"sts:ExternalId": "from-terraform", "aws:RequestTag/run": "7"},
        )
        deploy = iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["terraform"])
        name = issuer.url.removeprefix("https://")
        trust = _trust(
            {"Federated": provider["OpenIDConnectProviderArn"]},
            "sts:AssumeRoleWithWebIdentity",
            StringEquals={f"{name}:aud": "terraform", f"{name}:sub": "pipeline"},
        )
        ci = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        for role in ("deploy", "ci"):
            iam.attach_role_policy(RoleName=role, PolicyArn=_ADMINISTRATOR)
        variables = {
            "endpoint": server.url,
            "access_key": key["AccessKeyId"],
            "secret_key": key["SecretAccessKey"],
            "deploy_role": deploy,
            "ci_role": ci,
            "token": issuer.token(aud="terraform", sub="pipeline", exp=int(issuer.claims()["exp"]) + 3600),
            "issuer": issuer.url,
            "metadata": SamlIdentityProvider("https://idp.example.org").metadata_xml(),
            "other_metadata": SamlIdentityProvider("https://idp.example.org").metadata_xml(),
            "round": 1,
            "login": "false",
        }
        made = Workspace(folder, variables, iam, root.account)
        made.run("init", "-input=false")
        yield made


def test_create_read_change_and_destroy(workspace: Workspace) -> None:
    """Each step does what Terraform expects of AWS, and a plan after it finds no difference."""
    workspace.run("apply", "-auto-approve", "-input=false")
    outputs = workspace.outputs()
    account = workspace.account
    assert outputs["own"] == f"arn:aws:iam::{account}:user/terraform"
    assert outputs["assumed"] == f"arn:aws:sts::{account}:assumed-role/deploy/terraform"
    assert outputs["web"] == f"arn:aws:sts::{account}:assumed-role/ci/pipeline"
    assert outputs["issuer"] == "deploy"
    assert outputs["allowed"] == [True, False]
    assert outputs["members"] == ["alice"]
    assert outputs["hosts"] == ["host"]
    workspace.run("plan", "-detailed-exitcode", "-input=false")  # 2 would be a difference

    workspace.run("state", "rm", "aws_iam_role.imported")
    workspace.run("import", "aws_iam_role.imported", "imported")
    workspace.run("plan", "-detailed-exitcode", "-input=false")

    changed = workspace.run("apply", "-auto-approve", "-input=false", round=2)
    assert re.search(r"Apply complete! Resources: 0 added, \d\d changed, 0 destroyed", changed)
    assert workspace.iam.get_user(UserName="robert")["User"]["Path"] == "/guests/"
    assert workspace.iam.get_role(RoleName="host")["Role"]["MaxSessionDuration"] == 7200
    assert workspace.outputs()["description"] == "A host, described again"
    workspace.run("plan", "-detailed-exitcode", "-input=false", round=2)

    refused = workspace.run("apply", "-auto-approve", "-input=false", fails=True, round=2, login="true")
    assert "Daypass has no passwords: people sign in" in " ".join(refused.replace("│", " ").split())

    workspace.run("destroy", "-auto-approve", "-input=false", round=2)
    assert [user["UserName"] for user in workspace.iam.list_users()["Users"]] == ["terraform"]
    assert sorted(role["RoleName"] for role in workspace.iam.list_roles()["Roles"]) == ["ci", "deploy"]
    assert workspace.iam.list_account_aliases()["AccountAliases"] == []
