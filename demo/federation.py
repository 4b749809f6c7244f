"""The part of the demonstration that trades other people's proofs: a SAML assertion, an OpenID Connect token.

Owns both scenes. The identity providers are Daypass's own simulators; what they sign is real, and so is every check.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo.stage import Stage, say

from daypass.testing.oidc import OidcIssuer
from daypass.testing.saml import Assertion, SamlIdentityProvider


def trust_federated(provider: str, action: str, **conditions: Any) -> str:
    """Return a trust policy for an identity provider."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": action,
        "Condition": {"StringEquals": conditions},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_saml_assertion(stage: Stage, account: str) -> None:
    """Play single sign-on: an assertion from an identity provider's POST becomes credentials."""
    stage.become(stage.root)
    say("Single sign-on with SAML: the identity provider is registered with its metadata, and a role trusts it.")
    corporate = SamlIdentityProvider("https://idp.example.com")
    metadata = stage.folder / "metadata.xml"
    metadata.write_text(corporate.metadata_xml())
    provider = f"arn:aws:iam::{account}:saml-provider/Corporate"
    stage.aws(
        "iam", "create-saml-provider", "--name", "Corporate", "--saml-metadata-document", f"file://{metadata}"
    )  # fmt: skip
    trust = trust_federated(
        provider, "sts:AssumeRoleWithSAML", **{"SAML:aud": "https://signin.aws.amazon.com/saml"}
    )  # fmt: skip
    stage.aws("iam", "create-role", "--role-name", "sso", "--assume-role-policy-document", trust, quiet=True)
    say("The assertion from the browser's POST is exchanged for credentials. The call needs no signature.")
    role = f"arn:aws:iam::{account}:role/sso"
    assertion = Assertion(roles=[f"{role},{provider}"], session_name="carol@example.com")
    file = stage.folder / "saml-assertion.txt"
    file.write_text(corporate.response(assertion, now=datetime.now(UTC)))
    stage.become_nobody()
    ask = ("sts", "assume-role-with-saml", "--role-arn", role, "--principal-arn", provider)
    session = stage.aws(*ask, "--saml-assertion", f"file://{file}", quiet=True)
    say("An altered assertion is refused.")
    forged = SamlIdentityProvider("https://idp.example.com")
    file.write_text(forged.response(assertion, now=datetime.now(UTC)))
    stage.aws(*ask, "--saml-assertion", f"file://{file}", fails="InvalidIdentityToken")
    stage.become(session["Credentials"])
    stage.aws("sts", "get-caller-identity", shows="assumed-role/sso/carol@example.com")


def a_web_identity_token(stage: Stage, account: str, issuer: OidcIssuer) -> None:
    """Play a workload: the token of an OpenID Connect issuer becomes credentials, in plain SDKs by two settings."""
    stage.become(stage.root)
    say("A workload with an OpenID Connect token: the issuer is registered, and a role trusts one of its subjects.")
    host = issuer.url.removeprefix("https://")
    provider = f"arn:aws:iam::{account}:oidc-provider/{host}"
    stage.aws(
        "iam", "create-open-id-connect-provider", "--url", issuer.url, "--client-id-list", "sts.amazonaws.com"
    )  # fmt: skip
    claims = issuer.claims(aud="sts.amazonaws.com", sub="system:serviceaccount:shop:cart")
    trust = trust_federated(
        provider, "sts:AssumeRoleWithWebIdentity", **{f"{host}:sub": claims["sub"], f"{host}:aud": claims["aud"]}
    )  # fmt: skip
    stage.aws("iam", "create-role", "--role-name", "cart", "--assume-role-policy-document", trust, quiet=True)
    token = stage.folder / "token"
    token.write_text(issuer.token(claims, alg="ES256"))
    role = f"arn:aws:iam::{account}:role/cart"
    stage.become_nobody()
    session = stage.aws(
        "sts", "assume-role-with-web-identity", "--role-arn", role, "--role-session-name", "cart-1",
        "--web-identity-token", f"file://{token}", quiet=True,
    )  # fmt: skip
    stage.become(session["Credentials"])
    stage.aws("sts", "get-caller-identity", shows="assumed-role/cart/cart-1")
    say("Any SDK does the same with two settings.")
    stage.become_workload(role, token)
    stage.aws("sts", "get-caller-identity", "--query", "Arn", shows="assumed-role/cart/")


def an_outbound_token(stage: Stage) -> None:
    """Play the other direction: an account vouches for its callers to somebody else."""
    stage.become(stage.root)
    say("The other direction: the account signs a token, and a relying party verifies it with the published keys.")
    stage.aws("iam", "enable-outbound-web-identity-federation", quiet=True)
    stage.aws(
        "sts", "get-web-identity-token", "--audience", "partner.example.com",
        "--signing-algorithm", "ES384", "--duration-seconds", "300", "--query", "Expiration", "--output", "text",
    )  # fmt: skip


def a_root_session(stage: Stage, store: Path) -> None:
    """Play the organization: its management account takes a member's root user, for one task and fifteen minutes."""
    say("An organization: its management account assumes a member's root user for one task, for at most 900 seconds.")
    manager = stage.daypass("account", "create", "--management", "--name", "head-office", store=store)
    member = stage.daypass("account", "create", "--name", "branch", store=store)
    stage.become(manager["RootAccessKey"])
    stage.aws("iam", "enable-organizations-root-sessions", quiet=True)
    stage.aws("iam", "enable-organizations-root-credentials-management", quiet=True)
    task = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
    admin = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": "*"}]}
    )
    stage.aws("iam", "create-user", "--user-name", "central", quiet=True)
    stage.aws(
        "iam", "put-user-policy", "--user-name", "central", "--policy-name", "root-tasks", "--policy-document", admin
    )  # fmt: skip
    key = stage.aws("iam", "create-access-key", "--user-name", "central", quiet=True)["AccessKey"]
    stage.become(key)
    ask = ("sts", "assume-root", "--target-principal", member["AccountId"], "--task-policy-arn", f"arn={task}")
    session = stage.aws(*ask, quiet=True)
    stage.become(session["Credentials"])
    stage.aws("sts", "get-caller-identity", shows=f"arn:aws:iam::{member['AccountId']}:root")
    stage.aws("iam", "create-user", "--user-name", "mallory", fails="AccessDenied")
