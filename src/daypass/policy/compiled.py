"""Policies in the form that evaluation uses.

Owns the compilation of a document, once, and the search for the statements about an action.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from daypass.arn import account_in_arn
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.condition import Holds, compile_condition
from daypass.policy.decision import DECIDED, Allowed, StatementRef
from daypass.policy.index import ResourceIndex
from daypass.policy.language.document import Document, DocumentKind
from daypass.policy.language.statement import ConditionTest, Statement
from daypass.policy.principal import PrincipalMatch
from daypass.policy.resource import ResourceMatch, compile_resources, literal_heads
from daypass.policy.source import PolicySource, PolicyType
from daypass.policy.weight import ConditionSize, Weight, weigh, weigh_condition
from daypass.policy.wildcard import Match, compile_wildcard, tokens_of

__all__ = [
    "CompiledStatement",
    "Policy",
    "PolicySet",
    "PolicySource",
    "PolicyType",
    "compile_document",
    "compile_set",
    "with_source",
]

_SHARED_CHARACTERS = 256  # longer elements are rarely equal, and would make the caches large
_CompiledCondition = tuple[Holds, ConditionSize]
_CACHED_ACTIONS = 512  # more than any service has; a flood of invented action names only empties the cache


class ActionMatch:
    """The compiled Action or NotAction element. Not case-sensitive."""

    __slots__ = ("_exact", "_inverted", "_patterns", "characters")

    def __init__(self, patterns: Sequence[str], *, inverted: bool) -> None:
        lowered = {pattern.lower() for pattern in patterns}
        wild = {pattern for pattern in lowered if "*" in pattern or "?" in pattern}
        self._exact = frozenset(lowered - wild)
        self._patterns: tuple[Match, ...] = tuple(compile_wildcard(tokens_of(pattern)) for pattern in sorted(wild))
        self._inverted = inverted
        self.characters = 1 + sum(len(pattern) + 1 for pattern in wild)

    def covers(self, action: str) -> bool:
        """Return whether the element covers `action`."""
        lowered = action.lower()
        listed = lowered in self._exact or any(match(lowered) for match in self._patterns)
        return listed is not self._inverted


class CompiledStatement(msgspec.Struct, frozen=True):
    """One compiled statement, with conditions in the order of `statement`."""

    ref: StatementRef
    statement: Statement
    action: ActionMatch
    principal: PrincipalMatch | None
    resource: ResourceMatch | None
    heads: tuple[str, ...]
    conditions: tuple[Holds, ...]
    weight: Weight
    allowed: Allowed
    """The decision if this statement alone decides, built in advance. Only evaluate.py returns it."""

    def applies(self, request: AuthorizationRequest) -> bool:
        """Return whether the resource and the conditions match.

        The caller tests action and principal.
        """
        context = request.context
        if self.resource is not None and not self.resource(request.resource, context):
            return False
        for holds in self.conditions:  # noqa: SIM110 - the hot path; a generator costs more than the test
            if not holds(context):
                return False
        return True


Candidates = tuple[ResourceIndex[CompiledStatement], ResourceIndex[CompiledStatement]]
"""The Deny statements and the Allow statements about one action."""


class Policy(msgspec.Struct, frozen=True):
    """One compiled policy."""

    source: PolicySource
    document: Document
    statements: tuple[CompiledStatement, ...]


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Several policies that are evaluated as one.

    Immutable except for a cache of each action's statements. `characters` is the number of pattern characters that may
    be compared with a request, `action_characters` with an action. Without `has_denies`, no statement is a Deny.
    """

    policies: tuple[Policy, ...]
    characters: int = field(init=False, repr=False, compare=False)
    action_characters: int = field(init=False, repr=False, compare=False)
    has_denies: bool = field(init=False, repr=False, compare=False)
    _by_action: dict[str, Candidates] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        statements = [statement for policy in self.policies for statement in policy.statements]
        actions = sum(statement.action.characters for statement in statements)
        object.__setattr__(self, "action_characters", actions)
        object.__setattr__(self, "has_denies", not all(one.statement.allow for one in statements))
        object.__setattr__(self, "characters", actions + sum(one.weight.characters for one in statements))

    def candidates(self, action: str) -> Candidates:
        """Return the Deny and the Allow statements about `action`."""
        found = self._by_action.get(action)
        if found is None:
            found = self._select(action)
            if len(self._by_action) >= _CACHED_ACTIONS:
                self._by_action.clear()
            self._by_action[action] = found
        return found

    def statements_about(self, action: str) -> list[CompiledStatement]:
        """Return the statements about `action`, in their order."""
        return [
            statement for policy in self.policies for statement in policy.statements if statement.action.covers(action)
        ]

    def _select(self, action: str) -> Candidates:
        about_action = self.statements_about(action)
        return (
            ResourceIndex.of(statement for statement in about_action if not statement.statement.allow),
            ResourceIndex.of(statement for statement in about_action if statement.statement.allow),
        )


