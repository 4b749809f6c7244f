"""How much work a decision is, told from sizes before it is made, and how much of it one decision may be.

Owns the estimate and its two limits. The unit is a character of a policy's pattern by a character of the text that it
is compared with. Nothing here measures time: the same question has the same work on every machine.
Why closed, and what it costs: docs/decisions/0012-decision-budget.md.
"""

from collections.abc import Iterable

from daypass.policy.compiled import CompiledStatement, PolicySet
from daypass.policy.index import ResourceIndex
from daypass.policy.question import MOST_WORK, Question, span

TELLING = 4
"""Explaining asks each statement twice, and makes a value of each answer."""

MOST_STORY_WORK = TELLING * MOST_WORK
"""What explaining one decision may be. Beyond it the decision is told without its reasons."""

LIGHT_PART = 50
LIGHT_WORK = MOST_WORK // LIGHT_PART
"""What the event loop may do itself: about a millisecond."""


def work_of_asking(question: Question, sets: Iterable[PolicySet], enough: int) -> int:
    """Return at most how much work it is to ask the statements that speak of the action and the resource.

    Each condition counts by the very key that it asks for. Counting ends where it is more than `enough`.
    """
    work = 0
    for policy_set in sets:
        # Counted also where it is known what speaks of the action: the same question has the same work at any time.
        work += policy_set.action_characters * span(question.action)
        if work > enough:
            return work
        for index in policy_set.candidates(question.action):
            work += _asked(index, question, enough - work)
    return work


def work_of_telling(question: Question, sets: Iterable[PolicySet], enough: int) -> int:
    """Return at most how much work it is to explain a decision: every statement is looked at."""
    work, reach = 0, span(question.resource)
    for policy_set in sets:
        work += TELLING * policy_set.action_characters * span(question.action)
        for policy in policy_set.policies:
            for statement in policy.statements:
                if work > enough:
                    return work
                work += TELLING * statement.weight.work(question.context, reach)
    return work


def _asked(index: ResourceIndex[CompiledStatement], question: Question, enough: int) -> int:
    reach = span(question.resource)
    work = len(index.by_length) * reach
    if work > enough:
        return work
    for statement in index.speaking_of(question.resource):
        work += statement.weight.work(question.context, reach)
        if work > enough:
            break
    return work
