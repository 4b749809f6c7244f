"""Invented account details in the form of `aws iam get-account-authorization-details`."""

import json
from typing import Any

ORIGIN = "111122223333"
_THEN = "2024-01-01T00:00:00Z"


def arn(kind: str, name: str) -> str:
    """Return an ARN of the imported account."""
    return f"arn:aws:iam::{ORIGIN}:{kind}/{name}"


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    """Return a policy that allows actions."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": resource}]}


def trust(**principal: Any) -> dict[str, Any]:
    """Return a trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def policy(name: str, document: Any, *, owner: str = ORIGIN) -> dict[str, Any]:
    """Return a managed policy with a default version and another one."""
    versions = [
        {"VersionId": "v2", "IsDefaultVersion": True, "CreateDate": _THEN, "Document": document},
        {"VersionId": "v1", "IsDefaultVersion": False, "CreateDate": _THEN, "Document": allow("s3:*")},
    ]
    return {
        "PolicyName": name,
        "PolicyId": "ANPA" + name.upper().ljust(17, "0"),
        "Arn": f"arn:aws:iam::{owner}:policy/{name}",
        "Path": "/",
        "DefaultVersionId": "v2",
        "PolicyVersionList": versions,
    }


def attached(*arns: str) -> list[dict[str, str]]:
    """Return attached policies."""
    return [{"PolicyName": one.rpartition("/")[2], "PolicyArn": one} for one in arns]


def role(name: str, document: Any, **more: Any) -> dict[str, Any]:
    """Return a role."""
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": "AROA" + name.upper().ljust(17, "0"),
        "Arn": arn("role", name),
        "CreateDate": _THEN,
        "AssumeRolePolicyDocument": document,
        "InstanceProfileList": [],
        "RolePolicyList": [],
        "AttachedManagedPolicies": [],
        "Tags": [],
        "RoleLastUsed": {},
        **more,
    }


def user(name: str, **more: Any) -> dict[str, Any]:
    """Return a user."""
    return {
        "Path": "/",
        "UserName": name,
        "UserId": "AIDA" + name.upper().ljust(17, "0"),
        "Arn": arn("user", name),
        "CreateDate": _THEN,
        "GroupList": [],
        "AttachedManagedPolicies": [],
        "Tags": [],
        **more,
    }


def group(name: str, **more: Any) -> dict[str, Any]:
    """Return a group."""
    return {
        "Path": "/",
        "GroupName": name,
        "GroupId": "AGPA" + name.upper().ljust(17, "0"),
        "Arn": arn("group", name),
        "CreateDate": _THEN,
        "GroupPolicyList": [],
        "AttachedManagedPolicies": [],
        **more,
    }


def page(**lists: Any) -> str:
    """Return one page: users, groups, roles, policies, and other members under AWS's names."""
    names = {"users": "UserDetailList", "groups": "GroupDetailList", "roles": "RoleDetailList", "policies": "Policies"}
    return json.dumps({names.get(name, name): value for name, value in lists.items()})


def large(roles: int) -> str:
    """Return a large account.

    Each role trusts another, and has one inline policy and two attached ones.
    """
    count = max(1, roles // 10)
    return page(
        policies=[policy(f"p{n}", allow("s3:GetObject", resource=f"arn:aws:s3:::b{n}/*")) for n in range(count)],
        groups=[group(f"g{n}") for n in range(10)],
        users=[user(f"u{n}", GroupList=[f"g{n % 10}"]) for n in range(roles // 5)],
        roles=[
            role(
                f"r{n}",
                trust(AWS=[arn("role", f"r{(n * 7 + 1) % roles}"), f"arn:aws:iam::{ORIGIN}:root"]),
                RolePolicyList=[{"PolicyName": "own", "PolicyDocument": allow("s3:ListBucket")}],
                AttachedManagedPolicies=attached(
                    arn("policy", f"p{n % count}"), "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
                ),
                Tags=[{"Key": "team", "Value": str(n % 20)}],
            )
            for n in range(roles)
        ],
    )
