"""AWS's messages for invalid policies, and which of two faults it reports."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.documents import allow, document
from tests.iam.conftest import LIST_BUCKET
from tests.refusals import refused

BUCKET = "arn:aws:s3:::bucket"
SYNTAX = "Syntax errors in policy."
LEGACY = "The policy failed legacy parsing"
TOO_OLD = "Policy document must be version 2012-10-17 or greater."
NO_ACTIONS = "Policy statement must contain actions."
NO_RESOURCES = "Policy statement must contain resources."
TWICE = "Statement IDs (SID) in a single policy must be unique."
NO_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
IAM_PATHS = (
    'IAM resource path must either be "*", root, or start with user/, federated-user/, role/, group/, '
    "instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, "
    "access-report/."
)


def one(*without: str, **changed: Any) -> str:
    """Return a policy of one valid statement with some elements changed."""
    statement = {**allow("s3:ListBucket", BUCKET), **changed}
    return document({name: value for name, value in statement.items() if name not in without})


def of(*statements: Any, **top: Any) -> str:
    """Return a policy of these statements and top-level elements.

    They need not be valid.
    """
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **top})


def when(operator: str, value: Any) -> str:
    """Return a policy with one condition."""
    return one(Condition={operator: value})


GOOD = allow("s3:ListBucket", BUCKET)
CASES: tuple[tuple[str, str], ...] = (
    ("{", SYNTAX),
    ('{"Version":"2012-10-17"}', SYNTAX),
    (of(), SYNTAX),
    (of("text"), SYNTAX),
    (of(GOOD, Version="2013-01-01"), SYNTAX),
    (of(GOOD, More="x"), SYNTAX),
    (of(GOOD, Id=[]), SYNTAX),
    (one("Effect"), SYNTAX),
    (one(Effect="Perhaps"), SYNTAX),
    (one(More="x"), SYNTAX),
    (one(Sid={}), SYNTAX),
    (one(Action={}), SYNTAX),
    (one(Resource=["*", {}]), SYNTAX),
    (one(NotAction="s3:x"), SYNTAX),
    (one(NotResource=[]), SYNTAX),
    (one(Condition=[]), SYNTAX),
    (when("StringEquals", "x"), SYNTAX),
    (when("Perhaps", {"a": "b"}), SYNTAX),
    (when("StringEquals", {"a": {}}), SYNTAX),
    # An invalid value is reported before a missing Action.
    (one("Action", Condition={"DateLessThan": {"a": {}}}), SYNTAX),
    (of(GOOD, Version="2008-10-17"), TOO_OLD),
    # The version is checked after the syntax and before everything else.
    (json.dumps({"Statement": [{**GOOD, "Effect": "denY", "Sid": "a"}, {"Sid": "a", "Effect": "Allow"}]}), TOO_OLD),
    (one(Effect="allow"), LEGACY),
    (when("DateLessThan", {"a": "noon"}), LEGACY),
    (when("DateLessThan", {"a": "2016-12-13t2:00:00+1"}), LEGACY),
    (when("DateLessThan", {"a": "9223372036854775808"}), LEGACY),
    (one(Resource="arn:aws:s3::bucket"), LEGACY),
    # The legacy parser's rules are checked before ids, elements and partitions.
    (one("Action", Resource="arn:aws:s3::bucket"), LEGACY),
    (of({**GOOD, "Sid": "a", "Effect": "aLLow"}, {"Sid": "a", "Effect": "Allow"}), LEGACY),
    (one(Resource="arn:error:s3:::b", Condition={"DateLessThan": {"a": "noon"}}), LEGACY),
    (of({**GOOD, "Sid": "a"}, {"Sid": "a", "Effect": "Allow"}), TWICE),
    (one("Action"), NO_ACTIONS),
    (one("Action", "Resource"), NO_ACTIONS),
    (one(Action=[]), NO_ACTIONS),
    (one("Resource"), NO_RESOURCES),
    (one("Resource", Action="nonsense"), NO_RESOURCES),
    # Resources are checked before actions.
    (one(Action="a:b:c", Resource="nonsense"), 'Resource nonsense must be in ARN format or "*".'),
    (one(Resource=""), 'Resource  must be in ARN format or "*".'),
    (one(Resource="arn:error:s3:::b"), 'Partition "error" is not valid for resource "arn:error:s3:::b".'),
    (one(Resource="x:y"), 'Partition "y" is not valid for resource "arn:y:*:*:*:*".'),
    (one(Resource="x:y:z"), 'Partition "y" is not valid for resource "arn:y:z:*:*:*".'),
    (one(Resource="arn:aws"), "Resource vendor must be fully qualified and cannot contain regexes."),
    (one(Resource="arn:aws:iam:::bucket"), IAM_PATHS),
    (one(Resource="arn:aws:iam:x::b"), "IAM resource arn:aws:iam:x::b cannot contain region information."),
    (one(Resource="arn:aws:s3:x::b"), "Resource arn:aws:s3:x::b can not contain region information."),
    (one(Action="nonsense"), NO_VENDOR),
    (one("Action", NotAction=""), NO_VENDOR),
    (one(Action="a b:c"), "Vendor a b is not valid"),
    (one(Action="a:b:c"), "Actions/Condition can contain only one colon."),
)
TAKEN: tuple[str, ...] = (
    one(Action="iam: no such thing "),
    one(Resource="arn:aws:word"),
    one(Resource="arn:aws:nothing:us-east-1::b"),
    one(Resource="arn:aws:s3:us-west-2:123456789012:accesspoint/a/object/*"),
    of(GOOD, Id="named"),
    of({**GOOD, "Sid": ""}, {**GOOD, "Sid": ""}),
    one(Condition={}),
    when("DateLessThan", {}),
    when("DateLessThan", {"a": []}),
    when("Perhaps", {}),
    when("DateLessThan", {"a": "01T"}),
    when("DateLessThan", {"a": "-292275054"}),
    when("DateLessThan", {"a": "2016-12-13t2:00:00.593194+23"}),
    when("ForAnyValue:StringEqualsIfExists", {"a": "b"}),
)


@pytest.mark.parametrize(("text", "words"), CASES)
def test_a_managed_policy_is_refused_for_the_fault_that_aws_names(iam: Any, text: str, words: str) -> None:
    """The message is AWS's. Of two faults, AWS's choice is reported."""
    assert refused(iam.create_policy, PolicyName="p", PolicyDocument=text) == ("MalformedPolicyDocument", 400, words)


@pytest.mark.parametrize("text", TAKEN)
def test_what_aws_takes_is_taken(iam: Any, text: str) -> None:
    """Unusual policies that AWS accepts are accepted and returned unchanged."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=text)["Policy"]["Arn"]
    shown = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert shown == json.loads(text)


