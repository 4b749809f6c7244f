"""The answers of the engine. Only this package can make an Allowed.

Owns the values. Their words are words.py's, the long story is explain.py's.
"""

from dataclasses import InitVar, dataclass
from typing import Final

from daypass.policy.source import PolicyType, Source


class _Key:
    """What proves that a decision was really taken. Private: nobody else may write an Allowed by hand."""


DECIDED: Final = _Key()

TOO_MUCH_WORK: Final = "TooMuchWork"
"""The `failure` of a decision that was not made because of its size."""


@dataclass(frozen=True, slots=True)
class StatementRef:
    """Which statement of which policy, counted from zero."""

    source: Source
    index: int
    sid: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may proceed. Carries the statements that allowed it."""

    statements: tuple[StatementRef, ...]
    key: InitVar[object]

    def __post_init__(self, key: object) -> None:
        if key is not DECIDED:
            raise TypeError("an Allowed is made by decide() alone")


@dataclass(frozen=True, slots=True)
class Denied:
    """The request is refused.

    `by` is the type of policy that denied, or that lacked the Allow. `trust` tells that the resource policy
    was a role's trust policy. `failure` is set where a statement could not be evaluated; it is for the audit.
    """

    explicit: bool
    by: PolicyType
    statements: tuple[StatementRef, ...]
    action: str = ""
    trust: bool = False
    failure: str = ""
