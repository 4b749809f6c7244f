"""Outbound tokens come back in: one account's GetWebIdentityToken opens another account's role, by this very server."""

import json
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from tests.web_identity.conftest import refused, take

from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.testing.certificates import Authority
from daypass.testing.server import RunningServer, running_server

AUDIENCE = "https://partner.example"


class Clients:
    """Makes clients that trust the server's certificate."""

    def __init__(self, server: RunningServer, bundle: Path) -> None:
        self.server, self.bundle = server, bundle

    def __call__(self, service: str, key: RootKey | dict[str, str] | None) -> Any:
        """Return a client that signs with a key, or one that does not sign."""
        given: dict[str, Any] = {"config": BotoConfig(signature_version=UNSIGNED, retries={"total_max_attempts": 1})}
        if isinstance(key, RootKey):
            given = {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret_access_key}
        elif key is not None:
            given = {
                "aws_access_key_id": key["AccessKeyId"],
                "aws_secret_access_key": key["SecretAccessKey"],
                "aws_session_token": key.get("SessionToken"),
            }
        return boto3.client(
            service, endpoint_url=self.server.url, verify=str(self.bundle), region_name="us-east-1", **given
        )


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Run a server over TLS that may ask itself for keys."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.create()
    bundle = folder / "ca.pem"
    bundle.write_bytes(authority.pem)
    identity = str(authority.write_server_identity(folder / "server.pem", ["localhost", "127.0.0.1"]))
    config = Config(
        tls_cert=identity,
        tls_key=identity,
        oidc_ca_bundle=str(bundle),
        oidc_allowed_networks=(ip_network("127.0.0.0/8"),),
    )
    with running_server(config=config) as server:
        yield Clients(server, bundle)


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_an_outbound_token_opens_another_account_s_role(clients: Clients, algorithm: str) -> None:
    """The issuer is the first account's own, so that its tokens prove nothing of any other account."""
    giver, taker = clients.server.new_account(), clients.server.new_account()
    iam = clients("iam", giver)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert issuer.startswith(clients.server.url + "/issuer/")
    iam.create_user(UserName="robot")
    may = {"Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": may})
    iam.put_user_policy(UserName="robot", PolicyName="p", PolicyDocument=policy)
    robot = clients("sts", iam.create_access_key(UserName="robot")["AccessKey"])

    name = issuer.removeprefix("https://")
    theirs = clients("iam", taker)
    provider = theirs.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])["OpenIDConnectProviderArn"]
    condition = {
        "StringEquals": {
            f"{name}:aud": AUDIENCE,
            f"{name}:sub": f"arn:aws:iam::{giver.account}:user/robot",
        }
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = theirs.create_role(RoleName="partner", AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def token(**changes: Any) -> str:
        asked = {"Audience": [AUDIENCE], "SigningAlgorithm": algorithm, **changes}
        return str(robot.get_web_identity_token(**asked)["WebIdentityToken"])

    unsigned = clients("sts", None)
    answer = take(unsigned, role, token())
    assert answer["SubjectFromWebIdentityToken"] == f"arn:aws:iam::{giver.account}:user/robot"
    who = clients("sts", answer["Credentials"]).get_caller_identity()
    assert who["Account"] == taker.account
    assert refused(unsigned, role, token(Audience=["https://elsewhere.example"]))[0] == "InvalidIdentityToken"


def test_another_account_s_tokens_open_nothing(clients: Clients) -> None:
    """A token of an account that is not trusted has an issuer that is not known, though the server is the same."""
    giver, taker = clients.server.new_account(), clients.server.new_account()
    issuers = [
        clients("iam", one).enable_outbound_web_identity_federation()["IssuerIdentifier"] for one in (giver, taker)
    ]
    assert issuers[0] != issuers[1]
    provider = clients("iam", taker).create_open_id_connect_provider(Url=issuers[0], ClientIDList=[AUDIENCE])
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider["OpenIDConnectProviderArn"]},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = clients("iam", taker).create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    token = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384"}
    own = clients("sts", taker).get_web_identity_token(**token)["WebIdentityToken"]
    unsigned = clients("sts", None)
    assert refused(unsigned, role, own)[2] == f"No OpenIDConnect provider found in your account for {issuers[1]}"
    right = clients("sts", giver).get_web_identity_token(**token)["WebIdentityToken"]
    assert take(unsigned, role, right)
