"""The linter's warnings, and the condition keys of documents."""

from typing import Any

import pytest
from tests.policy.engine_requests import NEW, OIDC, OLD, allow, deny, text_of, trusting

from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.language.keys import KNOWN, KeyType, context_keys, find_key
from daypass.policy.language.lint import lint

WEB = "sts:AssumeRoleWithWebIdentity"


def rules(statement: dict[str, Any], kind: DocumentKind = DocumentKind.IDENTITY, version: str = NEW) -> list[str]:
    """Return the names of the rules that one statement breaks."""
    return [found.rule for found in lint(parse_document(text_of(statement, version=version), kind))]


def where(operator: str, key: str, value: Any) -> dict[str, Any]:
    """Return a condition."""
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("allow-with-not", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        ("allow-for-all-values", allow(**where("ForAllValues:StringEquals", "aws:TagKeys", "a"))),
        ("set-operator", allow(**where("StringEquals", "aws:TagKeys", "a"))),
        ("set-operator", deny(**where("ForAnyValue:StringEquals", "aws:PrincipalType", "User"))),
        ("unknown-key", allow(**where("StringEquals", "aws:PrincipalOrganisation", "o-x"))),
        ("key-of-other-action", allow("sts:AssumeRoleWithSAML", **where("StringEquals", "sts:ExternalId", "x"))),
        ("key-of-other-action", allow("sts:AssumeRole", **where("NumericLessThan", "sts:DurationSeconds", 900))),
        ("literal-wildcard", allow(**where("StringEquals", "aws:PrincipalTag/x", "a*"))),
        ("unreadable-value", allow(**where("NumericEquals", "s3:max-keys", "ten"))),
        ("unreadable-value", allow(**where("IpAddress", "aws:SourceIp", "10.0.0.0/40"))),
        ("unreadable-value", allow(**where("ArnLike", "aws:PrincipalArn", "*"))),
        ("unreadable-value", allow(**where("Bool", "aws:SecureTransport", "yes"))),
        ("text-for-address", allow(**where("StringLike", "aws:SourceIp", "10.*"))),
        ("mfa-without-if-exists", deny(**where("Bool", "aws:MultiFactorAuthPresent", "false"))),
    ],
)
def test_each_rule_finds_its_slip(rule: str, statement: dict[str, Any]) -> None:
    """Each rule finds its mistake."""
    assert rule in rules(statement)


def test_rules_about_trust() -> None:
    """Everyone without a condition, and every user of an issuer."""
    assert rules(trusting("*"), DocumentKind.TRUST) == ["open-principal"]
    audience = where("StringEquals", "issuer.example:aud", "x")
    assert rules(trusting({"Federated": OIDC}, WEB, **audience), DocumentKind.TRUST) == ["federation-without-subject"]


def test_variables_in_an_old_document() -> None:
    """In an old document variables are plain strings."""
    assert rules(allow(resource="arn:aws:s3:::b/${aws:username}"), version=OLD) == ["old-version"]


@pytest.mark.parametrize(
    "statement",
    [
        allow("s3:*", "arn:aws:s3:::b/${aws:username}/*"),
        deny(**where("BoolIfExists", "aws:MultiFactorAuthPresent", "false")),
        allow(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": "a"}, "Null": {"aws:TagKeys": "false"}}),
        allow(**where("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/${aws:PrincipalTag/x}")),
        allow("sts:AssumeRole", **where("StringEquals", "sts:ExternalId", "x")),
    ],
)
def test_what_is_well_written_is_left_alone(statement: dict[str, Any]) -> None:
    """A correct policy gets no warning."""
    assert rules(statement) == []


def test_a_warning_says_where() -> None:
    """The path of a warning leads to the key."""
    (found,) = lint(
        parse_document(text_of(allow(**where("Bool", "aws:SecureTransport", "yes"))), DocumentKind.IDENTITY)
    )
    assert found.path == "Statement[0].Condition.Bool.aws:SecureTransport"


def test_the_keys_of_a_document() -> None:
    """Conditions first, then variables, without duplicates in any case."""
    statements = [
        allow(
            resource="arn:aws:s3:::b/${aws:username}", **where("StringEquals", "aws:PrincipalTag/x", "${aws:userid}")
        ),
        deny(**where("StringEquals", "AWS:principaltag/X", "a")),
    ]
    found = context_keys(parse_document(text_of(*statements), DocumentKind.IDENTITY))
    assert found == ("aws:PrincipalTag/x", "aws:username", "aws:userid")


def test_what_is_known_of_keys() -> None:
    """Families of tags, claims of issuers, and multivalued keys are known."""
    assert KNOWN["aws:tagkeys"].multivalued
    assert find_key("AWS:SourceIP") == KNOWN["aws:sourceip"]
    assert KNOWN["aws:sourceip"].type is KeyType.IP
    tag = find_key("aws:principaltag/Team")
    assert tag is not None
    assert tag.name == "aws:PrincipalTag/Team"
    claim = find_key("issuer.example:amr")
    assert claim is not None
    assert claim.multivalued
    assert find_key("sts:Nothing") is None
    assert find_key("aws:PrincipalTag/") is None
    propagated = find_key("AWS:transactioncontext/identityprovider/Cost Center:amr")
    assert propagated is not None
    assert propagated.name == "aws:TransactionContext/IdentityProvider/Cost Center:amr"
    assert not propagated.multivalued
    assert find_key("aws:TransactionContext/Other") is None
    assert find_key("aws:OriginIdentity/Groups") is None
