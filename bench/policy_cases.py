"""Policy decisions a second: three questions, asked of Daypass and, translated by hand, of Cedar.

Owns the cases. T1 is a trust policy of one statement with an external id, T2 a trust policy of three statements for an
OpenID Connect provider, R a role with ten managed policies of twenty statements of which the very last matches.
Policies are compiled beforehand on both sides, as a server would; every round asks one question and reads the answer.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cedarpy

from daypass.policy.authorization_request import AuthorizationRequest, Principal, PrincipalKind
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document import DocumentKind, parse_document

ACCOUNT = "111122223333"
VENDOR = "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
ISSUER = "token.actions.githubusercontent.com"
ROUND = 200
Case = tuple[AuthorizationRequest, Policies]


@dataclass(frozen=True)
class CedarCase:
    """The same question in Cedar's terms."""

    request: dict[str, Any]
    policies: str
    entities: list[dict[str, Any]]


def policy_set(kind: DocumentKind, policy_type: PolicyType, *documents: dict[str, Any]) -> PolicySet:
    """Parse and compile documents as one set."""
    return compile_set(
        compile_document(parse_document(json.dumps(document), kind), PolicySource(policy_type, f"policy-{number}"))
        for number, document in enumerate(documents)
    )


def t1() -> Case:
    """Return a vendor's role session that assumes our role with the agreed external id."""
    vendor_role = f"arn:aws:iam::{VENDOR}:role/monitor"
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": vendor_role},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "a-secret-between-us"}},
        },
    }
    grant = {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/deploy"},
    }
    caller = Principal(
        kind=PrincipalKind.ROLE_SESSION,
        account=VENDOR,
        arn=f"arn:aws:sts::{VENDOR}:assumed-role/monitor/nightly",
        issuer_arn=vendor_role,
        unique_id="AROAVENDORVENDORVENDOR",
        session_id="AROAVENDORVENDORVENDOR:nightly",
    )
    context = {
        "sts:externalid": "a-secret-between-us",
        "aws:principalarn": vendor_role,
        "aws:principalaccount": VENDOR,
        "aws:sourceip": "198.51.100.7",
        "aws:securetransport": "true",
    }
    policies = Policies(
        identity=policy_set(DocumentKind.IDENTITY, PolicyType.IDENTITY, grant),
        resource=policy_set(DocumentKind.TRUST, PolicyType.RESOURCE, trust),
        trust=True,
    )
    return AuthorizationRequest("sts:AssumeRole", ROLE, ACCOUNT, caller, context), policies


def t2() -> Case:
    """Return a web identity that fits the last of three statements."""
    action = "sts:AssumeRoleWithWebIdentity"
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": action,
            "Condition": {
                "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com"},
                "StringLike": {f"{ISSUER}:sub": subject},
            },
        }
        for subject in (
            "repo:example/website:ref:refs/heads/main",
            "repo:example/*:environment:production",
            "repo:example/service-*:ref:refs/tags/v*",
        )
    ]
    caller = Principal(PrincipalKind.WEB_IDENTITY, "", "", federated=PROVIDER)
    context = {
        f"{ISSUER}:aud": "sts.amazonaws.com",
        f"{ISSUER}:sub": "repo:example/service-mail:ref:refs/tags/v1.2.3",
        "aws:sourceip": "198.51.100.7",
    }
    trust = {"Version": "2012-10-17", "Statement": statements}
    policies = Policies(
        identity=compile_set(()),
        resource=policy_set(DocumentKind.TRUST, PolicyType.RESOURCE, trust),
        trust=True,
    )
    return AuthorizationRequest(action, ROLE, ACCOUNT, caller, context), policies


def r() -> Case:
    """Return a role session under 200 statements, all of which speak of s3, and half of the very action."""
    documents = [
        {
            "Version": "2012-10-17",
            "Statement": [_r_statement(policy * 20 + statement) for statement in range(20)],
        }
        for policy in range(10)
    ]
    caller = Principal(
        kind=PrincipalKind.ROLE_SESSION,
        account=ACCOUNT,
        arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ci",
        issuer_arn=ROLE,
        unique_id="AROADEPLOYDEPLOYDEPLO",
        session_id="AROADEPLOYDEPLOYDEPLO:ci",
    )
    context = {"aws:principaltag/team": "mail", "aws:sourceip": "198.51.100.7", "aws:securetransport": "true"}
    policies = Policies(identity=policy_set(DocumentKind.IDENTITY, PolicyType.IDENTITY, *documents))
    return AuthorizationRequest(
        "s3:GetObject", "arn:aws:s3:::bucket-199/reports/2026.csv", ACCOUNT, caller, context
    ), policies


def _r_statement(number: int) -> dict[str, Any]:
    """Return the statement of that number: odd ones speak of reading, even ones of writing."""
    actions = ["s3:GetObject", "s3:List*"] if number % 2 else ["s3:PutObject", "s3:DeleteObject"]
    return {
        "Sid": f"Statement{number}",
        "Effect": "Allow",
        "Action": actions,
        "Resource": f"arn:aws:s3:::bucket-{number}/*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "mail"}},
    }


