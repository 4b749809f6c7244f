"""Trust policies for issuers that many organisations share."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.errors import MalformedPolicyDocument
from daypass.federation.oidc.trust_rules import SHARED, check_shared_issuers
from daypass.policy.wildcard import compile_wildcard, tokens_of

GITHUB = "token.actions.githubusercontent.com"
AUDIT_LOG = "oidc-configuration.audit-log.githubusercontent.com"


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
    "immutable subject, open ids": policy(sub("repo:acme@*/site@*:ref:refs/heads/main")),
    "immutable subject, old and new": policy(sub(["repo:acme/site:*", "repo:acme@*/site@*:*"])),
    "immutable subject, whole ids": policy(sub("repo:acme@1/*")),
    "immutable subject, the rest open": policy(sub("repo:acme@*")),
    "immutable subject, one character open": policy(sub("repo:acme@?/site@?:*")),
    "immutable workflow": policy(sub("acme@*/site@*/.github/workflows/*", claim="job_workflow_ref")),
    "owner by name": policy(sub("repository_owner:acme:*")),
    "owner by id": policy(sub("repository_owner_id:65:*")),
    "workflow in the subject": policy(sub("job_workflow_ref:acme/site/.github/workflows/*")),
    "several organisations by name": policy(sub(["repo:acme/*", "repo:other/site:*"])),
    "key in another case": policy({"StringLike": {f"{GITHUB.upper()}:SUB": "repo:acme/*"}}),
    "operator in another case": policy({"stringlike": {f"{GITHUB}:sub": "repo:acme/*"}}),
    "any value": policy(sub("repo:acme/*", "ForAnyValue:StringLike")),
    "workflow": policy(sub("acme/site/.github/workflows/*", claim="job_workflow_ref")),
    "terraform": policy(sub("organization:acme:*", issuer="app.terraform.io"), "app.terraform.io"),
    "gitlab": policy(sub("project_path:acme/*:ref_type:branch:ref:main", issuer="gitlab.com"), "gitlab.com"),
    "audit log": policy(sub("https://github.com/acme/*", issuer=AUDIT_LOG), AUDIT_LOG),
    "gitlab by id": policy(sub("project_id:7:*", issuer="gitlab.com"), "gitlab.com"),
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
    "ids that begin alike": policy(sub("repo:acme@1*")),
    "ids that begin alike, further on": policy(sub("repo:acme@1*/site@2:*")),
    "ids of one length": policy(sub("repo:acme@1?/site@2:*")),
    "owners that begin alike": policy(sub("repository_owner_id:65*")),
    "any name with an id": policy(sub("repo:*@1/site@2:*")),
    "workflows of owners that begin alike": policy(sub("acme@1*/site/*", claim="job_workflow_ref")),
    "an environment of any organisation": policy(sub("environment:production:*")),
    "a branch of any organisation": policy(sub("ref:refs/heads/main:repo:acme/site:*")),
    "a person of any organisation": policy(sub("actor:octocat:*")),
    "gitlab has no ids in names": policy(sub("project_path:acme@*", issuer="gitlab.com"), "gitlab.com"),
    "key of another provider": policy(sub("repo:acme/*", issuer="gitlab.com"), "gitlab.com"),
    "audit log of any enterprise": policy(sub("https://github.com/acme*", issuer=AUDIT_LOG), AUDIT_LOG),
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


# Subjects of shared issuers, as a function of the organisation.
SUBJECTS: dict[str, tuple[str, ...]] = {
    GITHUB: (
        "repo:{}/site:ref:refs/heads/main",
        "repo:{}@1/site@2:environment:production",
        "repo:{}@12/site@2:pull_request",
        "repository_owner:{}:repository_visibility:private",
        "job_workflow_ref:{}/site/.github/workflows/deploy.yml@refs/heads/main:ref:refs/heads/main",
        "environment:production:repository_owner:{}",
        "actor:octocat:repo:{}/site",
    ),
    AUDIT_LOG: ("https://github.com/{}",),
    "vstoken.actions.githubusercontent.com": ("repo:{}/site:ref:refs/heads/main",),
    "gitlab.com": ("project_path:{}/site:ref_type:branch:ref:main", "project_path:{}/sub/site:ref_type:tag:ref:v1"),
    "agent.buildkite.com": ("organization:{}:pipeline:site:ref:refs/heads/main:commit:1:step:deploy",),
    "app.terraform.io": ("organization:{}:project:site:workspace:main:run_phase:apply",),
    "scalr.io": ("account:{}:environment:main:workspace:site",),
    "oidc.codefresh.io": ("account:{}:pipeline:site:initiator:me",),
    "studio.datachain.ai/api": ("credentials:{}/site",),
    "tokens.cloud.shisho.dev": ("job:{}:site",),
    "proidc.upbound.io": ("mcp:{}/site:provider:provider-aws",),
}
_NAMES = ("acme", "acme2", "acme-2", "acm", "xacme", "ACME", "acme1", "a")


def _saved(issuer: str, pattern: str) -> bool:
    try:
        check_shared_issuers(policy(sub(pattern, issuer=issuer), issuer))
    except MalformedPolicyDocument:
        return False
    return True


def _is_matched(pattern: str, subject: str) -> bool:
    return bool(compile_wildcard(tokens_of(pattern))(subject))


def test_every_issuer_with_a_subject_is_in_the_property() -> None:
    """A new row of the table needs its subjects here. Issuers of one cluster have one organisation."""
    named = {issuer for issuer in SUBJECTS if any(control.issuer.fullmatch(issuer) for control in SHARED)}
    assert named == set(SUBJECTS)
    rows = [control for control in SHARED if "sub" in control.bound and "[0-9a-z]{32}" not in control.issuer.pattern]
    assert len(rows) == len(SUBJECTS)


@pytest.mark.parametrize("issuer", SUBJECTS)
def test_a_wildcard_after_the_whole_organisation_is_saved(issuer: str) -> None:
    """The rest of a subject may be open, and such a pattern matches the subjects of its organisation."""
    subject = SUBJECTS[issuer][0].format("acme")
    pattern = subject[: subject.index("acme") + len("acme") + 1] + "*"
    if issuer == AUDIT_LOG:
        pattern, subject = "https://github.com/acme/*", "https://github.com/acme/"
    assert _saved(issuer, pattern)
    assert _is_matched(pattern, subject)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_saved_pattern_matches_two_organisations(data: st.DataObject) -> None:
    """Open any parts of a subject: the pattern is refused, or matches subjects of one organisation only."""
    issuer = data.draw(st.sampled_from(sorted(SUBJECTS)))
    subject = data.draw(st.sampled_from(SUBJECTS[issuer])).format("acme")
    pattern = subject
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(pattern)))
        end = data.draw(st.integers(start, len(pattern)))
        pattern = pattern[:start] + data.draw(st.sampled_from(["*", "?", "@*", "1*", "/*", ":*", ""])) + pattern[end:]
    if not re.search(r"[*?]", pattern) or not _saved(issuer, pattern):
        return
    matched = {name for name in _NAMES for shape in SUBJECTS[issuer] if _is_matched(pattern, shape.format(name))}
    assert len(matched) <= 1, pattern


@pytest.mark.parametrize("issuer", SUBJECTS)
def test_every_single_opening_of_a_subject(issuer: str) -> None:
    """The same for each pair of places, without chance: a wildcard replaces the characters between them."""
    for shape in SUBJECTS[issuer]:
        subject = shape.format("acme")
        others = [form.format(name) for form in SUBJECTS[issuer] for name in _NAMES if name != "acme"]
        for start in range(len(subject)):
            for end in sorted({start, start + 1, len(subject)}):
                pattern = subject[:start] + "*" + subject[end:]
                if _saved(issuer, pattern):
                    assert not [other for other in others if _is_matched(pattern, other)], pattern
