"""Documents, callers and contexts on which two engines probably disagree.

Owns the strategies of the differential test and the laws. The alphabets are small, so that patterns and values, names
and callers, accounts and owners match often. Each row tests a rule that an implementation got wrong.
"""

from typing import Any

from hypothesis import strategies as st
from tests.policy.oracle.callers import ALICE, CALLERS, HERE, ROLE, THERE, one_or_some, principal_elements
from tests.policy.oracle.reference import Situation
from tests.policy.oracle.reference_values import Document

from daypass.policy.authorization_request import AuthorizationRequest, Principal

# Actions and resources --------------------------------------------------------------------------------------

ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "iam:GetUser")
_ACTION_PATTERNS = (
    "*", "s3:*", "S3:getobject", "s3:GetObject", "s3:PutObject", "s3:Get*", "s3:?etObject", "s3:*Object",
    "s3:*t*t", "iam:*", "IAM:GETUSER", "s3:ListBucke", "s3:ListBucket?",
)  # fmt: skip
TRUST_ACTIONS = (
    "sts:AssumeRole",
    "sts:TagSession",
    "sts:AssumeRoleWithWebIdentity",
    "sts:AssumeRoleWithSAML",
)
_TRUST_PATTERNS = (
    "sts:AssumeRole",
    "sts:*",
    "STS:assumerole",
    "sts:AssumeRole*",
    "sts:TagSession",
    "sts:Tag??ssion",
)

RESOURCES = (
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::b/alice/x",
    "arn:aws:s3:::b/a",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/${aws:username}",
    f"arn:aws:iam::{HERE}:user/team/alice",
    f"arn:aws:sns:eu-west-1:{HERE}:t:x:y",
    "*",
)
_RESOURCE_PATTERNS = (
    *RESOURCES,
    "arn:aws:s3:::B/k",
    "arn:aws:s3:::b/?",
    "arn:aws:s3:::b/*x",
    "arn:aws:s3:*",
    "arn:*",
    "arn:aws:s3:::b/${aws:username}/*",
    "arn:aws:s3:::b/${AWS:UserName}/x",
    "arn:aws:s3:::b/${aws:username, 'k'}",
    "arn:aws:s3:::b/${aws:PrincipalTag/team}",
    "arn:aws:s3:::b/${aws:PrincipalTag/none}",
    "arn:aws:s3:::b/${aws:PrincipalTag/none, '*'}",
    "arn:aws:s3:::b/${aws:TagKeys}",
    "arn:aws:s3:::b/${*}",
    "arn:aws:s3:::b/${?}",
    "arn:aws:s3:::b/${$}{aws:username}",
    f"arn:aws:*:*:{HERE}:*",
    f"arn:aws:iam::{HERE}:user/*",
    f"arn:aws:sns:*:{HERE}:t:*",
    f"arn:aws:sns:eu-west-1:{HERE}:*:y",
    f"arn:aws:sns:*:{THERE}:t:?:y",
    "arn:aws:s*s:eu-west-1:*:y",
    f"arn:aws:sn*-1:{HERE}:t:x:y",
    f"arn:aws:sn?:*:{HERE}:t:x:y",
    f"arn:aws:sns?eu-west-1:{HERE}:t:x:y",
    f"arn:aws:sns:e*:{HERE}:*x*",
    "arn:aws:*3:::b/?",
)

# Conditions -------------------------------------------------------------------------------------------------