def compile_document(document: Document, source: PolicySource) -> Policy:
    """Return the compiled form of a document."""
    compiled = tuple(_compile_statement(statement, document, source) for statement in document.statements)
    return Policy(source, document, compiled)


def with_source(policy: Policy, source: PolicySource) -> Policy:
    """Return a compiled policy as that of another source.

    The caller vouches that both sources are of one account: their conditions are shared.
    """
    return Policy(source, policy.document, tuple([_with_source(one, source) for one in policy.statements]))


def _with_source(compiled: CompiledStatement, source: PolicySource) -> CompiledStatement:
    ref = StatementRef(source, compiled.ref.index, compiled.ref.sid)
    return CompiledStatement(
        ref,
        compiled.statement,
        compiled.action,
        compiled.principal,
        compiled.resource,
        compiled.heads,
        compiled.conditions,
        compiled.weight,
        Allowed((ref,), DECIDED),
    )


def compile_set(policies: Iterable[Policy]) -> PolicySet:
    """Return several policies as one set."""
    return PolicySet(tuple(policies))


def _compile_statement(statement: Statement, document: Document, source: PolicySource) -> CompiledStatement:
    allow, variables = statement.allow, document.variables
    ref = StatementRef(source, statement.index, statement.sid)
    principal = None
    if statement.principals is not None:
        principal = PrincipalMatch(statement, closed=document.kind is DocumentKind.TRUST)
    resource = None
    if statement.resources is not None:
        resource = compile_resources(
            statement.resources, inverted=statement.not_resource, allow=allow, variables=variables
        )
    account = account_in_arn(source.owner)
    conditions = [_condition(test, variables, not allow, account) for test in statement.conditions]
    action = _action(statement.actions, inverted=statement.not_action)
    heads = literal_heads(statement.resources, inverted=statement.not_resource, variables=variables)
    weight = weigh(statement, tuple(size for _, size in conditions), variables=variables)
    allowed = Allowed((ref,), DECIDED)
    holds = tuple(one for one, _ in conditions)
    return CompiledStatement(ref, statement, action, principal, resource, heads, holds, weight, allowed)


def _action(patterns: tuple[str, ...], *, inverted: bool) -> ActionMatch:
    """Return a compiled element. Statements with the same short element share it."""
    if sum(map(len, patterns)) > _SHARED_CHARACTERS:
        return ActionMatch(patterns, inverted=inverted)
    return _shared_action(patterns, inverted)


def _condition(test: ConditionTest, variables: bool, on_doubt: bool, account: str) -> _CompiledCondition:  # noqa: FBT001 - a key of the cache
    """Return a compiled condition. Roles of an account often have the same, and then share it.

    Accounts do not share them: the time of a compilation must not tell the conditions of another account.
    """
    if not account or len(test.key) + sum(map(len, test.values)) > _SHARED_CHARACTERS:
        return _compile(test, variables, on_doubt)
    return _shared_condition(test, variables, on_doubt, account)


def _compile(test: ConditionTest, variables: bool, on_doubt: bool) -> _CompiledCondition:  # noqa: FBT001
    holds = compile_condition(test, variables=variables, on_doubt=on_doubt)
    return holds, weigh_condition(test, variables=variables)


@lru_cache(maxsize=1024)
def _shared_condition(
    test: ConditionTest,
    variables: bool,  # noqa: FBT001
    on_doubt: bool,  # noqa: FBT001
    account: str,  # noqa: ARG001 - a part of the cache's key
) -> _CompiledCondition:
    return _compile(test, variables, on_doubt)


@lru_cache(maxsize=1024)
def _shared_action(patterns: tuple[str, ...], inverted: bool) -> ActionMatch:  # noqa: FBT001
    return ActionMatch(patterns, inverted=inverted)