def test_an_inline_policy_may_be_of_the_old_version(iam: Any) -> None:
    """Only managed policies need the version 2012-10-17.

    All other rules are the same for inline policies.
    """
    iam.create_user(UserName="u")
    for number, version in enumerate(({}, {"Version": "2008-10-17"})):
        text = json.dumps({"Statement": [GOOD], **version})
        iam.put_user_policy(UserName="u", PolicyName=f"p{number}", PolicyDocument=text)
    got = refused(iam.put_user_policy, UserName="u", PolicyName="p", PolicyDocument="{")
    assert got == ("MalformedPolicyDocument", 400, SYNTAX)


def test_odd_dates_never_let_anybody_in(user_client: Callable[..., Any]) -> None:
    """With a date that cannot be compared, an Allow fails and a Deny applies."""
    odd = {"DateGreaterThan": {"aws:CurrentTime": "-292275054"}}
    assert refused(user_client("a", document(allow("iam:ListUsers", Condition=odd))).list_users)[0] == "AccessDenied"
    deny = {"Effect": "Deny", "Action": "iam:ListUsers", "Resource": "*", "Condition": odd}
    assert refused(user_client("b", document(allow("*"), deny)).list_users)[0] == "AccessDenied"


def test_nothing_malformed_is_kept(iam: Any) -> None:
    """A refused policy is not stored, and a refused version changes no policy."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=LIST_BUCKET)["Policy"]["Arn"]
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument="{")[0] == "MalformedPolicyDocument"
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 1
    assert refused(iam.create_policy, PolicyName="q", PolicyDocument="{")[0] == "MalformedPolicyDocument"
    assert [policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"]] == ["p"]