_TEXTS = (
    "", "a", "A", "ab", "a*", "*", "?", "a?", "*b", "b", "alice", "ALICE", "${aws:username}",
    "${aws:username}*",
    "${AWS:USERNAME}", "${aws:PrincipalTag/none}", "${aws:PrincipalTag/none, 'a'}", "${aws:username, 'b'}",
    "${*}",
    "a${?}", "${$}{aws:username}", "${aws:TagKeys}", "x${aws:PrincipalTag/team}", "a.c", "a\nb",
)  # fmt: skip
_NUMBERS = (
    "1",
    "1.0",
    "10",
    "-1",
    "01",
    "0.1",
    "0.10",
    "9007199254740993",
    "9007199254740992",
    "1e1",
    "1e400",
    1,
    10,
    1.5,
    -1,
)
_DATES = (
    "2020", "2020-01", "2020-01-01", "2020-01-01T00:00Z", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00",
    "2019-12-31T23:00:00-01:00", "2020-01-01T00:00:00.5Z", "1577836800", "1577836800.5", "1577836801",
    "99999", 1577836800, "1999-06",
)  # fmt: skip
_TRUTHS = ("true", "True", "TRUE", "false", "False", True, False)
_NETWORKS = (
    "10.0.0.1", "10.0.0.1/32", "10.9.9.9/8", "10.0.0.0/8", "0.0.0.0/0", "::/0", "::1", "2001:db8::/32",
    "2001:DB8:0::1", "::ffff:10.0.0.1", "10.0.0.0/31",
    "nowhere", "10.0.0.0/33", "::ffff:10.0.0.0/104", "::ffff:0.0.0.0/90",
)  # fmt: skip
_BYTES = ("YQ==", "YWI=", "", "YWJj", "YQ")
_ARNS = (
    f"arn:aws:iam::{HERE}:role/path/builder", "arn:aws:iam::*:role/*",
    "arn:aws:*:*:*:*", f"arn:aws:iam::{HERE}:*",
    "arn:aws:iam::1?1111111111:role/path/builder", "arn:aws:sns:*:*:a:b", "arn:aws:sns:*:a:b", "arn:*", "*",
    "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::${aws:PrincipalAccount}:root", "arn:aws:*:b",
    "arn:aws:iam::*:user/${aws:PrincipalTag/none}", f"arn:aws:iam::{HERE}:user/a${{*}}",
)  # fmt: skip

# The policy values of each family, and the values of requests, sometimes of the wrong kind.
FAMILIES: dict[str, tuple[tuple[str, ...], tuple[str | int | float | bool, ...], tuple[str, ...]]] = {
    "String": (
        ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
        "StringLike",
         "StringNotLike"),
        (*_TEXTS, 1, True, 1.50),
        (*_TEXTS, "axb", "aab", "abcc", "xa", "a\\b", "1", "true", "1.50", "1.5"),
    ),
    "Numeric": (
        ("NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
        "NumericGreaterThan",
         "NumericGreaterThanEquals"),
        _NUMBERS,
        ("1", "1.00", "10", "1e1", "1e-1", "-1", "0.1", "9007199254740993", "abc", "", "10abc", " 1",
         "1_0", "inf", "nan", "٣"),
    ),
    "Date": (
        ("DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
         "DateGreaterThanEquals"),
        _DATES,
        ("2020-01-01T00:00:00Z", "1577836800", "2020-01-01T00:00:00.500Z", "2020-01-01T05:30:00+05:30",
        "2021", "soon",
         "", "2020-13-01", "2020-01-01T00:00:00", "1577836801", "2020-01-01T25:00:00Z"),
    ),
    "Bool": (("Bool",), _TRUTHS, ("true", "false", "True", "yes", "", "1")),
    "Binary": (("BinaryEquals",), _BYTES, ("YQ==", "YWI=", "YQ", "a", "", "!!!!")),
    "Ip": (
        ("IpAddress", "NotIpAddress"),
        _NETWORKS,
        ("10.0.0.1", "10.0.0.2", "11.0.0.1", "::1", "2001:db8::5", "::ffff:10.0.0.1", "10.0.0", "",
        "010.0.0.1"),
    ),
    "Arn": (
        ("ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
        _ARNS,
        (f"arn:aws:iam::{HERE}:role/path/builder", f"arn:aws:iam::{HERE}:root",
        f"arn:aws:iam::{HERE}:user/alice",
         "arn:aws:sns:r:1:a:b", "arn:aws:sns:r:1:x:a:b", f"arn:aws:iam::{HERE}:user/a*", "alice", "",
         "arn:aws:a:b"),
    ),
}  # fmt: skip

# A key for each family without a variable, a key with several values, and the keys of variables.
_KEYS = (
    "ex:Plain",
    "EX:plain",
    "ex:Other",
    "aws:TagKeys",
    "aws:username",
    "aws:PrincipalTag/team",
    "aws:PrincipalTag/Team",
    "aws:PrincipalArn",
)


