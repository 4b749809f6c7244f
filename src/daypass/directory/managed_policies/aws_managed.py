"""The AWS managed policies for IAM and STS.

Their ARNs begin with `arn:aws:iam::aws:policy/`. They are the same in every account and cannot be changed; only the
default version is kept. Leaves the documents to aws_managed_texts.py and, for root tasks, to root_tasks.py. Source: AWS
Managed Policy Reference.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache

from daypass.directory.entities.iam_entities import ManagedPolicy, PolicyVersion
from daypass.directory.managed_policies.aws_managed_texts import TEXTS, AwsManagedPolicyText
from daypass.directory.managed_policies.root_tasks import PATH as ROOT_TASK_PATH
from daypass.directory.managed_policies.root_tasks import ROOT_TASKS

_ROOT_TASK = "Scopes a session of a member account's root user that AssumeRoot makes. Cannot be attached."
_ROOT_TASKS_MADE = datetime(2024, 11, 14, tzinfo=UTC)


@lru_cache(maxsize=1)
def aws_policies() -> dict[str, ManagedPolicy]:
    """Return the AWS managed policies by ARN."""
    found = [_from_text(text) for text in TEXTS]
    found += [_root_task(task.name, task.document) for task in ROOT_TASKS.values()]
    return {policy.arn: policy for policy in found}


def find_aws_policy(arn: str) -> ManagedPolicy | None:
    """Return an AWS managed policy by its ARN, or None."""
    return aws_policies().get(arn)


def _from_text(text: AwsManagedPolicyText) -> ManagedPolicy:
    document = json.dumps({"Version": "2012-10-17", "Statement": text.statements})
    updated = datetime.fromisoformat(text.updated)
    return ManagedPolicy(
        id="ANPA" + _id_of(text.name),
        account="aws",
        name=text.name,
        path=text.path,
        created=datetime.fromisoformat(text.created),
        updated=updated,
        description=text.description,
        versions=(PolicyVersion(id=text.version, document=document, created=updated),),
        default=text.version,
    )


def _root_task(name: str, document: str) -> ManagedPolicy:
    return ManagedPolicy(
        id="ANPA" + _id_of(name),
        account="aws",
        name=name,
        path=ROOT_TASK_PATH,
        created=_ROOT_TASKS_MADE,
        updated=_ROOT_TASKS_MADE,
        description=_ROOT_TASK,
        versions=(PolicyVersion(id="v1", document=document, created=_ROOT_TASKS_MADE),),
        default="v1",
    )


def _id_of(name: str) -> str:
    """Return an id of 17 characters, the same in every store.

    It has letters of the name and padding.
    """
    return "".join(c for c in name.upper() if c.isalnum())[:17].ljust(17, "Z")
