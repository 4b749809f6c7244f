"""Estimate the work of a decision before it is made, and limit it.

Owns the estimate and its limits. The unit is a pattern character times a character of the compared string. The same
request has the same work on every machine. Why too much work is a denial, and its cost:
docs/decisions/0012-decision-budget.md.
"""

from collections.abc import Iterable

from daypass.policy.authorization_request import MOST_WORK, AuthorizationRequest, span
from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.index import ResourceIndex

EXPLANATION_FACTOR = 4
"""An explanation evaluates each statement twice, and creates a value for each result."""

MOST_EXPLANATION_WORK = EXPLANATION_FACTOR * MOST_WORK
"""The limit of explaining one decision. Beyond it the decision is returned without its reasons."""

LIGHT_PART = 50
LIGHT_WORK = MOST_WORK // LIGHT_PART
"""The limit of work in the event loop: about a millisecond."""


def decision_work(request: AuthorizationRequest, sets: Iterable[PolicySet], enough: int) -> int:
    """Return an upper bound of the work to evaluate the relevant statements.

    Each condition counts with the value of its own key. Counting stops above `enough`.
    """
    work = 0
    for policy_set in sets:
        # Also if the candidates are cached: the same request always has the same work.
        work += policy_set.action_characters * span(request.action)
        if work > enough:
            return work
        for index in policy_set.candidates(request.action):
            work += _index_work(index, request, enough - work)
    return work


def explanation_work_of_sets(request: AuthorizationRequest, sets: Iterable[PolicySet], enough: int) -> int:
    """Return an upper bound of the work to explain a decision.

    An explanation looks at every statement.
    """
    work, length = 0, span(request.resource)
    for policy_set in sets:
        work += EXPLANATION_FACTOR * policy_set.action_characters * span(request.action)
        for policy in policy_set.policies:
            for statement in policy.statements:
                if work > enough:
                    return work
                work += EXPLANATION_FACTOR * statement.weight.work(request.context, length)
    return work


def _index_work(index: ResourceIndex[CompiledStatement], request: AuthorizationRequest, enough: int) -> int:
    length = span(request.resource)
    work = len(index.by_length) * length
    if work > enough:
        return work
    for statement in index.candidates_for(request.resource):
        work += statement.weight.work(request.context, length)
        if work > enough:
            break
    return work
