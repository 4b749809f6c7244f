"""The changes of a remedy, and their check by the engine.

Owns the tests whether a plan works, has needless parts, or bypasses a condition. Leaves the search to remedy.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import msgspec

from daypass.authorize.condition_text import say_requirement
from daypass.authorize.helpful_statement import HelpfulStatement
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.decision import Allowed, StatementRef
from daypass.policy.evaluate import Policies, decide
from daypass.policy.reasons.witness import Requirement, find_context


@dataclass(frozen=True, slots=True)
class Need:
    """A condition that the request must meet or, for a Deny, must not meet."""

    ref: StatementRef
    requirement: Requirement

    @property
    def words(self) -> str:
        """Return the instruction as a sentence."""
        return say_requirement(self.requirement.test, wanted=self.requirement.wanted)


@dataclass(frozen=True, slots=True)
class RemedyPlan:
    """A request, its policies, and the changes of both.

    `needs` also has conditions that hold already: a change for one must not break another.
    """

    request: AuthorizationRequest
    policies: Policies
    needs: tuple[Need, ...] = ()
    statements: tuple[HelpfulStatement, ...] = ()
    changed_request: AuthorizationRequest = field(init=False)
    changed: Policies = field(init=False)
    possible: bool = field(init=False)

    def __post_init__(self) -> None:
        context = find_context((need.requirement for need in self.needs), self.request.context)
        changed = self.policies
        for one in self.statements:
            changed = one.added_to(changed)
        object.__setattr__(self, "possible", context is not None)
        changed_request = self.request if context is None else msgspec.structs.replace(self.request, context=context)
        object.__setattr__(self, "changed_request", changed_request)
        object.__setattr__(self, "changed", changed)

    def works(self) -> bool:
        """Return whether the request is allowed with all changes of the plan."""
        return self.possible and isinstance(decide(self.changed_request, self.changed), Allowed)


def without_needless(plan: RemedyPlan) -> RemedyPlan:
    """Return the plan without needless parts: it also works without them."""
    while True:
        shorter = next((one for one in _shorter(plan) if one.works()), None)
        if shorter is None:
            return plan
        plan = shorter


def _shorter(plan: RemedyPlan) -> Iterator[RemedyPlan]:
    for one in plan.statements:
        yield replace(plan, statements=tuple(other for other in plan.statements if other is not one))
    for need in plan.needs:
        yield replace(plan, needs=tuple(other for other in plan.needs if other is not need))


def is_safe(plan: RemedyPlan) -> bool:
    """Return whether a request that misses a condition stays refused.

    It is one of the needs, or of an added statement.
    """
    if not plan.works() or any(isinstance(decide(one, plan.changed), Allowed) for one in _missing_one(plan)):
        return False
    return all(_keeps_conditions(one, plan) for one in plan.statements)


def _missing_one(plan: RemedyPlan) -> Iterator[AuthorizationRequest]:
    """Yield the request with one changed key reset, for each such key."""
    before = plan.request.context
    for key in {need.requirement.key for need in plan.needs}:
        context = {name: value for name, value in plan.changed_request.context.items() if name != key}
        if key in before:
            context[key] = before[key]
        if context != plan.changed_request.context:
            yield msgspec.structs.replace(plan.changed_request, context=context)


def _keeps_conditions(added: HelpfulStatement, plan: RemedyPlan) -> bool:
    before = replace(plan, statements=tuple(one for one in plan.statements if one is not added)).changed
    (statement,) = added.compiled.statements
    for test, holds in zip(statement.statement.conditions, statement.conditions, strict=True):
        without = find_context([Requirement(test, holds, wanted=False, variables=True)], plan.changed_request.context)
        if without is None:
            continue  # Every request meets this condition.
        changed_request = msgspec.structs.replace(plan.changed_request, context=without)
        if isinstance(decide(changed_request, plan.changed), Allowed) and not isinstance(
            decide(changed_request, before), Allowed
        ):
            return False
    return True
