"""Policies: any string is read or refused, and any policy makes a decision.

The decision does not depend on the spelling of the policy.
"""

import json
from typing import Any

from tests.fuzz.choices import Choices
from tests.policy.engine_requests import ALL, NOTHING, federated_user, question, root, session, user

from daypass.errors import Fault
from daypass.policy.authorization_request import ContextValue
from daypass.policy.compiled import PolicySet, compile_document, compile_set
from daypass.policy.decision import Denied
from daypass.policy.evaluate import Policies, decide
from daypass.policy.language.document import DocumentKind, parse_document
from daypass.policy.source import PolicySource, PolicyType

_TYPES = {
    DocumentKind.IDENTITY: PolicyType.IDENTITY,
    DocumentKind.SESSION: PolicyType.SESSION,
    DocumentKind.TRUST: PolicyType.RESOURCE,
    DocumentKind.RESOURCE: PolicyType.RESOURCE,
    DocumentKind.SERVICE_CONTROL: PolicyType.SERVICE_CONTROL,
    DocumentKind.RESOURCE_CONTROL: PolicyType.RESOURCE_CONTROL,
}
_CONTEXT: dict[str, ContextValue] = {
    "aws:username": "alice",
    "aws:sourceip": "203.0.113.7",
    "aws:currenttime": "2026-03-01T12:00:00Z",
    "aws:securetransport": "true",
    "aws:tagkeys": ("team", "cost"),
    "aws:principaltag/team": "red*",
    "sts:externalid": "17",
}
_ASKED = [
    question(caller, action, on, _CONTEXT)
    for caller in (user(), root(), session(), federated_user())
    for action, on in (
        ("s3:GetObject", "arn:aws:s3:::b/k"),
        ("sts:AssumeRole", "arn:aws:iam::111111111111:role/target"),
    )
]


_ACTIONS = ("*", "s3:*", "s3:GetObject", "s3:Get?bject", "S3:getobject", "sts:AssumeRole", "sts:*Role", "iam:*")
_RESOURCES = ("*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::${aws:username}/*", "arn:*:iam::*:role/t*")
_PRINCIPALS = (
    "*",
    "111111111111",
    "arn:aws:iam::111111111111:user/alice",
    "arn:aws:iam::222222222222:root",
    "AIDAALICE",
)
_SETS = ("", "ForAllValues:", "ForAnyValue:")
_OPERATORS = (
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericLessThan",
    "DateGreaterThan",
    "DateNotEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnLike",
    "ArnNotEquals",
    "Null",
)
_VALUES = ("*", "alice", "red?", "203.0.113.0/24", "true", "17", "2026-03-01T12:00:00Z", "${aws:username}", "${*}", "")


class NotComparedError(Exception):
    """The document has a number that another serializer would write differently."""


def fuzz_one(data: bytes) -> None:
    """Read a string as each kind of policy, or build a policy of the language's words, and decide."""
    choices = Choices(data)
    kind, is_built = choices.pick(tuple(DocumentKind)), choices.flag()
    text = _built(choices, kind) if is_built else choices.rest().decode("utf-8", "surrogateescape")
    policies = _compiled(text, kind)
    if policies is None:
        return
    decisions = [_decision(policies, kind, asked) for asked in _ASKED]
    for other in _typed_otherwise(text):
        again = _compiled(other, kind)
        assert again is not None, "a policy is refused when it is typed otherwise"
        assert [_decision(again, kind, asked) for asked in _ASKED] == decisions


def _built(choices: Choices, kind: DocumentKind) -> str:
    statements = [_statement(choices, kind) for _ in range(1 + choices.below(4))]
    version = choices.pick(("2012-10-17", "2008-10-17"))
    return json.dumps({"Version": version, "Statement": statements})


def _statement(choices: Choices, kind: DocumentKind) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": choices.pick(("Allow", "Deny"))}
    statement[choices.pick(("Action", "NotAction"))] = _words(choices, _ACTIONS)
    if kind is not DocumentKind.TRUST:
        statement[choices.pick(("Resource", "NotResource"))] = _words(choices, _RESOURCES)
    if kind in {DocumentKind.TRUST, DocumentKind.RESOURCE, DocumentKind.RESOURCE_CONTROL}:
        principal = choices.pick(("*", {"AWS": _words(choices, _PRINCIPALS)}))
        statement[choices.pick(("Principal", "NotPrincipal"))] = principal
    if choices.flag():
        statement["Condition"] = {
            choices.pick(_SETS) + choices.pick(_OPERATORS) + choices.pick(("", "IfExists")): {
                choices.pick((*_CONTEXT, "aws:absent")): _words(choices, _VALUES)
            }
            for _ in range(1 + choices.below(2))
        }
    return statement


def _words(choices: Choices, words: tuple[str, ...]) -> str | list[str]:
    found = [choices.pick(words) if choices.below(8) else choices.text() for _ in range(1 + choices.below(3))]
    return found[0] if len(found) == 1 else found


def _compiled(text: str, kind: DocumentKind) -> PolicySet | None:
    try:
        document = parse_document(text, kind)
    except Fault:
        return None
    return compile_set([compile_document(document, PolicySource(_TYPES[kind], "p"))])


def _decision(policies: PolicySet, kind: DocumentKind, asked: Any) -> Any:
    given: dict[str, Any] = {"identity": ALL}
    if kind is DocumentKind.IDENTITY:
        given = {"identity": policies}
    elif kind is DocumentKind.SESSION:
        given["session"] = policies
    elif kind is DocumentKind.SERVICE_CONTROL:
        given["service_control"] = (policies,)
    elif kind is DocumentKind.RESOURCE_CONTROL:
        given["resource_control"] = (policies,)
    else:
        given = {"identity": NOTHING, "resource": policies, "trust": kind is DocumentKind.TRUST}
    decision = decide(asked, Policies(**given))
    if isinstance(decision, Denied):
        assert not decision.failure, f"a statement that was accepted cannot be evaluated: {decision.failure}"
        return "denied", decision.explicit
    return "allowed", decision.statements


def _typed_otherwise(text: str) -> list[str]:
    try:
        value = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
        if "-0" in text:
            return []
        return [json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False), json.dumps(_turned(value))]
    except NotComparedError:
        return []


def _turned(value: Any) -> Any:
    """Return the same value with the members of every object in another order."""
    if isinstance(value, dict):
        return {name: _turned(member) for name, member in reversed(value.items())}
    return [_turned(member) for member in value] if isinstance(value, list) else value


def _refuse(_: str) -> None:
    raise NotComparedError
