"""Trust policies for issuers that many organisations share."""

from typing import Any

import pytest

from daypass.errors import MalformedPolicyDocument
from daypass.federation.oidc.trust_rules import check_shared_issuers

GITHUB = "token.actions.githubusercontent.com"


def policy(condition: dict[str, Any] | None, issuer: str = GITHUB, **changes: object) -> dict[str, Any]:
    """Return a trust policy of one statement."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    if condition is not None:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [{**statement, **changes}]}


def sub(value: object, operator: str = "StringLike", claim: str = "sub", issuer: str = GITHUB) -> dict[str, Any]:
    """Return a condition on one claim of the issuer."""
    return {operator: {f"{issuer}:{claim}": value}}


BOUND: dict[str, dict[str, Any]] = {
    "exact": policy(sub("repo:acme/site:ref:refs/heads/main", "StringEquals")),
    "exact without case": policy(sub("repo:acme/site", "StringEqualsIgnoreCase")),
    "one organisation": policy(sub("repo:acme/*")),
    "organisation with its number": policy(sub("repo:acme@123/site@456:*")),
    "several organisations by name": policy(sub(["repo:acme/*", "repo:other/site:*"])),
    "key in another case": policy({"StringLike": {f"{GITHUB.upper()}:SUB": "repo:acme/*"}}),
    "operator in another case": policy({"stringlike": {f"{GITHUB}:sub": "repo:acme/*"}}),
    "any value": policy(sub("repo:acme/*", "ForAnyValue:StringLike")),
    "workflow": policy(sub("acme/site/.github/workflows/*", claim="job_workflow_ref")),
    "terraform": policy(sub("organization:acme:*", issuer="app.terraform.io"), "app.terraform.io"),
    "gitlab": policy(sub("project_path:acme/*:ref_type:branch:ref:main", issuer="gitlab.com"), "gitlab.com"),
    "vercel": policy(sub("https://vercel.com/acme", "StringEquals", "aud", "oidc.vercel.com"), "oidc.vercel.com"),
    "private issuer": policy(None, "issuer.example"),
    "lookalike is private": policy(None, "gitlab.com.acme.example"),
    "self-managed gitlab": policy(None, "gitlab.acme.example"),
    "deny": policy(None, Effect="Deny"),
    "other action": policy(None, Action="sts:AssumeRole"),
    "no federated principal": policy(None, Principal={"AWS": "123456789012"}),
    "wildcard principal": policy(None, Principal="*"),
}

UNBOUND: dict[str, dict[str, Any]] = {
    "no condition": policy(None),
    "audience only": policy(sub("sts.amazonaws.com", "StringEquals", "aud")),
    "star": policy(sub("*")),
    "question marks": policy(sub("?????*")),
    "any organisation": policy(sub("repo:*")),
    "any organisation, named repository": policy(sub("repo:*/site:*")),
    "organisations that begin alike": policy(sub("repo:acme*")),
    "one of two is open": policy(sub(["repo:acme/*", "repo:*"])),
    "empty": policy(sub("")),
    "empty list": policy(sub([])),
    "no text": policy(sub(1)),
    "negated": policy(sub("repo:attacker/*", "StringNotLike")),
    "if exists": policy(sub("repo:acme/*", "StringLikeIfExists")),
    "for all values": policy(sub("repo:acme/*", "ForAllValues:StringLike")),
    "null test": policy(sub("false", "Null")),
    "compared with itself": policy(sub(f"${{{GITHUB}:sub}}", "StringEquals")),
    "claim of another issuer": policy({"StringLike": {"gitlab.com:sub": "repo:acme/*"}}),
    "claim without issuer": policy({"StringLike": {"sub": "repo:acme/*"}}),
    "another claim": policy(sub("acme/site", "StringEquals", "repository")),
    "any workflow": policy(sub("*/.github/workflows/deploy.yml@*", claim="job_workflow_ref")),
    "issuer with a slash": policy(None, f"{GITHUB}/"),
    "issuer in capitals": policy(None, GITHUB.upper()),
    "action with wildcard": policy(None, Action="sts:*"),
    "all actions": policy(None, Action="*"),
    "one of several actions": policy(None, Action=["sts:TagSession", "STS:AssumeRoleWith???Identity"]),
    "not action": policy(None, NotAction="sts:TagSession"),
    "one of several principals": policy(
        None,
        Principal={
            "Federated": [
                "arn:aws:iam::123456789012:oidc-provider/issuer.example",
                f"arn:aws:iam::123456789012:oidc-provider/{GITHUB}",
            ]
        },
    ),
    "vercel, any team": policy(sub("https://vercel.com/*", "StringLike", "aud", "oidc.vercel.com"), "oidc.vercel.com"),
    "google, unasked": policy(None, Principal={"Federated": "accounts.google.com"}),
    "cognito, unasked": policy(None, Principal={"Federated": "cognito-identity.amazonaws.com"}),
}


@pytest.mark.parametrize("name", BOUND)
def test_bound_to_an_organisation(name: str) -> None:
    """A policy that tests the customer, or does not trust a shared issuer, may be saved."""
    check_shared_issuers(BOUND[name])


@pytest.mark.parametrize("name", UNBOUND)
def test_open_to_every_organisation(name: str) -> None:
    """A policy that any customer of the issuer satisfies is refused, and the refusal names the missing condition."""
    with pytest.raises(MalformedPolicyDocument, match="shared by many organizations"):
        check_shared_issuers(UNBOUND[name])


def test_one_bound_statement_does_not_cover_another() -> None:
    """Statements are alternatives, so each must test the customer itself."""
    document = policy(sub("repo:acme/*"))
    document["Statement"] += policy(None)["Statement"]
    with pytest.raises(MalformedPolicyDocument):
        check_shared_issuers(document)


@pytest.mark.parametrize("document", [{}, {"Statement": 1}, {"Statement": [None, "x"]}, {"Statement": {}}])
def test_what_is_no_policy_is_left_to_the_parser(document: dict[str, Any]) -> None:
    """The policy parser checks whether the document is a policy; here an invalid one causes no traceback."""
    check_shared_issuers(document)
