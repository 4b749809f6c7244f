"""Outbound tokens are accepted by the server that issued them, for another account's role."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError
from tests.documents import allow, document, trusting
from tests.web_identity.conftest import not_taken, take

from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.directory.revocations import revoke_key
from daypass.testing.certificates import Authority
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.server import RunningServer, running_server

AUDIENCE = "https://partner.example"


class Clients:
    """Creates clients that trust the server's certificate."""

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
    """Run a server over TLS that may fetch its own keys."""
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
    """The issuer is the first account's own, so that its tokens prove no identity of any other account."""
    giver, taker = clients.server.new_account(), clients.server.new_account()
    iam = clients("iam", giver)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert issuer.startswith(clients.server.url + "/issuer/")
    iam.create_user(UserName="robot")
    policy = document(allow("sts:GetWebIdentityToken"))
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
    trust = document(trusting({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", Condition=condition))
    role = theirs.create_role(RoleName="partner", AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    def token(**changes: Any) -> str:
        asked = {"Audience": [AUDIENCE], "SigningAlgorithm": algorithm, **changes}
        return str(robot.get_web_identity_token(**asked)["WebIdentityToken"])

    unsigned = clients("sts", None)
    answer = take(unsigned, role, token())
    assert answer["SubjectFromWebIdentityToken"] == f"arn:aws:iam::{giver.account}:user/robot"
    who = clients("sts", answer["Credentials"]).get_caller_identity()
    assert who["Account"] == taker.account
    assert not_taken(unsigned, role, token(Audience=["https://elsewhere.example"]))[0] == "InvalidIdentityToken"


def test_another_account_s_tokens_open_nothing(clients: Clients) -> None:
    """The issuer of an untrusted account's token is unknown, although the server is the same."""
    giver, taker = clients.server.new_account(), clients.server.new_account()
    issuers = [
        clients("iam", one).enable_outbound_web_identity_federation()["IssuerIdentifier"] for one in (giver, taker)
    ]
    assert issuers[0] != issuers[1]
    provider = clients("iam", taker).create_open_id_connect_provider(Url=issuers[0], ClientIDList=[AUDIENCE])
    trust = document(trusting({"Federated": provider["OpenIDConnectProviderArn"]}, "sts:AssumeRoleWithWebIdentity"))
    role = clients("iam", taker).create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    token = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384"}
    own = clients("sts", taker).get_web_identity_token(**token)["WebIdentityToken"]
    unsigned = clients("sts", None)
    assert not_taken(unsigned, role, own)[2] == f"No OpenIDConnect provider found in your account for {issuers[1]}"
    right = clients("sts", giver).get_web_identity_token(**token)["WebIdentityToken"]
    assert take(unsigned, role, right)


class Partner:
    """A user and a role of one account, which sign tokens, and a role of another account that trusts them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        giver, taker = clients.server.new_account(), clients.server.new_account()
        iam, theirs = clients("iam", giver), clients("iam", taker)
        issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
        policy = document(allow(["sts:GetWebIdentityToken", "sts:AssumeRole"]))
        user = iam.create_user(UserName="robot")["User"]["Arn"]
        iam.put_user_policy(UserName="robot", PolicyName="p", PolicyDocument=policy)
        self.key = iam.create_access_key(UserName="robot")["AccessKey"]
        self.signing_role = self._role(iam, "signer", "sts:AssumeRole", {"AWS": user})
        iam.put_role_policy(RoleName="signer", PolicyName="p", PolicyDocument=policy)
        provider = theirs.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])
        believed = {"Federated": provider["OpenIDConnectProviderArn"]}
        self.role = self._role(theirs, "partner", "sts:AssumeRoleWithWebIdentity", believed)

    @staticmethod
    def _role(iam: Any, name: str, action: str, principal: dict[str, str]) -> str:
        trust = document(trusting(principal, action))
        return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])

    def token(self, key: dict[str, str]) -> str:
        """Return a token that a key signed."""
        asked = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384"}
        return str(self._clients("sts", key).get_web_identity_token(**asked)["WebIdentityToken"])

    def signing_session(self) -> dict[str, str]:
        """Return a session of the role that signs."""
        sts = self._clients("sts", self.key)
        return dict(sts.assume_role(RoleArn=self.signing_role, RoleSessionName="signing")["Credentials"])

    def revoke(self, access_key_id: str) -> None:
        """Revoke a key for all sessions and tokens that it has issued."""
        server = self._clients.server
        now = int(server.clock.now().timestamp())
        with server.there.store.write() as writer:
            revoke_key(writer, access_key_id, before=now + 1, now=now)


@pytest.mark.parametrize("revoked", ["the long-term key", "the session that signed"])
def test_a_revoked_key_ends_what_began_with_its_tokens(clients: Clients, revoked: str) -> None:
    """A session that began with our token ends with each key behind the token, and the token is refused."""
    partner = Partner(clients)
    session, unsigned = partner.signing_session(), clients("sts", None)
    token = partner.token(session)
    grown = take(unsigned, partner.role, token)["Credentials"]
    assert clients("sts", grown).get_caller_identity()["Arn"].startswith("arn:aws:sts:")
    partner.revoke(partner.key["AccessKeyId"] if revoked == "the long-term key" else session["AccessKeyId"])
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        clients("sts", grown).get_caller_identity()
    assert not_taken(unsigned, partner.role, token)[0] == "InvalidIdentityToken"


def test_a_revoked_key_ends_nothing_that_began_with_others(clients: Clients) -> None:
    """Another key of the same user still works, and sessions that began with its tokens stay valid."""
    partner = Partner(clients)
    session, unsigned = partner.signing_session(), clients("sts", None)
    token = partner.token(partner.key)
    grown = take(unsigned, partner.role, token)["Credentials"]
    partner.revoke(session["AccessKeyId"])
    assert clients("sts", grown).get_caller_identity()
    assert take(unsigned, partner.role, token)["Credentials"]


class Propagating:
    """A role whose sessions carry the NameID of an assertion, and a role of another account that trusts its tokens."""

    def __init__(self, clients: Clients, name_id: str) -> None:
        self._clients = clients
        giver, taker = clients.server.new_account(), clients.server.new_account()
        iam, self.theirs, self.unsigned = clients("iam", giver), clients("iam", taker), clients("sts", None)
        idp, context = SamlIdentityProvider(), {"SubjectSourceKey": "Subject/NameID"}
        made = iam.create_saml_provider(Name="idp", SAMLMetadataDocument=idp.metadata_xml(), ContextProvider=context)
        self.provider = made["SAMLProviderArn"]
        trust = document(trusting({"Federated": self.provider}, "sts:AssumeRoleWithSAML"))
        first = iam.create_role(RoleName="first", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        own = document(allow("sts:GetWebIdentityToken"))
        iam.put_role_policy(RoleName="first", PolicyName="p", PolicyDocument=own)
        self.issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
        registered = self.theirs.create_open_id_connect_provider(Url=self.issuer, ClientIDList=[AUDIENCE])
        self.registered = registered["OpenIDConnectProviderArn"]
        assertion = Assertion(roles=(f"{first},{self.provider}",), name_id=name_id)
        session = self.unsigned.assume_role_with_saml(
            RoleArn=first,
            PrincipalArn=self.provider,
            SAMLAssertion=idp.response(assertion, now=clients.server.clock.now()),
        )
        self.sts = clients("sts", session["Credentials"])

    def token(self, **more: Any) -> str:
        """Return a token for the other account."""
        asked = {"Audience": [AUDIENCE], "SigningAlgorithm": "ES384", **more}
        return str(self.sts.get_web_identity_token(**asked)["WebIdentityToken"])

    def role(self, name: str, condition: dict[str, Any]) -> str:
        """Create a role that trusts the tokens, and return its ARN."""
        trusted = trusting({"Federated": self.registered}, "sts:AssumeRoleWithWebIdentity", Condition=condition)
        return str(self.theirs.create_role(RoleName=name, AssumeRolePolicyDocument=document(trusted))["Role"]["Arn"])


def test_a_token_with_another_provider_s_subject_opens_nothing_here(clients: Clients) -> None:
    """The provider of the giver chooses the subject, which could fit a trust policy about the giver's callers."""
    scene = Propagating(clients, "x:role/admin")
    name = scene.issuer.removeprefix("https://")
    role = scene.role("wide", {"StringLike": {f"{name}:sub": "*:role/*"}})
    refusal = not_taken(scene.unsigned, role, scene.token(SubjectMode="OriginIdentity"))
    assert refusal[:2] == ("InvalidIdentityToken", 400)
    assert "OriginIdentity" in refusal[2]
    assert take(scene.unsigned, role, scene.token())


@pytest.mark.parametrize("other_source", ["", "jti"])
def test_a_token_carries_the_identity_behind_it(clients: Clients, other_source: str) -> None:
    """Neither a token nor the account that trusts it drops or changes a key that a Deny may test."""
    scene = Propagating(clients, "alice")
    if other_source:
        scene.theirs.update_open_id_connect_provider(
            OpenIDConnectProviderArn=scene.registered, ContextProvider={"SubjectSourceKey": other_source}
        )
    expected = {"aws:OriginIdentity/Subject": "alice", "aws:OriginIdentity/FederatedProviderArn": scene.provider}
    role, token = scene.role("probe", {"StringEquals": expected}), scene.token()
    assert "alice" not in str(jwt.decode(token, options={"verify_signature": False}))
    answer = take(scene.unsigned, role, token)
    assert "TrustedIdentityPropagationContext" not in answer
    policy = document(allow("iam:ListAccountAliases", Condition={"StringEquals": expected}))
    scene.theirs.put_role_policy(RoleName="probe", PolicyName="p", PolicyDocument=policy)
    assert clients("iam", answer["Credentials"]).list_account_aliases()["AccountAliases"] == []
