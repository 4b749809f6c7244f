"""How long a session may live.

Owns the rules that the service model cannot express; its ranges were checked before. All in seconds.
Source: STS API Reference, DurationSeconds of each action; the words are AWS's.
"""

from daypass.errors import ValidationError

HOUR = 3_600
DEFAULT = 43_200  # GetSessionToken and GetFederationToken
LONGEST = 129_600  # of any session
ROOT_TASK = 900

_OVER_ROLE_MAXIMUM = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
_OVER_CHAINING = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."


def role_duration(asked: int | None, *, role_maximum: int, chained: bool) -> int:
    """Return how long a role session lives: an hour by default, and an hour at most when chained."""
    if asked is None:
        return min(HOUR, role_maximum)
    if asked > role_maximum:
        raise ValidationError(_OVER_ROLE_MAXIMUM)
    if chained and asked > HOUR:
        raise ValidationError(_OVER_CHAINING)
    return asked


def user_duration(asked: int | None) -> int:
    """Return how long a GetSessionToken or GetFederationToken session of a user lives."""
    return DEFAULT if asked is None else min(asked, LONGEST)


def root_user_duration(asked: int | None) -> int:
    """Return how long such a session of a root user lives: what is asked beyond an hour is cut to it."""
    return HOUR if asked is None else min(asked, HOUR)


def root_task_duration(asked: int | None) -> int:
    """Return how long an AssumeRoot session lives. A zero is taken, and asks for one that is over at once."""
    return ROOT_TASK if asked is None else min(asked, ROOT_TASK)
