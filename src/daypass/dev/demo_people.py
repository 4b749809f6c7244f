"""The people, groups, roles and accounts of `daypass dev`.

Owns the tables, and the document for `daypass apply` that creates their roles. Source of the attribute names: IAM User
Guide, "Configure SAML assertions for the authentication response".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PROVIDER = "demo"
PIPELINE = "Pipeline"
ISSUER_CLIENT = "daypass-dev"
_AUDIENCES = ["sts.amazonaws.com", ISSUER_CLIENT]
ACCOUNTS: Mapping[str, str] = {"111122223333": "sandbox", "444455556666": "production"}
FIRST_ACCOUNT = "111122223333"
_AWS_POLICY = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True, slots=True)
class DemoRole:
    """A role, the groups that may assume it, and the accounts that have it."""

    name: str
    description: str
    policy: str
    groups: frozenset[str]
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person who can sign in, without a password."""

    name: str
    email: str
    groups: tuple[str, ...]


ROLES = (
    DemoRole(
        "Administrator",
        "Full access, also to users, roles and policies",
        "AdministratorAccess",
        frozenset({"administrators"}),
        tuple(ACCOUNTS),
    ),
    DemoRole(
        "Developer",
        "Full access except to users, roles and policies",
        "PowerUserAccess",
        frozenset({"administrators", "developers"}),
        (FIRST_ACCOUNT,),
    ),
    DemoRole(
        "Auditor",
        "Read access to everything",
        "ReadOnlyAccess",
        frozenset({"administrators", "developers", "auditors"}),
        tuple(ACCOUNTS),
    ),
)
PEOPLE = (
    DemoPerson("Ada Admin", "ada@example.com", ("administrators",)),
    DemoPerson("Dev Developer", "dev@example.com", ("developers",)),
    DemoPerson("Aki Auditor", "aki@example.com", ("auditors",)),
    DemoPerson("Nora Newcomer", "nora@example.com", ()),
)


def role_values(person: DemoPerson) -> Iterator[str]:
    """Yield the values of a person's Role attribute: role and provider."""
    for role in ROLES:
        if role.groups.isdisjoint(person.groups):
            continue
        for account in role.accounts:
            yield f"arn:aws:iam::{account}:role/{role.name},{provider_arn(account)}"


def provider_arn(account: str) -> str:
    """Return the ARN of the identity provider in an account."""
    return f"arn:aws:iam::{account}:saml-provider/{PROVIDER}"


def apply_document(metadata: str, consumer: str, issuer: str = "") -> dict[str, Any]:
    """Return the accounts as a document for `daypass apply`.

    `consumer` is the address to which browsers send the assertions. With an `issuer`, the first account has an OpenID
    Connect provider, and a role for its tokens.
    """
    accounts = {account: _account(account, name, metadata, consumer) for account, name in ACCOUNTS.items()}
    if issuer:
        _add_issuer(accounts[FIRST_ACCOUNT], issuer.removeprefix("https://"))
    return {"version": 1, "accounts": accounts}


def pipeline_role() -> str:
    """Return the ARN of the role for tokens of the OpenID Connect issuer."""
    return f"arn:aws:iam::{FIRST_ACCOUNT}:role/{PIPELINE}"


def _add_issuer(account: dict[str, Any], name: str) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{FIRST_ACCOUNT}:oidc-provider/{name}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{name}:aud": _AUDIENCES}, "StringLike": {f"{name}:sub": "demo*"}},
        },
    }
    account["oidcProviders"] = {name: {"clientIds": _AUDIENCES}}
    account["roles"][PIPELINE] = {
        "description": "For tokens of the OpenID Connect issuer",
        "trust": trust,
        "policies": [_AWS_POLICY + "ReadOnlyAccess"],
    }


def _account(account: str, name: str, metadata: str, consumer: str) -> dict[str, Any]:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": provider_arn(account)},
                "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
                "Condition": {"StringEquals": {"SAML:aud": consumer}},
            }
        ],
    }
    return {
        "name": name,
        "alias": f"demo-{name}",
        "samlProviders": {PROVIDER: {"metadata": metadata}},
        "roles": {
            role.name: {
                "description": role.description,
                "trust": trust,
                "maxSessionDuration": 43_200,
                "policies": [_AWS_POLICY + role.policy],
            }
            for role in ROLES
            if account in role.accounts
        },
    }
