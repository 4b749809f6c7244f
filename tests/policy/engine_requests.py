"""Helpers that send requests to the engine.

Owns the callers of this folder's tests, and the construction of policies from plain dicts.
"""

import json
from collections.abc import Mapping
from typing import Any

from daypass.policy.authorization_request import AuthorizationRequest, ContextValue, Principal, PrincipalKind
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.decision import Allowed, Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document import DocumentKind, parse_document

A, B = "111111111111", "222222222222"
ROLE_ARN = f"arn:aws:iam::{A}:role/target"
OIDC = f"arn:aws:iam::{A}:oidc-provider/issuer.example"
NEW = "2012-10-17"
OLD = "2008-10-17"
KINDS = {
    PolicyType.IDENTITY: DocumentKind.IDENTITY,
    PolicyType.BOUNDARY: DocumentKind.IDENTITY,
    PolicyType.SESSION: DocumentKind.SESSION,
    PolicyType.SERVICE_CONTROL: DocumentKind.SERVICE_CONTROL,
    PolicyType.RESOURCE_CONTROL: DocumentKind.RESOURCE_CONTROL,
    PolicyType.RESOURCE: DocumentKind.RESOURCE,
}
Statement = dict[str, Any]


def user(account: str = A, name: str = "alice", unique_id: str = "AIDAALICE") -> Principal:
    """Return a user."""
    return Principal(PrincipalKind.USER, account, f"arn:aws:iam::{account}:user/{name}", unique_id=unique_id)


def session(account: str = A, *, path: str = "/", role: str = "app", name: str = "s1") -> Principal:
    """Return a role session. Its ARN does not contain the role's path."""
    return Principal(
        PrincipalKind.ROLE_SESSION,
        account,
        f"arn:aws:sts::{account}:assumed-role/{role}/{name}",
        issuer_arn=f"arn:aws:iam::{account}:role{path}{role}",
        unique_id="AROAAPP",
        session_id=f"AROAAPP:{name}",
    )


def federated_user(account: str = A) -> Principal:
    """Return a GetFederationToken session of alice."""
    return Principal(
        PrincipalKind.FEDERATED_USER,
        account,
        f"arn:aws:sts::{account}:federated-user/guest",
        issuer_arn=f"arn:aws:iam::{account}:user/alice",
        unique_id="AIDAALICE",
    )


def root(account: str = A) -> Principal:
    """Return an account's root user."""
    return Principal(PrincipalKind.ROOT, account, f"arn:aws:iam::{account}:root")


WEB = Principal(PrincipalKind.WEB_IDENTITY, "", "", federated=OIDC)
SERVICE = Principal(PrincipalKind.SERVICE, "", "", service="ec2.amazonaws.com")
ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "", "")


def allow(action: str | list[str] = "*", resource: Any = "*", **more: Any) -> Statement:
    """Return an Allow statement."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str] = "*", resource: Any = "*", **more: Any) -> Statement:
    """Return a Deny statement."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trusting(principal: Any, action: Any = "sts:AssumeRole", **more: Any) -> Statement:
    """Return an Allow statement of a trust policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


def text_of(*statements: Statement, version: str | None = NEW) -> str:
    """Return a document as a string."""
    head = {} if version is None else {"Version": version}
    return json.dumps({**head, "Statement": list(statements)})


def policies(
    policy_type: PolicyType, *statements: Statement, version: str | None = NEW, kind: DocumentKind | None = None
) -> PolicySet:
    """Return a set of one policy."""
    document = parse_document(text_of(*statements, version=version), kind or KINDS[policy_type])
    return compile_set([compile_document(document, PolicySource(policy_type, policy_type.name.lower()))])


def identity(*statements: Statement, version: str | None = NEW) -> PolicySet:
    """Return an identity policy."""
    return policies(PolicyType.IDENTITY, *statements, version=version)


def trust(*statements: Statement) -> PolicySet:
    """Return a trust policy."""
    return policies(PolicyType.RESOURCE, *statements, kind=DocumentKind.TRUST)


def resource(*statements: Statement) -> PolicySet:
    """Return a resource policy."""
    return policies(PolicyType.RESOURCE, *statements)


NOTHING = compile_set(())
ALL = identity(allow())


def question(
    principal: Principal | None = None,
    action: str = "s3:GetObject",
    on: str = "arn:aws:s3:::b/k",
    context: Mapping[str, ContextValue] | None = None,
    account: str = A,
) -> AuthorizationRequest:
    """Return a request."""
    return AuthorizationRequest(action, on, account, principal or user(), context or {})


def is_allowed(asked: AuthorizationRequest, given: Policies) -> bool:
    """Return whether a request is allowed."""
    return isinstance(decide(asked, given), Allowed)


def denial(asked: AuthorizationRequest, given: Policies) -> Denied:
    """Return the denial of a request."""
    decision = decide(asked, given)
    assert isinstance(decision, Denied)
    return decision


def may_assume(
    caller: Principal,
    *statements: Statement,
    own: PolicySet = NOTHING,
    context: Mapping[str, ContextValue] | None = None,
) -> bool:
    """Return whether `caller` may assume the role with this trust policy."""
    given = Policies(own, resource=trust(*statements), trust=True)
    action = "sts:AssumeRoleWithWebIdentity" if caller.kind is PrincipalKind.WEB_IDENTITY else "sts:AssumeRole"
    return is_allowed(question(caller, action, ROLE_ARN, context), given)


def holds(
    operator: str, key: str, wanted: Any, context: Mapping[str, ContextValue], *, version: str | None = NEW
) -> bool:
    """Return whether an Allow with one condition applies."""
    statement = allow(Condition={operator: {key: wanted}})
    return is_allowed(question(context=context), Policies(identity(statement, version=version)))


def stops(operator: str, key: str, wanted: Any, context: Mapping[str, ContextValue]) -> bool:
    """Return whether a Deny with one condition applies.

    Everything else is allowed.
    """
    statement = deny(Condition={operator: {key: wanted}})
    return not is_allowed(question(context=context), Policies(identity(allow(), statement)))


def reaches(pattern: Any, target: str, *, context: Mapping[str, ContextValue] | None = None, **more: Any) -> bool:
    """Return whether an Allow with this Resource applies to `target`."""
    return is_allowed(question(on=target, context=context), Policies(identity(allow(resource=pattern), **more)))
