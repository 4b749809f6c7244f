"""The AWS managed policies that matter to IAM and STS, under `arn:aws:iam::aws:policy/`.

Owns their texts. They are the same in every account and nobody can change them.
Source: AWS Managed Policy Reference.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from daypass.directory.entities import ManagedPolicy, PolicyVersion
from daypass.directory.root_tasks import PATH as ROOT_TASK_PATH
from daypass.directory.root_tasks import ROOT_TASKS

_ROOT_TASK = "Scopes a session of a member account's root user that AssumeRoot makes. Cannot be attached."
_CREATED = datetime(2015, 2, 6, 18, 39, 46, tzinfo=UTC)


def _allow(actions: list[str] | str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": "*", **more}


_IAM_READS = [
    "iam:GenerateCredentialReport",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:Get*",
    "iam:List*",
    "iam:SimulateCustomPolicy",
    "iam:SimulatePrincipalPolicy",
]

# Name with path, description, statements.
_TEXTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "AdministratorAccess": (
        "Provides full access to AWS services and resources.",
        [_allow("*")],
    ),
    "IAMFullAccess": (
        "Provides full access to IAM via the AWS Management Console.",
        [
            _allow(
                [
                    "iam:*",
                    "organizations:DescribeAccount",
                    "organizations:DescribeOrganization",
                    "organizations:DescribeOrganizationalUnit",
                    "organizations:DescribePolicy",
                    "organizations:ListChildren",
                    "organizations:ListParents",
                    "organizations:ListPoliciesForTarget",
                    "organizations:ListRoots",
                    "organizations:ListPolicies",
                    "organizations:ListTargetsForPolicy",
                ]
            )
        ],
    ),
    "IAMReadOnlyAccess": (
        "Provides read only access to IAM via the AWS Management Console.",
        [_allow(_IAM_READS)],
    ),
    "IAMUserChangePassword": (
        "Provides the ability for an IAM user to change their own password.",
        [
            {
                "Effect": "Allow",
                "Action": ["iam:ChangePassword"],
                "Resource": ["arn:aws:iam::*:user/${aws:username}"],
            },
            _allow(["iam:GetAccountPasswordPolicy"]),
        ],
    ),
    "PowerUserAccess": (
        "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        [
            {
                "Effect": "Allow",
                "NotAction": ["iam:*", "organizations:*", "account:*"],
                "Resource": "*",
            },
            _allow(
                [
                    "account:GetAccountInformation",
                    "account:GetPrimaryEmail",
                    "account:ListRegions",
                    "iam:CreateServiceLinkedRole",
                    "iam:DeleteServiceLinkedRole",
                    "iam:ListRoles",
                    "organizations:DescribeEffectivePolicy",
                    "organizations:DescribeOrganization",
                ]
            ),
        ],
    ),
    "SecurityAudit": (
        "The security audit template grants access to read security configuration metadata.",
        [_allow(_IAM_READS)],
    ),
    "ReadOnlyAccess": (
        "Provides read-only access to AWS services and resources.",
        [_allow([*_IAM_READS, "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken"])],
    ),
    "AWSDenyAll": (
        "Deny all access.",
        [{"Sid": "DenyAll", "Effect": "Deny", "Action": ["*"], "Resource": "*"}],
    ),
}


@lru_cache(maxsize=1)
def aws_policies() -> dict[str, ManagedPolicy]:
    """Return the AWS managed policies by ARN."""
    found = [
        _policy(name, "/", description, json.dumps({"Version": "2012-10-17", "Statement": statements}))
        for name, (description, statements) in _TEXTS.items()
    ]
    found += [_policy(task.name, ROOT_TASK_PATH, _ROOT_TASK, task.document) for task in ROOT_TASKS.values()]
    return {policy.arn: policy for policy in found}


def _policy(name: str, path: str, description: str, document: str) -> ManagedPolicy:
    return ManagedPolicy(
        id="ANPA" + _id_of(name),
        account="aws",
        name=name,
        path=path,
        created=_CREATED,
        updated=_CREATED,
        description=description,
        versions=(PolicyVersion(id="v1", document=document, created=_CREATED),),
        default="v1",
    )


def find_aws_policy(arn: str) -> ManagedPolicy | None:
    """Return an AWS managed policy by its ARN, or None."""
    return aws_policies().get(arn)


def _id_of(name: str) -> str:
    """Return 17 characters that name this policy in every store: its letters, padded."""
    return "".join(c for c in name.upper() if c.isalnum())[:17].ljust(17, "Z")
