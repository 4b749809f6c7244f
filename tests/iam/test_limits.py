"""Every numeric limit of IAM, tested at the limit and one beyond it.

The limits are AWS's quotas and the lengths in its service model.
"""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.documents import allow
from tests.iam.conftest import EC2, LIST_BUCKET
from tests.refusals import refused

from daypass.bootstrap import RootKey
from daypass.testing.server import RunningServer

VALIDATION = ("ValidationError", 400)
TAKEN = ("", 0)


@pytest.fixture
def iam(server: RunningServer, root: RootKey) -> Any:
    """Return a root user's client that does not validate parameters."""
    return boto3.client(
        "iam",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=root.access_key_id,
        aws_secret_access_key=root.secret_access_key,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )


def outcome(call: Callable[..., Any], **parameters: Any) -> tuple[str, int]:
    """Return the code and status of a refusal, or TAKEN."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return TAKEN


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(3_599, VALIDATION), (3_600, TAKEN), (3_601, TAKEN), (43_199, TAKEN), (43_200, TAKEN), (43_201, VALIDATION)],
)
def test_a_roles_longest_session(iam: Any, seconds: int, expected: tuple[str, int]) -> None:
    """The maximum session duration is one to twelve hours, when a role is created and when it is updated."""
    iam.create_role(RoleName="before", AssumeRolePolicyDocument=EC2)
    made = outcome(iam.create_role, RoleName="r", AssumeRolePolicyDocument=EC2, MaxSessionDuration=seconds)
    assert made == outcome(iam.update_role, RoleName="before", MaxSessionDuration=seconds) == expected
    kept = iam.get_role(RoleName="before")["Role"]["MaxSessionDuration"]
    assert kept == (seconds if expected == TAKEN else 3_600)


def test_two_access_keys_are_the_most(iam: Any) -> None:
    """Inactive keys count, other users' do not, and a deleted one does not."""
    quota = ("LimitExceeded", 409, "Cannot exceed quota for AccessKeysPerUser: 2")
    for name in ("ann", "bea"):
        iam.create_user(UserName=name)
    first = iam.create_access_key(UserName="ann")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="ann", AccessKeyId=first, Status="Inactive")
    iam.create_access_key(UserName="bea")
    iam.create_access_key(UserName="ann")
    assert refused(iam.create_access_key, UserName="ann") == quota
    iam.delete_access_key(UserName="ann", AccessKeyId=first)
    iam.create_access_key(UserName="ann")
    assert refused(iam.create_access_key, UserName="ann") == quota


def test_two_keys_of_a_root_user_are_the_most(iam: Any) -> None:
    """The key that signs the requests counts."""
    iam.create_access_key()
    assert refused(iam.create_access_key)[:2] == ("LimitExceeded", 409)


