"""The documents of AWS's managed policies, as AWS publishes them.

Owns the table TEXTS. SecurityAudit, ReadOnlyAccess and ViewOnlyAccess are reduced to IAM, STS, Organizations, KMS and
S3: they allow less, never more. Source: AWS Managed Policy Reference.
"""

from dataclasses import dataclass
from typing import Any

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AwsManagedPolicyText:
    """One policy: its default version, its times, and its document."""

    name: str
    description: str
    version: str
    created: str
    updated: str
    statements: tuple[Statement, ...]
    path: str = "/"


def _allow(actions: list[str] | str, resource: list[str] | str = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


_OWN = "arn:aws:iam::*:user/${aws:username}"
_IAM_READS = [
    "iam:GenerateCredentialReport",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:Get*",
    "iam:List*",
    "iam:SimulateCustomPolicy",
    "iam:SimulatePrincipalPolicy",
]
_ORGANIZATION_READS = [
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

TEXTS: tuple[AwsManagedPolicyText, ...] = (
    AwsManagedPolicyText(
        "AdministratorAccess",
        "Provides full access to AWS services and resources.",
        "v1",
        "2015-02-06T18:39:46Z",
        "2015-02-06T18:39:46Z",
        (_allow("*"),),
    ),
    AwsManagedPolicyText(
        "PowerUserAccess",
        "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        "v12",
        "2015-02-06T18:39:47Z",
        "2026-02-12T17:59:14Z",
        (
            {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
            _allow(
                [
                    "account:GetAccountInformation",
                    "account:GetGovCloudAccountInformation",
                    "account:GetPrimaryEmail",
                    "account:ListRegions",
                    "iam:CreateServiceLinkedRole",
                    "iam:DeleteServiceLinkedRole",
                    "iam:ListRoles",
                    "organizations:DescribeEffectivePolicy",
                    "organizations:DescribeOrganization",
                ]
            ),
        ),
    ),
    AwsManagedPolicyText(
        "ReadOnlyAccess",
        "Provides read-only access to AWS services and resources.",
        "v190",
        "2015-02-06T18:39:48Z",
        "2026-09-24T17:37:08Z",
        (
            _allow(
                [
                    "iam:Generate*",
                    "iam:Get*",
                    "iam:List*",
                    "iam:Simulate*",
                    "kms:Describe*",
                    "kms:Get*",
                    "kms:List*",
                    "organizations:Describe*",
                    "organizations:List*",
                    "s3:DescribeJob",
                    "s3:Get*",
                    "s3:List*",
                    "sts:GetAccessKeyInfo",
                    "sts:GetCallerIdentity",
                    "sts:GetSessionToken",
                ]
            ),
        ),
    ),
    AwsManagedPolicyText(
        "IAMFullAccess",
        "Provides full access to IAM via the AWS Management Console.",
        "v2",
        "2015-02-06T18:40:38Z",
        "2019-06-21T19:40:00Z",
        (_allow(["iam:*", *_ORGANIZATION_READS]),),
    ),
    AwsManagedPolicyText(
        "IAMReadOnlyAccess",
        "Provides read only access to IAM via the AWS Management Console.",
        "v4",
        "2015-02-06T18:40:39Z",
        "2018-01-25T19:11:27Z",
        (_allow(_IAM_READS),),
    ),
    AwsManagedPolicyText(
        "IAMUserChangePassword",
        "Provides the ability for an IAM user to change their own password.",
        "v5",
        "2016-11-15T00:25:16Z",
        "2026-02-12T17:58:57Z",
        (
            _allow(["iam:ChangePassword"], [_OWN, "arn:aws:iam::*:user/*/${aws:username}"]),
            _allow(["iam:GetAccountPasswordPolicy"]),
        ),
    ),
    AwsManagedPolicyText(
        "IAMUserSSHKeys",
        "Provides the ability for an IAM user to manage their own SSH keys.",
        "v1",
        "2015-07-09T17:08:54Z",
        "2015-07-09T17:08:54Z",
        (
            _allow(
                [
                    "iam:DeleteSSHPublicKey",
                    "iam:GetSSHPublicKey",
                    "iam:ListSSHPublicKeys",
                    "iam:UpdateSSHPublicKey",
                    "iam:UploadSSHPublicKey",
                ],
                _OWN,
            ),
        ),
    ),
    AwsManagedPolicyText(
        "IAMSelfManageServiceSpecificCredentials",
        "Allows an IAM user to manage their own Service Specific Credentials.",
        "v1",
        "2016-12-22T17:25:18Z",
        "2016-12-22T17:25:18Z",
        (
            _allow(
                [
                    "iam:CreateServiceSpecificCredential",
                    "iam:ListServiceSpecificCredentials",
                    "iam:UpdateServiceSpecificCredential",
                    "iam:DeleteServiceSpecificCredential",
                    "iam:ResetServiceSpecificCredential",
                ],
                _OWN,
            ),
        ),
    ),
    AwsManagedPolicyText(
        "IAMAccessAdvisorReadOnly",
        "This policy grants access to read all access information provided by IAM access advisor.",
        "v1",
        "2019-06-21T19:33:45Z",
        "2019-06-21T19:33:45Z",
        (
            _allow(
                [
                    "iam:ListRoles",
                    "iam:ListUsers",
                    "iam:ListGroups",
                    "iam:ListPolicies",
                    "iam:ListPoliciesGrantingServiceAccess",
                    "iam:GenerateServiceLastAccessedDetails",
                    "iam:GenerateOrganizationsAccessReport",
                    "iam:GenerateCredentialReport",
                    "iam:GetRole",
                    "iam:GetPolicy",
                    "iam:GetServiceLastAccessedDetails",
                    "iam:GetServiceLastAccessedDetailsWithEntities",
                    "iam:GetOrganizationsAccessReport",
                    *_ORGANIZATION_READS,
                ]
            ),
        ),
    ),
    AwsManagedPolicyText(
        "SecurityAudit",
        "The security audit template grants access to read security configuration metadata.",
        "v94",
        "2015-02-06T18:41:01Z",
        "2026-09-30T20:27:08Z",
        (
            _allow(
                [
                    *_IAM_READS,
                    "kms:Describe*",
                    "kms:Get*",
                    "kms:List*",
                    "organizations:Describe*",
                    "organizations:List*",
                    "s3:GetAccountPublicAccessBlock",
                    "s3:GetBucket*",
                    "s3:GetEncryptionConfiguration",
                    "s3:GetLifecycleConfiguration",
                    "s3:GetObjectAcl",
                    "s3:GetObjectVersionAcl",
                    "s3:GetReplicationConfiguration",
                    "s3:ListAllMyBuckets",
                    "s3:ListBucket",
                    "sts:GetAccessKeyInfo",
                ]
            ),
        ),
    ),
    AwsManagedPolicyText(
        "ViewOnlyAccess",
        "This policy grants permissions to view resources and basic metadata across all AWS services.",
        "v46",
        "2016-11-10T17:20:15Z",
        "2026-09-30T20:27:08Z",
        (
            _allow(
                [
                    "iam:GetAccountSummary",
                    "iam:GetLoginProfile",
                    "iam:List*",
                    "kms:ListKeys",
                    "kms:ListResourceTags",
                    "organizations:List*",
                    "s3:ListAllMyBuckets",
                    "s3:ListBucket",
                    "s3:ListMultiRegionAccessPoints",
                ]
            ),
        ),
        path="/job-function/",
    ),
    AwsManagedPolicyText(
        "AWSDenyAll",
        "Deny all access.",
        "v2",
        "2019-05-01T22:36:14Z",
        "2023-12-18T16:42:05Z",
        ({"Sid": "DenyAll", "Effect": "Deny", "Action": ["*"], "Resource": "*"},),
    ),
    AwsManagedPolicyText(
        "AWSOrganizationsReadOnlyAccess",
        "Provides read-only access to AWS Organizations.",
        "v6",
        "2018-11-06T20:32:38Z",
        "2024-06-07T21:32:16Z",
        (
            _allow(["organizations:Describe*", "organizations:List*"], Sid="AWSOrganizationsReadOnly"),
            _allow(
                [
                    "account:GetAlternateContact",
                    "account:GetContactInformation",
                    "account:ListRegions",
                    "account:GetRegionOptStatus",
                    "account:GetPrimaryEmail",
                ],
                Sid="AWSOrganizationsReadOnlyAccount",
            ),
        ),
    ),
    AwsManagedPolicyText(
        "AmazonS3FullAccess",
        "Provides full access to all buckets via the AWS Management Console.",
        "v2",
        "2015-02-06T18:40:58Z",
        "2021-09-27T20:16:37Z",
        (_allow(["s3:*", "s3-object-lambda:*"]),),
    ),
    AwsManagedPolicyText(
        "AmazonS3ReadOnlyAccess",
        "Provides read only access to all buckets via the AWS Management Console.",
        "v3",
        "2015-02-06T18:40:59Z",
        "2023-08-10T21:31:39Z",
        (_allow(["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"]),),
    ),
    AwsManagedPolicyText(
        "AmazonEC2ReadOnlyAccess",
        "Provides read only access to Amazon EC2 via the AWS Management Console.",
        "v5",
        "2015-02-06T18:40:17Z",
        "2026-02-12T18:03:17Z",
        (
            _allow(["ec2:Describe*", "ec2:GetSecurityGroupsForVpc"]),
            _allow("elasticloadbalancing:Describe*"),
            _allow(["cloudwatch:ListMetrics", "cloudwatch:GetMetricStatistics", "cloudwatch:Describe*"]),
            _allow("autoscaling:Describe*"),
        ),
    ),
    AwsManagedPolicyText(
        "AWSLambdaBasicExecutionRole",
        "Provides write permissions to CloudWatch Logs.",
        "v1",
        "2015-04-09T15:03:43Z",
        "2015-04-09T15:03:43Z",
        (_allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]),),
        path="/service-role/",
    ),
)
