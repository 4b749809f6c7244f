"""The task policies of AssumeRoot: the purposes of a root session.

Owns their documents, each one's feature of centralized root access, and the session limits: the policies contain only
denials, so a session may do everything else that its root user may. Source: AWS Managed Policy Reference; IAM User
Guide, "Perform a privileged task on a member account".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from daypass.directory.entities.organization_entities import RootFeature
from daypass.policy.compiled import PolicySet, PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.language.document import DocumentKind, parse_document

PATH = "/root-task/"
_PREFIX = f"arn:aws:iam::aws:policy{PATH}"
_ROOT = "arn:aws:iam::*:root"
_NOT_ROOT = {"StringNotLike": {"aws:PrincipalArn": _ROOT}}

_LOOK = ["iam:ListAccessKeys", "iam:ListSigningCertificates", "iam:GetLoginProfile", "iam:ListMFADevices"]
_AUDIT = [*_LOOK, "iam:GetUser", "iam:GetAccessKeyLastUsed"]
_DELETE = [
    "iam:DeleteAccessKey",
    "iam:DeleteSigningCertificate",
    "iam:DeleteLoginProfile",
    "iam:DeactivateMFADevice",
    "iam:DeleteVirtualMFADevice",
    *_AUDIT,
]
_PASSWORD = ["iam:CreateLoginProfile", "iam:GetLoginProfile"]
_BUCKET = ["s3:DeleteBucketPolicy", "s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:ListAllMyBuckets"]
_QUEUE = ["sqs:SetQueueAttributes", "sqs:GetQueueAttributes", "sqs:ListQueues", "sqs:GetQueueUrl"]


@dataclass(frozen=True, slots=True)
class RootTask:
    """One task policy."""

    name: str
    feature: RootFeature
    document: str

    @property
    def arn(self) -> str:
        """Return the ARN that AssumeRoot accepts."""
        return _PREFIX + self.name


def _others(actions: list[str]) -> dict[str, Any]:
    return {
        "Sid": "DenyAllOtherActionsOnAnyResource",
        "Effect": "Deny",
        "NotAction": actions,
        "Resource": "*",
    }


def _elsewhere(sid: str, actions: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Action": actions, "NotResource": _ROOT}


def _task(name: str, feature: RootFeature, *statements: dict[str, Any]) -> RootTask:
    return RootTask(name, feature, json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


_TASKS = (
    _task(
        "IAMAuditRootUserCredentials",
        RootFeature.CREDENTIALS,
        _others([*_AUDIT, "iam:GetAccountSummary"]),
        _elsewhere("DenyAuditingCredentialsOnNonRootUserResource", _AUDIT),
    ),
    _task(
        "IAMCreateRootUserPassword",
        RootFeature.CREDENTIALS,
        _others(_PASSWORD),
        _elsewhere("DenyCreatingPasswordOnNonRootUserResource", _PASSWORD),
    ),
    _task(
        "IAMDeleteRootUserCredentials",
        RootFeature.CREDENTIALS,
        _others(_DELETE),
        _elsewhere("DenyDeletingRootUserCredentialsOnNonRootUserResource", _DELETE),
    ),
    _task(
        "S3UnlockBucketPolicy",
        RootFeature.SESSIONS,
        _others(_BUCKET),
        {
            "Sid": "DenyManagingBucketPolicyForNonRootCallers",
            "Effect": "Deny",
            "Action": _BUCKET,
            "Resource": "*",
            "Condition": _NOT_ROOT,
        },
    ),
    _task(
        "SQSUnlockQueuePolicy",
        RootFeature.SESSIONS,
        _others(_QUEUE),
        {
            "Sid": "DenyGettingQueueAttributesOnNonOwnQueue",
            "Effect": "Deny",
            "Action": ["sqs:GetQueueAttributes"],
            "Resource": "arn:aws:sqs:*:*:*",
            "Condition": {"StringNotEqualsIfExists": {"aws:ResourceAccount": ["${aws:PrincipalAccount}"]}},
        },
        {
            "Sid": "DenyActionsForNonRootUser",
            "Effect": "Deny",
            "Action": _QUEUE,
            "Resource": "*",
            "Condition": _NOT_ROOT,
        },
    ),
)

ROOT_TASKS: Mapping[str, RootTask] = {task.arn: task for task in _TASKS}

_EVERYTHING = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'


@lru_cache(maxsize=len(_TASKS))
def task_limits(arn: str) -> PolicySet:
    """Return the session policies that a task policy makes.

    An unknown task policy allows no action.
    """
    task = ROOT_TASKS.get(arn)
    if task is None:
        return compile_set(())
    return compile_set(_compile(text, arn) for text in (_EVERYTHING, task.document))


def _compile(text: str, arn: str) -> Any:
    return compile_document(parse_document(text, DocumentKind.SESSION), PolicySource(PolicyType.SESSION, arn))