def sized(characters: int, statement: dict[str, Any] | None = None) -> str:
    """Return a policy of this many characters: many statements, whose last Sid fills the rest."""
    like = statement or allow("s3:GetObject")
    statements = [{**like, "Sid": f"s{number}"} for number in range(characters // 150)]
    whole = {"Version": "2012-10-17", "Statement": [*statements, {**like, "Sid": ""}]}
    bare = json.dumps(whole, separators=(",", ":"))
    text = bare.replace('"Sid":""', f'"Sid":"{"a" * (characters - len(bare))}"')
    assert len(text) == characters
    return text


HOLDERS = {
    "user": ("create_user", "put_user_policy", "UserName", 2_048),
    "group": ("create_group", "put_group_policy", "GroupName", 5_120),
    "role": ("create_role", "put_role_policy", "RoleName", 10_240),
}


@pytest.mark.parametrize("kind", HOLDERS)
@pytest.mark.parametrize(("over", "taken"), [(-1, True), (0, True), (1, False)])
def test_the_size_of_inline_policies(iam: Any, kind: str, over: int, *, taken: bool) -> None:
    """A holder's inline policies count together, without white space."""
    create, put, named, most = HOLDERS[kind]
    holder = {named: "h"}
    more = {"AssumeRolePolicyDocument": EC2} if kind == "role" else {}
    getattr(iam, create)(**holder, **more)
    first = sized(300)
    getattr(iam, put)(**holder, PolicyName="first", PolicyDocument=first.replace(",", ", \n"))
    second = sized(most - 300 + over)
    if taken:
        getattr(iam, put)(**holder, PolicyName="second", PolicyDocument=second)
        # A policy that replaces another one counts instead of it.
        getattr(iam, put)(**holder, PolicyName="first", PolicyDocument=first)
        return
    got = refused(getattr(iam, put), **holder, PolicyName="second", PolicyDocument=second)
    assert got[:2] == ("LimitExceeded", 409)


@pytest.mark.parametrize(("characters", "taken"), [(6_143, True), (6_144, True), (6_145, False)])
def test_the_size_of_a_managed_policy(iam: Any, characters: int, *, taken: bool) -> None:
    """The limit of 6,144 characters applies to each version."""
    arn = iam.create_policy(PolicyName="small", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    expected = TAKEN if taken else ("LimitExceeded", 409)
    text = sized(characters)
    assert outcome(iam.create_policy, PolicyName="p", PolicyDocument=text) == expected
    assert outcome(iam.create_policy_version, PolicyArn=arn, PolicyDocument=text) == expected


@pytest.mark.parametrize(("characters", "taken"), [(2_047, True), (2_048, True), (2_049, False)])
def test_the_size_of_a_trust_policy(iam: Any, characters: int, *, taken: bool) -> None:
    """The limit is 2,048 characters when a role is created and updated."""
    iam.create_role(RoleName="before", AssumeRolePolicyDocument=EC2)
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    text = sized(characters, statement)
    expected = TAKEN if taken else ("LimitExceeded", 409)
    assert outcome(iam.create_role, RoleName="r", AssumeRolePolicyDocument=text) == expected
    assert outcome(iam.update_assume_role_policy, RoleName="before", PolicyDocument=text) == expected


TAGS: list[tuple[list[tuple[str, str]], tuple[str, int]]] = [
    ([("", "v")], VALIDATION),
    ([("k", "")], TAKEN),
    ([("k" * 128, "v" * 256)], TAKEN),
    ([("k" * 129, "v")], VALIDATION),
    ([("k", "v" * 257)], VALIDATION),
    ([(f"k{number}", "") for number in range(50)], TAKEN),
]


@pytest.mark.parametrize(("pairs", "expected"), TAGS)
def test_tags(iam: Any, pairs: list[tuple[str, str]], expected: tuple[str, int]) -> None:
    """An entity has at most 50 tags.

    A key has 1 to 128 characters, a value 0 to 256, at creation and later.
    """
    tags = [{"Key": key, "Value": value} for key, value in pairs]
    iam.create_user(UserName="before")
    assert outcome(iam.create_user, UserName="ann", Tags=tags) == expected
    assert outcome(iam.tag_user, UserName="before", Tags=tags) == expected


NAMES = {
    "user": ("create_user", "UserName", {}, 64),
    "group": ("create_group", "GroupName", {}, 128),
    "role": ("create_role", "RoleName", {"AssumeRolePolicyDocument": EC2}, 64),
    "policy": ("create_policy", "PolicyName", {"PolicyDocument": LIST_BUCKET}, 128),
    "instance profile": ("create_instance_profile", "InstanceProfileName", {}, 128),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_and_paths(iam: Any, kind: str) -> None:
    """A name has 1 to 64 or 128 characters, a path 1 to 512 with its slashes."""
    create, named, more, longest = NAMES[kind]
    call = getattr(iam, create)
    for name, expected in {"": VALIDATION, "n" * longest: TAKEN, "n" * (longest + 1): VALIDATION, "n": TAKEN}.items():
        assert outcome(call, **{named: name}, **more) == expected, len(name)
    for length, expected in {1: TAKEN, 512: TAKEN, 513: VALIDATION}.items():
        path = "/" if length == 1 else f"/{'p' * (length - 2)}/"
        assert outcome(call, **{named: f"of{length}"}, Path=path, **more) == expected, length


def test_five_versions_of_a_policy_are_the_most(iam: Any) -> None:
    """The sixth is refused until a version is deleted."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    for _ in range(4):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=LIST_BUCKET)
    assert outcome(iam.create_policy_version, PolicyArn=arn, PolicyDocument=LIST_BUCKET) == ("LimitExceeded", 409)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    assert outcome(iam.create_policy_version, PolicyArn=arn, PolicyDocument=LIST_BUCKET) == TAKEN


def test_ten_attached_policies_are_the_most(iam: Any) -> None:
    """The eleventh is refused; a policy that is attached twice counts once."""
    iam.create_user(UserName="ann")
    arns = [
        iam.create_policy(PolicyName=f"p{number}", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"] for number in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    assert outcome(iam.attach_user_policy, UserName="ann", PolicyArn=arns[10]) == ("LimitExceeded", 409)
    assert outcome(iam.attach_user_policy, UserName="ann", PolicyArn=arns[0]) == TAKEN
    iam.detach_user_policy(UserName="ann", PolicyArn=arns[0])
    assert outcome(iam.attach_user_policy, UserName="ann", PolicyArn=arns[10]) == TAKEN


@pytest.mark.parametrize(("items", "expected"), [(0, VALIDATION), (1, TAKEN), (1_000, TAKEN), (1_001, VALIDATION)])
def test_the_length_of_a_page(iam: Any, items: int, expected: tuple[str, int]) -> None:
    """A page has 1 to 1,000 items."""
    assert outcome(iam.list_users, MaxItems=items) == expected
