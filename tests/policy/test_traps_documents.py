"""Traps 45 to 55: actions, resources and documents."""

import json
from typing import Any

import pytest
from tests.growth import LINEAR, growth
from tests.policy.engine_requests import (
    ALL,
    OIDC,
    A,
    allow,
    denial,
    deny,
    holds,
    identity,
    is_allowed,
    policies,
    question,
    reaches,
    text_of,
    trusting,
    user,
)

from daypass.errors import LimitExceeded, MalformedPolicyDocument
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.compiled import PolicySource, PolicyType, compile_document, compile_set
from daypass.policy.condition import UnknownOperatorError, compile_condition
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import DocumentKind, check_size, parse_document, size_of
from daypass.policy.language.statement import ConditionTest
from daypass.policy.template import parse_template


def refusal(text: str, kind: DocumentKind = DocumentKind.IDENTITY) -> str:
    """Return the message of a refused document."""
    with pytest.raises(MalformedPolicyDocument) as caught:
        parse_document(text, kind)
    return caught.value.message


def covers(pattern: Any, action: str) -> bool:
    """Return whether an Allow with this Action covers `action`."""
    return is_allowed(question(action=action), Policies(identity(allow(pattern))))


def test_trap_45_actions_ignore_case_and_know_wildcards_anywhere() -> None:
    """`*` and `?` match anywhere; only `*` alone may omit the service.

    Resources are case-sensitive.
    """
    for pattern in ("S3:getobject", "s3:Get*", "s3:*Object", "s3:G?tObject", "s3:*", "*", "*:*", "s?:GetObject"):
        assert covers(pattern, "s3:GetObject"), pattern
    for pattern in ("s3:Get", "s3:GetObjectAcl", "s3:Get?Object", "ec2:*", "s3:G*Acl"):
        assert not covers(pattern, "s3:GetObject"), pattern
    assert "prefaced by a vendor" in refusal(text_of(allow("GetObject")))
    assert "only one colon" in refusal(text_of(allow("s3:Get:Object")))
    assert not reaches("arn:aws:s3:::B/k", "arn:aws:s3:::b/k")


def test_trap_46_not_action_covers_every_other_service() -> None:
    """Allow with NotAction or NotResource allows the rest; it is not a Deny."""
    given = identity({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    assert is_allowed(question(action="ec2:RunInstances"), Policies(given))
    assert not is_allowed(question(), Policies(given))
    rest = {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}
    assert is_allowed(question(), Policies(identity(allow("s3:*"), rest)))
    elsewhere = identity({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"})
    assert not is_allowed(question(), Policies(elsewhere))
    assert is_allowed(question(on="arn:aws:s3:::c/k"), Policies(elsewhere))


@pytest.mark.parametrize(
    ("pattern", "target", "expected"),
    [
        ("arn:aws:s3:*", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x:y/z", True),
        ("arn:aws:iam::*:role/app", "arn:aws:iam::111111111111:role/app", True),
        ("arn:aws:logs:eu-*-1:1:log-group:a", "arn:aws:logs:eu-west-1:1:log-group:a", True),
        ("arn:aws:logs:eu-*-1:log-group:a", "arn:aws:logs:eu-west:x-1:log-group:a", False),
        ("arn:aws:iam::1?1:role/app", "arn:aws:iam::1:1:role/app", False),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/kk", False),
    ],
)
def test_trap_47_a_star_that_ends_a_part_runs_over_colons(pattern: str, target: str, expected: object) -> None:
    """A star inside a part stops at the colon; the last part may contain colons."""
    assert reaches(pattern, target) is expected


def test_trap_48_spelling_and_shapes() -> None:
    """Effect and element names are case-sensitive.

    A single statement, action or value does not need a list.
    """
    assert "Statement.Effect" in refusal('{"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}')
    assert "Statement.effect" in refusal('{"Statement": {"effect": "Allow", "Action": "*", "Resource": "*"}}')
    assert "statement" in refusal('{"statement": []}')
    single = parse_document('{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}', DocumentKind.IDENTITY)
    assert len(single.statements) == 1
    assert not holds("StringEquals", "x:y", [], {"x:y": "a"})
    assert not holds("StringNotEquals", "x:y", [], {"x:y": "a"})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"Action": []}, "Policy statement must contain actions."),
        ({"Resource": []}, "Policy statement must contain resources."),
        ({"Action": None}, "Statement[0].Action"),
        ({"Resource": 7}, "Statement[0].Resource"),
        ({"Resource": "b/k"}, 'Resource b/k must be in ARN format or "*".'),
        ({"Resource": "arn:nope:s3:::b"}, 'Partition "nope" is not valid for resource "arn:nope:s3:::b".'),
        ({"Resource": "arn:aws:iam:eu-west-1:1:user/a"}, "cannot contain region information"),
        ({"Resource": "arn:aws:iam::1:bucket/a"}, "IAM resource path must either be"),
        ({"Condition": {"StringEqualz": {"x:y": "a"}}}, "Statement[0].Condition.StringEqualz"),
        ({"Condition": {"stringequals": {"x:y": "a"}}}, "Statement[0].Condition.stringequals"),
        ({"Condition": {"NullIfExists": {"x:y": "true"}}}, "Statement[0].Condition.NullIfExists"),
        ({"Condition": {"StringEquals": {"x:y": {"a": "b"}}}}, "Statement[0].Condition.StringEquals.x:y"),
        ({"Condition": {"StringEquals": {"x:y": None}}}, "Statement[0].Condition.StringEquals.x:y"),
        ({"Condition": {"StringEquals": {"x:y": "a", "X:Y": "b"}}}, "duplicate key"),
        ({"Condition": {"StringEquals": "x"}}, "Statement[0].Condition.StringEquals"),
        ({"Condition": {"DateLessThan": {"x:y": "soon"}}}, "The policy failed legacy parsing"),
        ({"Sid": "no spaces"}, "must be alpha-numeric"),
        ({"Sid": 7}, "Statement[0].Sid"),
        ({"NotAction": "s3:*"}, "has both Action and NotAction"),
        ({"Comment": "x"}, "Statement[0].Comment"),
    ],
)
def test_a_refusal_says_where(more: dict[str, Any], words: str) -> None:
    """The message is AWS's if it is known, otherwise it has the path."""
    assert words in refusal(text_of({**allow(), **more}))


def test_trap_49_duplicates_are_malformed() -> None:
    """Equal Sids, and equal keys of any JSON object, are refused.

    Python's parser would keep the last one.
    """
    twice = refusal(text_of(allow(Sid="One"), deny(Sid="One")))
    assert twice == "Statement IDs (SID) in a single policy must be unique."
    effect = '{"Statement": {"Effect": "Deny", "Effect": "Allow", "Action": "*", "Resource": "*"}}'
    assert refusal(effect) == "This policy contains invalid Json"
    escaped = '{"Statement": {"Effect": "Deny", "\\u0045ffect": "Allow", "Action": "*", "Resource": "*"}}'
    assert refusal(escaped) == "This policy contains invalid Json"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "[1",
        '{"a": NaN}',
        '{"a": 1} x',
        "{'a': 1}",
        "\ufeff{}",
        '{"a": "\n"}',
        "[" * 100_000,
        '{"a": "\\ud800"}',
    ],
)
def test_what_is_not_json_is_refused(text: str) -> None:
    """Deep nesting, NaN, byte order marks and lone surrogates are refused quickly."""
    assert refusal(text) == "This policy contains invalid Json"


