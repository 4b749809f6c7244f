"""Write the statement that a type of policy lacks, and add it.

It is never less strict than the nearest statements: it contains all of their conditions. If these exclude each other,
no statement is written.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from daypass.errors import MalformedPolicyDocument
from daypass.policy.authorization_request import AuthorizationRequest, PrincipalKind
from daypass.policy.compiled import CompiledStatement, Policy, PolicySet, PolicySource, compile_document
from daypass.policy.evaluate import Policies
from daypass.policy.language.document import VARIABLES_SINCE, DocumentKind, parse_document
from daypass.policy.source import PolicyType

# The name of the policy that contains the statement.
HELPFUL = "helpful-statement"
_KINDS: Mapping[PolicyType, DocumentKind] = {
    PolicyType.IDENTITY: DocumentKind.IDENTITY,
    PolicyType.BOUNDARY: DocumentKind.IDENTITY,
    PolicyType.SESSION: DocumentKind.SESSION,
    PolicyType.SERVICE_CONTROL: DocumentKind.SERVICE_CONTROL,
    PolicyType.RESOURCE_CONTROL: DocumentKind.RESOURCE_CONTROL,
    PolicyType.RESOURCE: DocumentKind.RESOURCE,
}
_WILD = {ord(letter): f"${{{letter}}}" for letter in "*?$"}


@dataclass(frozen=True, slots=True)
class HelpfulStatement:
    """A statement for a type of policy.

    `level` counts control policies from the organization's root.
    """

    by: PolicyType
    level: int
    trust: bool
    statement: Mapping[str, Any]
    compiled: Policy

    def added_to(self, policies: Policies) -> Policies:
        """Return the policies with this statement added."""
        if self.by is PolicyType.SERVICE_CONTROL:
            return replace(policies, service_control=self._in_level(policies.service_control))
        if self.by is PolicyType.RESOURCE_CONTROL:
            return replace(policies, resource_control=self._in_level(policies.resource_control))
        if self.by is PolicyType.IDENTITY:
            return replace(policies, identity=self._with(policies.identity))
        if self.by is PolicyType.BOUNDARY:
            return replace(policies, boundary=self._with(policies.boundary))
        if self.by is PolicyType.SESSION:
            return replace(policies, session=self._with(policies.session))
        return replace(policies, resource=self._with(policies.resource))

    def _with(self, policy_set: PolicySet | None) -> PolicySet:
        return PolicySet((*(() if policy_set is None else policy_set.policies), self.compiled))

    def _in_level(self, levels: tuple[PolicySet, ...]) -> tuple[PolicySet, ...]:
        return tuple(self._with(one) if at == self.level else one for at, one in enumerate(levels))


def write_statement(
    request: AuthorizationRequest, by: PolicyType, level: int, nearest: Iterable[CompiledStatement], *, trust: bool
) -> HelpfulStatement | None:
    """Return a statement that allows the request, or None.

    It has the conditions of the nearest statements.
    """
    conditions = _conditions(nearest)
    if conditions is None:
        return None
    statement: dict[str, Any] = {"Effect": "Allow"}
    if by is PolicyType.RESOURCE:
        statement["Principal"] = _principal(request)
    statement["Action"] = request.action
    if not trust:
        statement["Resource"] = request.resource if request.resource == "*" else request.resource.translate(_WILD)
    if conditions:
        statement["Condition"] = conditions
    compiled = _compile(statement, by, trust=trust)
    return None if compiled is None else HelpfulStatement(by, level, trust, statement, compiled)


def _conditions(nearest: Iterable[CompiledStatement]) -> dict[str, dict[str, list[str]]] | None:
    """Return all conditions as one element, or None if two of them conflict."""
    merged: dict[tuple[str, str], tuple[str, str, tuple[str, ...]]] = {}
    for compiled in nearest:
        for test in compiled.statement.conditions:
            same = merged.setdefault((test.operator, test.key.lower()), (test.operator, test.key, test.values))
            if set(same[2]) != set(test.values):
                return None
    written: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in merged.values():
        written.setdefault(operator, {})[key] = list(values)
    return written


def _compile(statement: Mapping[str, Any], by: PolicyType, *, trust: bool) -> Policy | None:
    kind = DocumentKind.TRUST if trust else _KINDS[by]
    text = json.dumps({"Version": VARIABLES_SINCE, "Statement": [statement]})
    try:
        return compile_document(parse_document(text, kind), PolicySource(by, HELPFUL))
    except MalformedPolicyDocument:
        return None  # Resource control policies only deny, and not every string is a valid resource.


def _principal(request: AuthorizationRequest) -> dict[str, str]:
    caller = request.principal
    if caller.kind in {PrincipalKind.WEB_IDENTITY, PrincipalKind.SAML}:
        return {"Federated": caller.federated}
    if caller.kind is PrincipalKind.SERVICE:
        return {"Service": caller.service}
    return {"AWS": caller.issuer_arn if caller.kind is PrincipalKind.ROLE_SESSION else caller.arn}