@st.composite
def condition_blocks(draw: st.DrawFn, most: int = 2) -> Document:
    """Draw a Condition: some operators, each with some keys and values."""
    block: Document = {}
    for _ in range(draw(st.integers(0, most))):
        if draw(st.integers(0, 9)) == 0:
            block["Null"] = {draw(st.sampled_from(_KEYS)): draw(one_or_some(st.sampled_from(("true", "false", True))))}
            continue
        operators, wanted, _ = FAMILIES[draw(st.sampled_from(sorted(FAMILIES)))]
        quantifier = draw(st.sampled_from(("", "", "", "ForAllValues:", "ForAnyValue:")))
        name = quantifier + draw(st.sampled_from(operators)) + draw(st.sampled_from(("", "", "IfExists")))
        block[name] = {draw(st.sampled_from(_KEYS)): draw(one_or_some(st.sampled_from(wanted)))}
        if draw(st.integers(0, 29)) == 0:
            block[name] = {key: [] for key in block[name]}
    return block


# Fragments that parsers often misread, for concatenation.
_FRAGMENTS = {
    "String": ("${", "}", "$", "{", "a", "aws:username", "ex:other", ", ", "'", ",", "*", "?", ":", "${*}",
        "\\", "K", "\u212a"),
    "Arn": ("arn:aws:iam::", "arn:", "aws", ":", "::", "*", "?", "a", "/", "${aws:username}", "${", "}", "${*}"),
    "Numeric": ("1", "0", "-", "+", ".", "e", "E", "9", "_", " ", "\n", "\u0661", "inf"),
    "Date": ("2020", "-01", "-31", "T", "00:00", ":59", ":60", "23:59", "24:00", ".5", ".", "Z", "z",
        "+01:00", "-23:59", "+99:00",
             "1577836800", "0000", "9999-12-31", "-02-29", " ", "\n"),
    "Ip": ("10.0.0.1", "10.", "0", "/8", "/32", "/0", "/", "::", ":", "ffff", "1", "%eth0", ".", "/255.0.0.0",
        "\n", " "),
    "Binary": ("YQ==", "YQ", "=", "==", "YWJj", "-_", "+/", "\n", " ", "A"),
    "Bool": ("true", "false", "TRUE", "t", " ", "\n", "1"),
}  # fmt: skip


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[str, str, str]:
    """Draw an operator, a policy value and a request value from fragments."""
    family = draw(st.sampled_from(sorted(FAMILIES)))
    texts = st.lists(st.sampled_from(_FRAGMENTS[family]), max_size=6).map("".join)
    wanted = draw(texts)
    quantifier = draw(st.sampled_from(("", "", "ForAnyValue:", "ForAllValues:")))
    return quantifier + draw(st.sampled_from(FAMILIES[family][0])), wanted, draw(texts | st.just(wanted))


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, str | tuple[str, ...]]:
    """Draw the keys of a request.

    Each key may be missing; some have several values or an empty list.
    """
    values = st.sampled_from(sorted({value for _, _, given in FAMILIES.values() for value in given}))
    many = st.lists(values, max_size=3).map(tuple)
    context: dict[str, str | tuple[str, ...]] = {}
    for key, value in (
        ("ex:plain", st.one_of(values, values, values, many)),
        ("ex:other", values),
        ("aws:tagkeys", st.one_of(many, values)),
        ("aws:username", st.sampled_from(("alice", "a", "*", "a*", "${*}", "k"))),
        ("aws:principaltag/team", st.sampled_from(("k", "*", "a:b", "alice", ""))),
        ("aws:principalaccount", st.just(HERE)),
        ("aws:principalarn", st.sampled_from((ROLE, ALICE, f"arn:aws:iam::{HERE}:root"))),
    ):
        if draw(st.integers(0, 3)):
            context[key] = draw(value)
    return context


# Statements and documents -----------------------------------------------------------------------------------


