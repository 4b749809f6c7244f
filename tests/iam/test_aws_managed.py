"""AWS managed policies: each can be read, and ids and ARNs are unique."""

from typing import Any

import pytest
from tests.iam.conftest import EC2
from tests.refusals import refused

from daypass.directory.entities.iam_entities import ManagedPolicy
from daypass.directory.managed_policies.aws_managed import aws_policies
from daypass.policy.language.document import DocumentKind, parse_document


@pytest.mark.parametrize("policy", aws_policies().values(), ids=lambda policy: str(policy.name))
def test_every_text_is_a_policy(policy: ManagedPolicy) -> None:
    """Every document is valid: an invalid one would deny its users all access."""
    parse_document(policy.document, DocumentKind.IDENTITY)


def test_ids_and_arns_are_unique() -> None:
    """Ids are derived from names; two names must not have the same id."""
    policies = aws_policies()
    assert len({policy.id for policy in policies.values()}) == len(policies)
    assert all(arn.startswith("arn:aws:iam::aws:policy/") for arn in policies)


def test_a_policy_shows_the_version_that_aws_has_in_force(iam: Any) -> None:
    """The answer for IAMUserChangePassword is AWS's in every member."""
    arn = "arn:aws:iam::aws:policy/IAMUserChangePassword"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (policy["DefaultVersionId"], policy["Tags"], policy["IsAttachable"]) == ("v5", [], True)
    assert policy["Description"] == "Provides the ability for an IAM user to change their own password."
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v5")["PolicyVersion"]
    assert version["Document"]["Statement"][0]["Action"] == ["iam:ChangePassword"]
    assert [one["VersionId"] for one in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v5"]
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v1")[0] == "NoSuchEntity"


def test_policies_with_a_path_are_found_by_it(iam: Any) -> None:
    """The ARN contains the path; an ARN without it does not match a policy."""
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2)
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    listed = iam.list_policies(Scope="AWS", PathPrefix="/service-role/", OnlyAttached=True)["Policies"]
    assert [policy["Arn"] for policy in listed] == [arn]
    short = "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"
    assert refused(iam.attach_role_policy, RoleName="r", PolicyArn=short)[0] == "NoSuchEntity"
