"""The reference itself, tested with sentences of the documentation.

A differential test proves little if both sides have the same mistake. Each case here is a sentence with its result.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.policy.oracle.callers import CALLERS, HERE, THERE
from tests.policy.oracle.reference import Situation, Verdict, judge
from tests.policy.oracle.reference_values import Document, globs, instant, number, pieces
from tests.policy.oracle.strategies import FULL_ACCESS

from daypass.policy.authorization_request import AuthorizationRequest, Principal, PrincipalKind

ROOT, ALICE, _, OUTSIDER, SESSION, _, FEDERATED, _, GOOGLE, _, _, EC2, NOBODY = CALLERS[:13]
ALLOWED, DENIED, FORBIDDEN = Verdict(True, False), Verdict(False, False), Verdict(False, True)
ROLE_ARN = f"arn:aws:iam::{HERE}:role/path/builder"


def document(effect: str = "Allow", version: str | None = "2012-10-17", **parts: Any) -> Document:
    """Return a document with one statement, about everything by default."""
    if "NotAction" not in parts:
        parts.setdefault("Action", "*")
    if "NotResource" not in parts and parts.pop("resources", True):
        parts.setdefault("Resource", "*")
    statement = {"Effect": effect, **parts}
    return {"Statement": statement} if version is None else {"Version": version, "Statement": statement}


def ask(
    who: Principal = ALICE,
    action: str = "s3:GetObject",
    resource: str = "arn:aws:s3:::b/k",
    account: str = HERE,
    context: Mapping[str, str | tuple[str, ...]] | None = None,
) -> AuthorizationRequest:
    """Return a request."""
    return AuthorizationRequest(
        action=action, resource=resource, resource_account=account, principal=who, context=context or {}
    )


def judged(
    condition: Document, context: Mapping[str, str | tuple[str, ...]], version: str | None = "2012-10-17"
) -> bool:
    """Return whether an Allow with this condition allows."""
    situation = Situation(identity=(document(version=version, Condition=condition),))
    return judge(ask(context=context), situation).allowed


CONDITIONS: tuple[tuple[str, Document, dict[str, str | tuple[str, ...]], bool], ...] = (
    ("a missing key fails a positive operator", {"StringEquals": {"k": "a"}}, {}, False),
    ("a missing key passes a negated operator", {"StringNotEquals": {"k": "a"}}, {}, True),
    ("IfExists passes on a missing key", {"StringEqualsIfExists": {"k": "a"}}, {}, True),
    ("IfExists still compares a present key", {"StringEqualsIfExists": {"k": "a"}}, {"k": "b"}, False),
    ("values are alternatives", {"StringEquals": {"k": ["a", "b"]}}, {"k": "b"}, True),
    ("a negated operator wants none of them", {"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
    (
        "operators are joined",
        {"StringEquals": {"k": "a"}, "StringLike": {"l": "a"}},
        {"k": "a", "l": "b"},
        False,
    ),
    ("keys are joined", {"StringEquals": {"k": "a", "l": "a"}}, {"k": "a", "l": "b"}, False),
    ("key names know no case", {"StringEquals": {"K": "a"}}, {"k": "a"}, True),
    ("values know case", {"StringEquals": {"k": "A"}}, {"k": "a"}, False),
    ("unless the operator does not", {"StringEqualsIgnoreCase": {"k": "A"}}, {"k": "a"}, True),
    ("StringEquals has no wildcards", {"StringEquals": {"k": "*"}}, {"k": "a"}, False),
    ("StringLike matches from end to end", {"StringLike": {"k": "a*c"}}, {"k": "abcc"}, True),
    ("a star crosses colons and lines", {"StringLike": {"k": "a*c"}}, {"k": "a:\nc"}, True),
    ("a question mark is one character", {"StringLike": {"k": "a?"}}, {"k": "a"}, False),
    (
        "ForAllValues: every value is listed",
        {"ForAllValues:StringEquals": {"k": ["a", "b"]}},
        {"k": ("a", "b")},
        True,
    ),
    ("ForAllValues: one is not", {"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ("a", "c")}, False),
    ("ForAllValues passes on a missing key", {"ForAllValues:StringEquals": {"k": "a"}}, {}, True),
    ("ForAnyValue: one is listed", {"ForAnyValue:StringEquals": {"k": "a"}}, {"k": ("c", "a")}, True),
    (
        "ForAnyValue fails on a missing key, negated too",
        {"ForAnyValue:StringNotEquals": {"k": "a"}},
        {},
        False,
    ),
    (
        "ForAllValues negated: all outside",
        {"ForAllValues:StringNotEquals": {"k": ["p", "a"]}},
        {"k": ("a", "h")},
        False,
    ),
    (
        "ForAnyValue negated: some outside",
        {"ForAnyValue:StringNotEquals": {"k": ["p", "a"]}},
        {"k": ("a", "h")},
        True,
    ),
    (
        "a quantifier takes a single value as a set",
        {"ForAnyValue:StringEquals": {"k": "a"}},
        {"k": "a"},
        True,
    ),
    ("Null true means absent", {"Null": {"k": "true"}}, {}, True),
    ("Null false means present", {"Null": {"k": "false"}}, {"k": "a"}, True),
    ("Null with both is always true", {"Null": {"k": ["true", "false"]}}, {"k": "a"}, True),
    ("Bool false fails on a missing key", {"Bool": {"k": "false"}}, {}, False),
    ("BoolIfExists false passes on it", {"BoolIfExists": {"k": "false"}}, {}, True),
    ("Bool knows two words", {"Bool": {"k": "true"}}, {"k": "yes"}, False),
    ("numbers compare by value", {"NumericEquals": {"k": "1.0"}}, {"k": "1"}, True),
    (
        "numbers are not doubled",
        {"NumericEquals": {"k": "9007199254740993"}},
        {"k": "9007199254740992"},
        False,
    ),
    ("no number, no match", {"NumericLessThan": {"k": "10"}}, {"k": "1abc"}, False),
    (
        "dates compare as instants",
        {"DateEquals": {"k": "2020-01-01T01:00:00+01:00"}},
        {"k": "1577836800"},
        True,
    ),
    ("four digits are a year", {"DateEquals": {"k": "2020"}}, {"k": "2020-01-01T00:00:00Z"}, True),
    ("host bits are masked", {"IpAddress": {"k": "10.9.9.9/8"}}, {"k": "10.0.0.1"}, True),
    ("families never meet", {"NotIpAddress": {"k": "0.0.0.0/0"}}, {"k": "::1"}, True),
    ("a lone address is itself", {"IpAddress": {"k": "::1"}}, {"k": "::2"}, False),
    ("bytes compare decoded", {"BinaryEquals": {"k": "YQ=="}}, {"k": "YQ=="}, True),
    (
        "ArnLike compares each part separately",
        {"ArnLike": {"k": "arn:aws:s:*:1:f/*"}},
        {"k": "arn:aws:s:e:9:x:1:f/d"},
        False,
    ),
    (
        "StringLike parts are not",
        {"StringLike": {"k": "arn:aws:s:*:1:f/*"}},
        {"k": "arn:aws:s:e:9:x:1:f/d"},
        True,
    ),
    (
        "the sixth part holds colons",
        {"ArnEquals": {"k": "arn:aws:s:*:1:a*"}},
        {"k": "arn:aws:s:e:1:a:b:c"},
        True,
    ),
    ("a star is no ARN", {"ArnLike": {"k": "*"}}, {"k": "arn:aws:s:e:1:a"}, False),
    ("variables are filled", {"StringEquals": {"k": "${u}/x"}}, {"k": "a/x", "u": "a"}, True),
    ("what they bring is literal", {"StringLike": {"k": "${u}"}}, {"k": "abc", "u": "*"}, False),
    ("and is not filled again", {"StringEquals": {"k": "${$}{u}"}}, {"k": "${u}", "u": "a"}, True),
    ("an escape is a character", {"StringLike": {"k": "a${*}"}}, {"k": "ab"}, False),
    ("also where stars are literal", {"StringEquals": {"k": "a${*}"}}, {"k": "a*"}, True),
    ("a missing variable fails a positive operator", {"StringLike": {"k": "${u}*"}}, {"k": "a"}, False),
    ("and passes a negated one", {"StringNotLike": {"k": "${u}*"}}, {"k": "a"}, True),
    ("a default stands in", {"StringEquals": {"k": "${u, 'z'}"}}, {"k": "z"}, True),
    ("only for what is absent", {"StringEquals": {"k": "${u, 'z'}"}}, {"k": "z", "u": "a"}, False),
    ("a key of many values fills nothing", {"StringEquals": {"k": "${u}"}}, {"k": "a", "u": ("a",)}, False),
)


@pytest.mark.parametrize(
    ("condition", "context", "expected"), [case[1:] for case in CONDITIONS], ids=[c[0] for c in CONDITIONS]
)
def test_conditions(condition: Document, context: dict[str, str | tuple[str, ...]], *, expected: bool) -> None:
    """Each condition has the result of its sentence."""
    assert judged(condition, context) is expected


@pytest.mark.parametrize("version", ["2008-10-17", None])
def test_an_older_version_has_no_variables(version: str | None) -> None:
    """Only 2012-10-17 has variables; the default is 2008-10-17."""
    condition = {"StringEquals": {"k": "${u}"}}
    assert not judged(condition, {"k": "a", "u": "a"}, version)
    assert judged(condition, {"k": "${u}", "u": "a"}, version)


TRUST: dict[str, Any] = {"Action": "sts:AssumeRole", "resources": False}
NAMED = {"AWS": ROLE_ARN}
NOTHING: tuple[Document, ...] = ()
COMBINATIONS: tuple[tuple[str, AuthorizationRequest, Situation, Verdict], ...] = (
    ("nothing said, nothing allowed", ask(), Situation(), DENIED),
    ("root needs no policy", ask(ROOT), Situation(), ALLOWED),
    ("a service control policy binds root", ask(ROOT), Situation(service_control=(NOTHING,)), DENIED),
    ("an identity policy grants", ask(), Situation(identity=(FULL_ACCESS,)), ALLOWED),
    ("a Deny beats it", ask(), Situation(identity=(FULL_ACCESS, document("Deny"))), FORBIDDEN),
    ("a boundary limits", ask(), Situation(identity=(FULL_ACCESS,), boundary=NOTHING), DENIED),
    (
        "every level must allow",
        ask(),
        Situation(identity=(FULL_ACCESS,), service_control=((FULL_ACCESS,), NOTHING)),
        DENIED,
    ),
    (
        "a resource names the user",
        ask(),
        Situation(boundary=NOTHING, resource=(document(Principal={"AWS": ALICE.arn}),)),
        ALLOWED,
    ),
    (
        "a resource delegates to the account",
        ask(),
        Situation(resource=(document(Principal={"AWS": HERE}),)),
        DENIED,
    ),
    ("a resource names the role", ask(SESSION), Situation(resource=(document(Principal=NAMED),)), ALLOWED),
    (
        "then the boundary still limits",
        ask(SESSION),
        Situation(boundary=NOTHING, resource=(document(Principal=NAMED),)),
        DENIED,
    ),
    (
        "then the session policy still limits",
        ask(SESSION),
        Situation(session=NOTHING, resource=(document(Principal=NAMED),)),
        DENIED,
    ),
    (
        "a resource names the session",
        ask(SESSION),
        Situation(session=NOTHING, boundary=NOTHING, resource=(document(Principal={"AWS": SESSION.arn}),)),
        ALLOWED,
    ),
    (
        "a Deny in the session policy holds all the same",
        ask(SESSION),
        Situation(session=(document("Deny"),), resource=(document(Principal={"AWS": SESSION.arn}),)),
        FORBIDDEN,
    ),
    ("no session policy, no federated user", ask(FEDERATED), Situation(identity=(FULL_ACCESS,)), DENIED),
    (
        "unless the resource names it",
        ask(FEDERATED),
        Situation(resource=(document(Principal={"AWS": FEDERATED.arn}),)),
        ALLOWED,
    ),
    (
        "across accounts both must allow: not the caller's",
        ask(OUTSIDER),
        Situation(resource=(document(Principal="*"),)),
        DENIED,
    ),
    ("not the resource's", ask(OUTSIDER), Situation(identity=(FULL_ACCESS,)), DENIED),
    (
        "both do",
        ask(OUTSIDER),
        Situation(identity=(FULL_ACCESS,), resource=(document(Principal={"AWS": THERE}),)),
        ALLOWED,
    ),
    (
        "a star admits an anonymous caller",
        ask(NOBODY),
        Situation(resource=(document(Principal="*"),)),
        ALLOWED,
    ),
    ("a service is not", ask(EC2), Situation(resource=(document(Principal="*"),)), DENIED),
    (
        "a service is let in by name",
        ask(EC2),
        Situation(resource=(document(Principal={"Service": EC2.service}),)),
        ALLOWED,
    ),
    (
        "a Deny for everyone means services too",
        ask(EC2),
        Situation(resource=(document("Deny", Principal="*"),)),
        FORBIDDEN,
    ),
    (
        "identity alone never assumes a role",
        ask(action="sts:AssumeRole"),
        Situation(
            identity=(FULL_ACCESS,),
            resource=(document("Allow", Principal={"AWS": THERE}, **TRUST),),
            trust=True,
        ),
        DENIED,
    ),
    (
        "delegation needs the identity policy",
        ask(action="sts:AssumeRole"),
        Situation(
            identity=(FULL_ACCESS,),
            resource=(document("Allow", Principal={"AWS": HERE}, **TRUST),),
            trust=True,
        ),
        ALLOWED,
    ),
    (
        "in one account a star is enough",
        ask(action="sts:AssumeRole"),
        Situation(resource=(document("Allow", Principal="*", **TRUST),), trust=True),
        ALLOWED,
    ),
    (
        "a recreated user is another user",
        ask(action="sts:AssumeRole"),
        Situation(resource=(document("Allow", Principal={"AWS": "AIDAGONE000000000000"}, **TRUST),), trust=True),
        DENIED,
    ),
    (
        "a provider is matched whole",
        ask(GOOGLE, action="sts:AssumeRoleWithWebIdentity"),
        Situation(
            resource=(document(Principal={"Federated": GOOGLE.federated}, Action="sts:*", resources=False),),
            trust=True,
        ),
        ALLOWED,
    ),
    (
        "NotPrincipal with Deny hits a session whose account is not listed",
        ask(SESSION),
        Situation(
            identity=(FULL_ACCESS,),
            resource=(document("Deny", NotPrincipal={"AWS": [ROLE_ARN, SESSION.arn]}),),
        ),
        FORBIDDEN,
    ),
    (
        "and lets one go that is listed at every step",
        ask(SESSION),
        Situation(
            identity=(FULL_ACCESS,),
            resource=(document("Deny", NotPrincipal={"AWS": [ROLE_ARN, SESSION.arn, HERE]}),),
        ),
        ALLOWED,
    ),
)


@pytest.mark.parametrize(
    ("question", "situation", "expected"),
    [case[1:] for case in COMBINATIONS],
    ids=[c[0] for c in COMBINATIONS],
)
def test_combinations(question: AuthorizationRequest, situation: Situation, expected: Verdict) -> None:
    """Each combination of policies has the result of its sentence."""
    assert judge(question, situation) == expected


RESOURCES = (
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y:z", True),
    ("arn:aws:s3:*", "arn:aws:s3:::b", True),
    ("arn:aws:s3:::B", "arn:aws:s3:::b", False),
    ("arn:aws:s3:::${u}", "arn:aws:s3:::a", True),
    ("arn:aws:s3:::${none}", "arn:aws:s3:::a", False),
    ("arn:aws:${u}:::a", "arn:aws:a:::a", False),
)


@pytest.mark.parametrize(("pattern", "resource", "expected"), RESOURCES)
def test_resources(pattern: str, resource: str, *, expected: bool) -> None:
    """Resources have case, stars match slashes, variables follow the fifth colon."""
    situation = Situation(identity=(document(Resource=pattern),))
    assert judge(ask(resource=resource, context={"u": "a"}), situation).allowed is expected


def test_actions_know_no_case() -> None:
    """Service prefix and action name match in any case.

    NotAction matches all other actions.
    """
    assert judge(ask(), Situation(identity=(document(Action="S3:gET*"),))).allowed
    assert not judge(ask(), Situation(identity=(document(NotAction="S3:gET*"),))).allowed
    assert judge(ask(action="iam:GetUser"), Situation(identity=(document(NotAction="s3:*"),))).allowed


def test_a_kind_of_caller_that_a_name_does_not_fit() -> None:
    """A provider's name in the wrong element does not match."""
    assert PrincipalKind.WEB_IDENTITY is GOOGLE.kind
    trusted = document(Principal={"AWS": GOOGLE.federated}, **TRUST)
    assert not judge(ask(GOOGLE, action="sts:AssumeRole"), Situation(resource=(trusted,), trust=True)).allowed


def test_values() -> None:
    """The parsers accept the documented values, and the table is correct."""
    assert number("1e2") == 100
    assert number("1e2000") is None
    assert number("٣") is None
    assert instant("2020-13-01") is None
    assert instant("2020-01-01T00:00:00") is None
    assert instant("20200") == 20200
    assert globs(pieces("a*b?c", variables=False, context={}) or [], "axxbyc")
