"""Policy documents: parse a string into statements, or refuse it.

Owns the outermost grammar, the differences between the kinds of policy, and sizes. Leaves single statements to
elements.py. Source: IAM User Guide, "Grammar of the IAM JSON policy language", "IAM and AWS STS quotas"; AWS
Organizations User Guide, "SCP syntax", "RCP syntax".
"""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

import msgspec

from daypass.errors import LimitExceeded
from daypass.policy.language.document_text import read_json, without_white_space
from daypass.policy.language.elements import PolicyGrammar, Presence, parse_statement, refuse, refuse_with
from daypass.policy.language.statement import Statement
from daypass.strict_json import NotStrictJsonError, NumberText

VARIABLES_SINCE = "2012-10-17"
_VERSIONS = frozenset({"2008-10-17", VARIABLES_SINCE})
_ANY_SID = re.compile(r"[ -~]{0,1024}")
_FULL_ACCESS = ("*",)


class DocumentKind(Enum):
    """The purpose of a document, which decides the allowed elements."""

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a call of Python

    IDENTITY = "identity"
    SESSION = "session"
    TRUST = "trust"
    RESOURCE = "resource"
    SERVICE_CONTROL = "service control"
    RESOURCE_CONTROL = "resource control"


class Document(msgspec.Struct, frozen=True):
    """A policy that AWS would accept."""

    kind: DocumentKind
    version: str
    id: str
    statements: tuple[Statement, ...]
    text: str

    @property
    def variables(self) -> bool:
        """Return whether `${…}` is a variable.

        It is literal in the old version, which applies without a Version.
        """
        return self.version == VARIABLES_SINCE


_NO_PRINCIPAL = PolicyGrammar(principal=Presence.FORBIDDEN, resource=Presence.REQUIRED)
GRAMMARS: Mapping[DocumentKind, PolicyGrammar] = MappingProxyType(
    {
        DocumentKind.IDENTITY: _NO_PRINCIPAL,
        DocumentKind.SESSION: _NO_PRINCIPAL,
        DocumentKind.SERVICE_CONTROL: _NO_PRINCIPAL,
        DocumentKind.TRUST: PolicyGrammar(principal=Presence.REQUIRED, resource=Presence.FORBIDDEN, sts_only=True),
        DocumentKind.RESOURCE: PolicyGrammar(
            principal=Presence.REQUIRED,
            resource=Presence.REQUIRED,
            not_principal=True,
            check_resource=None,
            sid=_ANY_SID,
        ),
        DocumentKind.RESOURCE_CONTROL: PolicyGrammar(
            principal=Presence.REQUIRED, resource=Presence.REQUIRED, everyone_only=True
        ),
    }
)
_WITH_ID = frozenset({DocumentKind.IDENTITY, DocumentKind.TRUST, DocumentKind.RESOURCE, DocumentKind.RESOURCE_CONTROL})


def parse_document(text: str, kind: DocumentKind) -> Document:
    """Return the document. Raises MalformedPolicyDocument if it is invalid."""
    return parse_with(text, kind, GRAMMARS[kind])


def parse_with(text: str, kind: DocumentKind, grammar: PolicyGrammar) -> Document:
    """Return the document, as `parse_document` does, with another grammar."""
    try:
        value = read_json(text)
    except NotStrictJsonError as problem:
        refuse_with("This policy contains invalid Json", str(problem))
    if not isinstance(value, dict):
        refuse("policy", "must be an object")
    _check_top(value, kind)
    statements = _statements(value["Statement"], grammar)
    _check_sids(statements)
    if kind is DocumentKind.RESOURCE_CONTROL:
        _check_resource_control(statements)
    return Document(
        kind=kind,
        version=value.get("Version", ""),
        id=value.get("Id", ""),
        statements=statements,
        text=text,
    )


def size_of(text: str, *, count_white_space: bool) -> int:
    """Return the size of a document in characters, as quotas count it."""
    return len(text) if count_white_space else len(without_white_space(text))


def check_size(document_text: str, limit: int, *, count_white_space: bool) -> None:
    """Refuse a document larger than the quota.

    IAM does not count white space outside of strings; other services do.
    """
    if size_of(document_text, count_white_space=count_white_space) > limit:
        raise LimitExceeded(f"Cannot exceed quota for PolicySize: {limit}")


def _check_top(value: Mapping[str, Any], kind: DocumentKind) -> None:
    for name in value:
        if name not in ("Version", "Id", "Statement"):
            refuse(name, "is not a policy element")
    for name in ("Version", "Id"):
        if name in value and (not isinstance(value[name], str) or isinstance(value[name], NumberText)):
            refuse(name, "must be a string")
    if "Version" in value and value["Version"] not in _VERSIONS:
        refuse_with("The policy must contain a valid version string", "Version")
    if "Id" in value and kind not in _WITH_ID:
        refuse("Id", "is not allowed in this kind of policy")
    if "Statement" not in value:
        refuse("Statement", "is missing")


def _statements(value: Any, grammar: PolicyGrammar) -> tuple[Statement, ...]:
    if isinstance(value, dict):
        return (parse_statement(value, 0, "Statement", grammar),)
    if not isinstance(value, list):
        refuse("Statement", "must be an object or a list of objects")
    if not value:
        refuse_with("Could not parse the policy: Statement is empty!", "Statement")
    return tuple(parse_statement(one, index, f"Statement[{index}]", grammar) for index, one in enumerate(value))


def _check_sids(statements: tuple[Statement, ...]) -> None:
    seen: set[str] = set()
    for statement in statements:
        if statement.sid and statement.sid in seen:
            refuse_with("Statement IDs (SID) in a single policy must be unique.", f"Statement[{statement.index}].Sid")
        seen.add(statement.sid)


def _check_resource_control(statements: tuple[Statement, ...]) -> None:
    """Refuse Allow statements: only AWS's own RCPFullAWSAccess may allow."""
    for statement in statements:
        full = statement.actions == statement.resources == _FULL_ACCESS and not statement.conditions
        plain = not statement.not_action and not statement.not_resource
        if statement.allow and not (full and plain):
            refuse(f"Statement[{statement.index}].Effect", "a resource control policy can only deny")