@st.composite
def statements(
    draw: st.DrawFn,
    *,
    actions: tuple[str, ...] = _ACTION_PATTERNS,
    resources: bool = True,
    principals: bool = False,
    not_principals: bool = False,
    effects: tuple[str, ...] = ("Allow", "Allow", "Deny"),
    conditions: int = 1,
) -> Document:
    """Draw one statement."""
    statement: Document = {"Effect": draw(st.sampled_from(effects))}
    often = draw(st.booleans())
    inverted = draw(st.integers(0, 5)) == 0
    statement["NotAction" if inverted else "Action"] = (
        "*" if often and not inverted and "*" in actions else draw(one_or_some(st.sampled_from(actions)))
    )
    if resources:
        inverted = draw(st.integers(0, 5)) == 0
        statement["NotResource" if inverted else "Resource"] = (
            "*"
            if draw(st.booleans()) and not inverted
            else draw(
                one_or_some(st.sampled_from([name for name in _RESOURCE_PATTERNS if name != "*" or not inverted]))
            )
        )
    if principals:
        inverted = not_principals and draw(st.integers(0, 5)) == 0
        statement["NotPrincipal" if inverted else "Principal"] = draw(principal_elements())
    if conditions and draw(st.booleans()):
        statement["Condition"] = draw(condition_blocks(conditions))
    return statement


@st.composite
def documents(draw: st.DrawFn, /, *, most: int = 3, **parts: Any) -> Document:
    """Draw one document, with either Version or without one."""
    found = draw(st.lists(statements(**parts), min_size=1, max_size=most))
    document: Document = {"Statement": found[0] if len(found) == 1 and draw(st.booleans()) else found}
    version = draw(st.sampled_from(("2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17", None)))
    return document if version is None else {"Version": version, **document}


FULL_ACCESS: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
RESOURCE_CONTROL_FULL_ACCESS: Document = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


@st.composite
def resource_control_documents(draw: st.DrawFn) -> Document:
    """Draw a resource control policy: only Deny, for everyone, by condition."""
    statement = draw(statements(actions=("s3:*", "s3:Get*", "sts:*", "sts:AssumeRole"), effects=("Deny",)))
    statement["Action"] = statement.pop("NotAction", statement.get("Action"))
    return {"Version": "2012-10-17", "Statement": [{**statement, "Principal": "*"}]}


def _sets(element: st.SearchStrategy[Document]) -> st.SearchStrategy[tuple[Document, ...]]:
    return st.lists(element, max_size=2).map(tuple)


@st.composite
def situations(draw: st.DrawFn, *, trust: bool) -> Situation:
    """Draw the policies of one request.

    Each type is sometimes present, sometimes absent, sometimes allows everything.
    """
    patterns = (*_TRUST_PATTERNS, "*") if trust else _ACTION_PATTERNS
    plain = documents(actions=patterns, most=2)
    limits = st.one_of(st.none(), st.just((FULL_ACCESS,)), _sets(plain))
    level = st.one_of(st.just((FULL_ACCESS,)), _sets(plain))
    layers = st.one_of(st.just([]), st.lists(st.one_of(st.just(FULL_ACCESS), plain), max_size=3))
    guarded = resource_control_documents().map(lambda document: (RESOURCE_CONTROL_FULL_ACCESS, document))
    resource = (
        documents(actions=_TRUST_PATTERNS, resources=False, principals=True, most=2)
        if trust
        else documents(actions=patterns, principals=True, not_principals=True, most=2)
    )
    return Situation(
        identity=draw(_sets(plain)),
        boundary=draw(limits),
        session=draw(limits),
        service_control=tuple(draw(st.lists(level, max_size=2))),
        resource_control=tuple(draw(st.lists(guarded, max_size=1))),
        resource=(draw(resource),) if trust or draw(st.integers(0, 2)) else None,
        trust=trust,
        scoped=tuple(draw(layers)),
    )


@st.composite
def questions(
    draw: st.DrawFn, *, trust: bool = False, callers: tuple[Principal, ...] = CALLERS
) -> AuthorizationRequest:
    """Draw a caller, action, resource and context."""
    return AuthorizationRequest(
        action=draw(st.sampled_from(TRUST_ACTIONS if trust else ACTIONS)),
        resource=f"arn:aws:iam::{HERE}:role/target" if trust else draw(st.sampled_from(RESOURCES)),
        resource_account=HERE if trust else draw(st.sampled_from((HERE, HERE, HERE, HERE, THERE, THERE, ""))),
        principal=draw(st.sampled_from(callers)),
        context=draw(contexts()),
    )