@pytest.mark.parametrize("kind", [DocumentKind.IDENTITY, DocumentKind.SESSION, DocumentKind.SERVICE_CONTROL])
def test_trap_50_no_principal_where_the_holder_is_known(kind: DocumentKind) -> None:
    """Identity, session and service control policies have no principal.

    AWS accepts an Id in identity policies.
    """
    for element in ("Principal", "NotPrincipal"):
        words = refusal(text_of({**allow(), element: "*"}), kind)
        assert words == "Policy document should not specify a principal."
    if kind is not DocumentKind.IDENTITY:
        assert "Id" in refusal('{"Id": "x", "Statement": []}', kind)


def test_trap_50_a_principal_where_the_holder_is_a_resource() -> None:
    """Resource, trust and resource control policies must have a principal.

    A trust policy has no resource.
    """
    assert refusal(text_of(allow()), DocumentKind.RESOURCE) == "Missing required field Principal"
    assert refusal(text_of(deny()), DocumentKind.RESOURCE_CONTROL) == "Missing required field Principal"
    bare = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    assert refusal(text_of(bare), DocumentKind.TRUST) == "Missing required field Principal"
    words = refusal(text_of(trusting("*", Resource="*")), DocumentKind.TRUST)
    assert words == "Has prohibited field Resource"
    text = json.dumps({"Id": "x", "Statement": [trusting("*", Condition={})]})
    assert parse_document(text, DocumentKind.TRUST).id == "x"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (trusting("*", "s3:GetObject"), "AssumeRole policy may only specify STS AssumeRole actions."),
        (trusting("*", "*"), "AssumeRole policy may only specify STS AssumeRole actions."),
        (trusting({"AWS": "alice"}), 'Invalid principal in policy: "AWS":"alice"'),
        (trusting({"AWS": 111111111111}), 'Invalid principal in policy: "AWS":"111111111111"'),
        (trusting({"Service": "*"}), 'Invalid principal in policy: "SERVICE":"*"'),
        (trusting({"Federated": "*"}), "Federated principals must be valid domain names or SAML metadata ARNs"),
        (trusting({"Someone": "x"}), 'Invalid principal in policy: "Someone"'),
        (trusting({}), "Missing required field Principal cannot be empty!"),
        (trusting({"AWS": []}), "Missing required field Principal cannot be empty!"),
        (trusting("alice"), "Principal must be a JSON object."),
    ],
)
def test_trust_policies_are_refused_in_awss_words(statement: dict[str, Any], words: str) -> None:
    """IAM uses these messages for roles."""
    assert refusal(text_of(statement), DocumentKind.TRUST) == words


