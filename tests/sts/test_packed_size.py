"""The packed size of session policies and tags, against sizes that users of AWS published."""

import hashlib
import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.errors import PackedPolicyTooLarge
from daypass.operations.sts.packed_size import packed_percent
from daypass.operations.sts.session_policies import PolicyArn, SessionPolicies, packed_percentage, read_session_policies

DEVIATION = 0.15
MANAGED = "arn:aws:iam::aws:policy/ReadOnlyAccess"
BUCKET = "arn:aws:s3:::my-very-long-s3-bucket"
POLICY = r"^Packed policy consumes (\d+)% of allotted space, please use smaller policy\.$"
TAGS = r"^Packed size of session tags consumes (\d+)% of allotted space\.$"


def policy(*statements: Mapping[str, object]) -> str:
    """Return a compact document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def grant(sid: str, service: str, actions: str, resource: str, **more: object) -> dict[str, object]:
    """Return a statement that allows these actions of a service."""
    named = [f"{service}:{action}" for action in actions.split()]
    return {"Sid": sid, "Effect": "Allow", "Action": named, "Resource": resource, **more}


def catalog(depth: int) -> str:
    """Return the policy of an Iceberg catalog for a table in nested namespaces with names of 32 hex digits."""
    names = [hashlib.sha256(str(level).encode()).hexdigest()[:32] for level in range(depth + 1)]
    path = "/".join(("catalog", *names, "*"))
    listing = {"StringLike": {"s3:prefix": path}}
    return policy(
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": f"{BUCKET}/{path}"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET, "Condition": listing},
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": BUCKET},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"{BUCKET}/{path}"},
    )


SMALL = policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
OWN = {"broker:account": "123456789012", "broker:application": "org.example.machines", "broker:connection": "c" * 36}
MACHINES = policy(
    grant(
        "Read",
        "ec2",
        "DescribeInstances DescribeInstanceStatus DescribeInstanceTypes DescribeImages DescribeSecurityGroups "
        "DescribeVpcs DescribeSubnets DescribeAvailabilityZones DescribeKeyPairs DescribeVolumes",
        "*",
    ),
    grant("Create", "ec2", "RunInstances CreateSecurityGroup CreateKeyPair ImportKeyPair CreateVolume CreateTags", "*"),
    grant(
        "Change",
        "ec2",
        "TerminateInstances StopInstances StartInstances ModifyInstanceAttribute AttachVolume DetachVolume "
        "DeleteVolume AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress "
        "RevokeSecurityGroupEgress DeleteSecurityGroup DeleteKeyPair GetConsoleOutput GetPasswordData",
        "*",
        Condition={"StringEquals": {"aws:ResourceTag/broker:application": "org.example.machines"}},
    ),
)
PLATFORM = policy(
    grant(
        "Stack",
        "cloudformation",
        "CreateStack UpdateStack DeleteStack DescribeStacks DescribeStackEvents DescribeStackResources",
        "arn:aws:cloudformation:*:*:stack/ExampleStack/*",
    ),
    grant(
        "Table",
        "dynamodb",
        "CreateTable DeleteTable DescribeTable UpdateTimeToLive DescribeTimeToLive TagResource ListTagsOfResource",
        "arn:aws:dynamodb:*:*:table/Example*",
    ),
    grant(
        "Bucket",
        "s3",
        "CreateBucket DeleteBucket PutBucketTagging PutBucketPublicAccessBlock ListBucket",
        "arn:aws:s3:::example-*",
    ),
    grant("Objects", "s3", "PutObject GetObject DeleteObject", "arn:aws:s3:::example-*/*"),
    grant(
        "Function",
        "lambda",
        "CreateFunction DeleteFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration TagResource ListTags",
        "arn:aws:lambda:*:*:function:Example*",
    ),
    grant(
        "Role",
        "iam",
        "CreateRole DeleteRole GetRole PutRolePolicy DeleteRolePolicy GetRolePolicy PassRole TagRole",
        "arn:aws:iam::*:role/Example*",
    ),
    grant(
        "Log",
        "logs",
        "CreateLogGroup DeleteLogGroup DescribeLogGroups PutRetentionPolicy TagResource ListTagsForResource",
        "arn:aws:logs:*:*:log-group:/aws/lambda/Example*",
    ),
)
POD = {
    "eks-cluster-arn": "arn:aws:eks:us-west-2:111122223333:cluster/production",
    "eks-cluster-name": "production",
    "kubernetes-namespace": "payments",
    "kubernetes-service-account": "payments-worker",
    "kubernetes-pod-name": "payments-worker-7d9c5b9f6d-x2x7k",
    "kubernetes-pod-uid": "5a1e0c7e-6f5d-4f5b-9f57-0d5d3f1c2b4a",
}
WORKFLOW = {
    "actor": "octocat",
    "job_workflow_ref": "octo-org/example-site/.github/workflows/build.yaml@refs/heads/main",
    "repository": "octo-org/example-site",
    "run_number": "4",
    "environment": "dev",
    "run_attempt": "1",
    "sha": "0123456789abcdef0123456789abcdef01234567",
}

PUBLISHED = [
    pytest.param(SMALL, {}, 16, id="88 characters"),
    pytest.param(catalog(14), {}, 118, id="apache/polaris 3243"),
    pytest.param(MACHINES, OWN, 118, id="31 actions of EC2, with three tags"),
    pytest.param(PLATFORM, OWN, 157, id="42 actions of six services, with three tags"),
    pytest.param("", POD, 74, id="containers-roadmap 2413: EKS Pod Identity"),
    pytest.param("", WORKFLOW, 47, id="claims of GitHub Actions through Cognito"),
    pytest.param("", {f"T{number}": "a" * 250 for number in range(1, 10)}, 498, id="configure-aws-credentials 1898"),
]


@pytest.mark.parametrize(("inline", "tags", "aws"), PUBLISHED)
def test_the_size_is_near_aws_s(inline: str, tags: Mapping[str, str], aws: int) -> None:
    """The formula is fitted: it stays within 15 % of each published size, rebuilt with names of the same length."""
    assert packed_percent([inline], tags) == pytest.approx(aws, rel=DEVIATION)


def test_a_deep_catalog_is_refused_in_aws_s_words() -> None:
    """AWS refuses the policy of a table in fourteen namespaces with long names, and takes one in two."""
    with pytest.raises(PackedPolicyTooLarge, match=POLICY):
        packed_percentage(SessionPolicies(catalog(14)), {})
    assert 0 < (packed_percentage(SessionPolicies(catalog(2)), {}) or 0) < 100


def test_sizes_of_tags_add_up() -> None:
    """A chained session has the inherited tags too: 74 % and 37 % make 112 %, and are refused."""
    own = {"tenant": "c" * 66, "workspace": "c" * 66, "role": "worker"}
    both = packed_percent([], {**POD, **own})
    assert both == pytest.approx(packed_percent([], POD) + packed_percent([], own), abs=1)
    with pytest.raises(PackedPolicyTooLarge, match=TAGS):
        packed_percentage(SessionPolicies(), {**POD, **own})


def test_the_words_name_the_policy_even_if_the_tags_are_large() -> None:
    """With a policy, AWS speaks of the policy; without one, of the tags."""
    with pytest.raises(PackedPolicyTooLarge, match=POLICY):
        packed_percentage(SessionPolicies(SMALL), {f"k{number}": "v" * 200 for number in range(3)})
    with pytest.raises(PackedPolicyTooLarge, match=POLICY):
        packed_percentage(SessionPolicies(arns=(MANAGED,)), {"k": "v" * 250, "l": "v" * 250})


@pytest.mark.parametrize(
    ("inline", "arns"),
    [
        (" " * 2_049, ()),
        (SMALL + " " * 1_961, ()),
        (SMALL + " " * 1_920, ("arn:aws:iam::123456789012:policy/one-that-is-too-long",)),
        ("x" * 100_000, ()),
    ],
)
def test_more_than_2048_characters_are_refused_in_aws_s_words(inline: str, arns: tuple[str, ...]) -> None:
    """Inline and managed policies together, white space included; the percentage is above a hundred."""
    with pytest.raises(PackedPolicyTooLarge, match=POLICY) as refusal:
        read_session_policies(inline, tuple(PolicyArn(arn) for arn in arns))
    assert int(refusal.value.message.split("%")[0].split()[-1]) > 100


def test_the_largest_allowed_tags_pack() -> None:
    """Fifty short tags and one of the greatest length have always been accepted."""
    assert packed_percent([], {f"k{number}": "" for number in range(50)}) <= 100
    assert packed_percent([], {"k" * 128: "v" * 256}) <= 100


KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
TAG_SETS = st.dictionaries(KEYS, st.text(max_size=20), max_size=6)
POLICIES = st.sampled_from(["", SMALL, MACHINES, PLATFORM]) | st.text("ab:* ", max_size=80)


@settings(max_examples=60, deadline=None)
@given(POLICIES, POLICIES, TAG_SETS, KEYS, st.text(max_size=20))
def test_more_never_takes_less(inline: str, added: str, tags: dict[str, str], key: str, value: str) -> None:
    """A further tag, a longer value and a longer policy never lower the size."""
    size = packed_percent([inline], tags)
    assert packed_percent([inline], {**tags, key: tags.get(key, "") + value}) >= size
    assert packed_percent([inline + added], tags) >= size
    assert packed_percent([inline, MANAGED], tags) >= size
