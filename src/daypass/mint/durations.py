"""Session durations, in seconds.

Owns the rules beyond the service model's ranges.
Source: STS API Reference, DurationSeconds of each action. The messages are AWS's.
"""

from daypass.errors import ValidationError

HOUR = 3_600
DEFAULT = 43_200  # GetSessionToken and GetFederationToken
LONGEST = 129_600  # for every kind of session
ROOT_TASK = 900

_OVER_ROLE_MAXIMUM = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
_OVER_CHAINING = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."


def role_duration(requested_seconds: int | None, *, role_maximum: int, chained: bool) -> int:
    """Return the duration of a role session.

    The default is an hour, also the maximum of a chained session.
    """
    if requested_seconds is None:
        return min(HOUR, role_maximum)
    if requested_seconds > role_maximum:
        raise ValidationError(_OVER_ROLE_MAXIMUM)
    if chained and requested_seconds > HOUR:
        raise ValidationError(_OVER_CHAINING)
    return requested_seconds


def user_duration(requested_seconds: int | None) -> int:
    """Return the duration of a user's GetSessionToken or GetFederationToken."""
    return DEFAULT if requested_seconds is None else min(requested_seconds, LONGEST)


def root_user_duration(requested_seconds: int | None) -> int:
    """Return the duration of such a session of a root user, at most an hour.

    A longer one is reduced.
    """
    return HOUR if requested_seconds is None else min(requested_seconds, HOUR)


def root_task_duration(requested_seconds: int | None) -> int:
    """Return the duration of an AssumeRoot session.

    Zero is valid: the session has expired already.
    """
    return ROOT_TASK if requested_seconds is None else min(requested_seconds, ROOT_TASK)