def test_trap_51_sizes() -> None:
    """IAM ignores white space outside of strings; session policies count it."""
    text = '{ "Statement" : "a b\\" c" }\n'
    assert size_of(text, count_white_space=True) == len(text)
    assert size_of(text, count_white_space=False) == len('{"Statement":"a b\\" c"}')
    check_size(text, 23, count_white_space=False)
    with pytest.raises(LimitExceeded):
        check_size(text, 22, count_white_space=False)
    with pytest.raises(LimitExceeded):
        check_size(text, 23, count_white_space=True)


def test_trap_52_service_control_policies_speak_the_whole_language() -> None:
    """NotAction with Allow, conditions in Allow, and wildcards are allowed."""
    full = {"Effect": "Allow", "NotAction": "iam:*User", "Resource": "*", "Condition": {"Bool": {"x:y": "true"}}}
    level = policies(PolicyType.SERVICE_CONTROL, full)
    given = Policies(ALL, service_control=(level,))
    assert is_allowed(question(context={"x:y": "true"}), given)
    assert not is_allowed(question(context={"x:y": "false"}), given)
    assert not is_allowed(question(action="iam:CreateUser", context={"x:y": "true"}), given)


def test_trap_52_resource_control_policies_only_deny() -> None:
    """The principal is everyone, and the only Allow is AWS's own."""
    kind = DocumentKind.RESOURCE_CONTROL
    assert "can only deny" in refusal(text_of({**allow("s3:*"), "Principal": "*"}), kind)
    assert "can only name" in refusal(text_of({**deny(), "Principal": {"AWS": A}}), kind)
    full = parse_document(text_of({**allow(), "Principal": "*"}, {**deny("s3:*"), "Principal": "*"}), kind)
    assert len(full.statements) == 2


def test_trap_53_unknown_operators_and_keys_are_refused_early() -> None:
    """Unknown operators are refused, in trust policies unknown keys too."""
    with pytest.raises(UnknownOperatorError):
        compile_condition(ConditionTest("StringIs", "x:y", ("a",)), variables=True, on_doubt=True)
    slip = trusting({"Federated": OIDC}, Condition={"StringEquals": {"aws:PrincipalOrg": "o-x"}})
    assert "Statement[0].Condition.StringEquals.aws:PrincipalOrg" in refusal(text_of(slip), DocumentKind.TRUST)


def test_trap_54_numbers_and_booleans_compare_as_they_were_written() -> None:
    """With a String operator `1.0` is not `1`, and `true` is a string."""
    assert holds("StringEquals", "x:y", True, {"x:y": "true"})
    assert holds("StringEquals", "x:y", 10, {"x:y": "10"})
    assert holds("StringEquals", "x:y", 1.0, {"x:y": "1.0"})
    assert not holds("StringEquals", "x:y", 1.0, {"x:y": "1"})
    long = "1" * 5000
    text = text_of(allow(Condition={"StringEquals": {"x:y": "N"}})).replace('"N"', long)
    compiled = compile_document(parse_document(text, DocumentKind.IDENTITY), PolicySource(PolicyType.IDENTITY, "i"))
    assert is_allowed(question(context={"x:y": long}), Policies(compile_set([compiled])))


def test_trap_55_what_cannot_be_evaluated_refuses_the_whole_request() -> None:
    """Even if another statement allows, and no exception escapes.

    The audit log records the failure.
    """
    broken = deny(Condition={"NumericEquals": {"x:y": "1"}})
    given = Policies(identity(allow(), broken))
    asked = AuthorizationRequest("s3:GetObject", "arn:aws:s3:::b/k", A, user(), Unreadable())
    found = denial(asked, given)
    assert not found.explicit
    assert found.failure == "LookupError"


class Unreadable(dict[str, str]):
    """A request context whose reads fail."""

    def get(self, *_: object) -> Any:
        """Raise an exception."""
        raise LookupError


@pytest.mark.parametrize("unit", ['\\"', '"', "[", "${", "${a, '", '{"a":', "\\u0041"])
def test_hostile_text_costs_no_more_than_its_length(unit: str) -> None:
    """The time to refuse or parse a string is linear in its length."""

    def read(length: int) -> None:
        text = '"' + unit * (length // len(unit))
        refusal(text)
        parse_template(text, variables=True)
        size_of(text, count_white_space=False)

    assert growth(read, 16_000) < LINEAR