# The same in Cedar ------------------------------------------------------------------------------------------


def cedar_t1() -> CedarCase:
    """Translate T1: both sides' policies in one, since Cedar has no accounts."""
    return CedarCase(
        request={
            "principal": f'Role::"{VENDOR}/monitor"',
            "action": 'Action::"sts:AssumeRole"',
            "resource": f'Role::"{ROLE}"',
            "context": {"externalId": "a-secret-between-us", "sourceIp": "198.51.100.7", "secure": True},
        },
        policies=f"""permit(principal == Role::"{VENDOR}/monitor", action == Action::"sts:AssumeRole",
            resource == Role::"{ROLE}") when {{ context.externalId == "a-secret-between-us" }};""",
        entities=[],
    )


def cedar_t2() -> CedarCase:
    """Translate T2, subject patterns and all."""
    subjects = (
        "repo:example/website:ref:refs/heads/main",
        "repo:example/*:environment:production",
        "repo:example/service-*:ref:refs/tags/v*",
    )
    return CedarCase(
        request={
            "principal": f'Provider::"{PROVIDER}"',
            "action": 'Action::"sts:AssumeRoleWithWebIdentity"',
            "resource": f'Role::"{ROLE}"',
            "context": {"aud": "sts.amazonaws.com", "sub": "repo:example/service-mail:ref:refs/tags/v1.2.3"},
        },
        policies="\n".join(
            f"""permit(principal == Provider::"{PROVIDER}", action == Action::"sts:AssumeRoleWithWebIdentity",
            resource == Role::"{ROLE}")
            when {{ context.aud == "sts.amazonaws.com" && context.sub like "{subject}" }};"""
            for subject in subjects
        ),
        entities=[],
    )


def cedar_r() -> CedarCase:
    """Translate R: buckets are parents of their objects, which spares Cedar the patterns."""
    policies = []
    for number in range(200):
        actions = ("s3:GetObject", "s3:ListBucket") if number % 2 else ("s3:PutObject", "s3:DeleteObject")
        listed = ", ".join(f'Action::"{action}"' for action in actions)
        policies.append(
            f"""permit(principal == Role::"deploy", action in [{listed}], resource in Bucket::"bucket-{number}")
            when {{ context.team == "mail" }};"""
        )
    bucket = {"type": "Bucket", "id": "bucket-199"}
    return CedarCase(
        request={
            "principal": 'Role::"deploy"',
            "action": 'Action::"s3:GetObject"',
            "resource": 'Object::"bucket-199/reports/2026.csv"',
            "context": {"team": "mail", "sourceIp": "198.51.100.7", "secure": True},
        },
        policies="\n".join(policies),
        entities=[
            {"uid": {"type": "Object", "id": "bucket-199/reports/2026.csv"}, "attrs": {}, "parents": [bucket]},
            {"uid": bucket, "attrs": {}, "parents": []},
        ],
    )


# Measuring --------------------------------------------------------------------------------------------------


def run(seconds: float) -> dict[str, float]:
    """Return decisions per CPU second by name, `seconds` for each of the six."""
    figures = {}
    for name, ask in _subjects().items():
        if not ask():
            raise RuntimeError(f"{name} must be allowed, or the figure means nothing")
        figures[name] = _rate(ask, seconds)
    return figures


def _subjects() -> dict[str, Callable[[], bool]]:
    ours = {"policy_t1": t1(), "policy_t2": t2(), "policy_r": r()}
    cedars = {"cedarpy_t1": cedar_t1(), "cedarpy_t2": cedar_t2(), "cedarpy_r": cedar_r()}
    return {name: _ours(case) for name, case in ours.items()} | {name: _cedar(case) for name, case in cedars.items()}


def _ours(case: Case) -> Callable[[], bool]:
    question, policies = case
    return lambda: isinstance(decide(question, policies), Allowed)


def _cedar(case: CedarCase) -> Callable[[], bool]:
    policies = cedarpy.PolicySet.from_str(case.policies)
    entities = cedarpy.Entities.from_json_str(json.dumps(case.entities))

    def ask() -> bool:
        answer = cedarpy.is_authorized(case.request, policies, entities)
        return bool(answer.decision == cedarpy.Decision.Allow)

    return ask


def _rate(ask: Callable[[], bool], seconds: float) -> float:
    """Return the best of a few rates: what disturbs a measurement only ever slows it."""
    best = 0.0
    end = time.process_time() + seconds
    while time.process_time() < end:
        begun = time.process_time()
        for _ in range(ROUND):
            ask()
        best = max(best, ROUND / (time.process_time() - begun))
    return best


if __name__ == "__main__":
    for name, figure in run(1.0).items():
        print(f"{name:12} {figure:12,.0f} decisions/s")
