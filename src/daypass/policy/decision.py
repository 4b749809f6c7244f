"""The decisions of the engine. Only this package can create an Allowed.

Leaves AWS's wording to reasons/denial_messages.py and the explanation to reasons/explain.py.
"""

from dataclasses import InitVar, dataclass
from typing import Final

import msgspec

from daypass.policy.source import PolicySource, PolicyType


class _Key:
    """The proof that the engine made a decision.

    Private, so that other packages cannot create an Allowed.
    """


DECIDED: Final = _Key()

TOO_MUCH_WORK: Final = "TooMuchWork"
"""The `failure` of a decision that was not made because it is too much work."""


class StatementRef(msgspec.Struct, frozen=True):
    """A statement of a policy, by its index from zero."""

    source: PolicySource
    index: int
    sid: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request may proceed. Contains the statements that allowed it."""

    statements: tuple[StatementRef, ...]
    key: InitVar[object]

    def __post_init__(self, key: object) -> None:
        if key is not DECIDED:
            raise TypeError("an Allowed is made by decide() alone")


@dataclass(frozen=True, slots=True)
class Denied:
    """The request is refused.

    `by` is the type of the policy that denied the request or has no Allow for it. `trust`: the resource policy is a
    trust policy. `failure`, for the audit log, is set if a statement could not be evaluated.
    """

    explicit: bool
    by: PolicyType
    statements: tuple[StatementRef, ...]
    action: str = ""
    trust: bool = False
    failure: str = ""
