"""Durations of sessions, with AWS's message for one that is too long."""

import pytest

from daypass.errors import ValidationError
from daypass.mint.durations import role_duration, root_task_duration, root_user_duration, user_duration

ROLE = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
CHAINED = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."


@pytest.mark.parametrize(
    ("asked", "maximum", "chained", "expected"),
    [
        (None, 3600, False, 3600),
        (None, 43200, False, 3600),
        (None, 43200, True, 3600),
        (900, 3600, False, 900),
        (43200, 43200, False, 43200),
        (3600, 43200, True, 3600),
        (3599, 43200, True, 3599),
        (900, 43200, True, 900),
        (None, 1800, False, 1800),
    ],
)
def test_a_role_session_is_valid_as_long_as_requested(
    asked: int | None, maximum: int, expected: int, *, chained: bool
) -> None:
    """The default is an hour; a request within the role's maximum is valid."""
    assert role_duration(asked, role_maximum=maximum, chained=chained) == expected


@pytest.mark.parametrize(
    ("asked", "maximum", "chained", "words"),
    [
        (3601, 3600, False, ROLE),
        (43200, 7200, False, ROLE),
        (3601, 43200, True, CHAINED),
        (43200, 3600, True, ROLE),
    ],
)
def test_a_role_session_cannot_live_longer(asked: int, maximum: int, words: str, *, chained: bool) -> None:
    """The role's maximum is checked before the hour of a chained session."""
    with pytest.raises(ValidationError) as caught:
        role_duration(asked, role_maximum=maximum, chained=chained)
    assert (caught.value.message, caught.value.status) == (words, 400)


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 43200), (900, 900), (129_599, 129_599), (129_600, 129_600), (129_601, 129_600)]
)
def test_a_users_session_lives_twelve_hours_by_default(asked: int | None, expected: int) -> None:
    """GetSessionToken and GetFederationToken allow up to thirty-six hours."""
    assert user_duration(asked) == expected


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 3600), (3599, 3599), (3600, 3600), (3601, 3600), (129_600, 3600)]
)
def test_a_root_users_session_is_cut_to_an_hour(asked: int | None, expected: int) -> None:
    """A root user that requests more gets an hour, without an error."""
    assert root_user_duration(asked) == expected


@pytest.mark.parametrize(("asked", "expected"), [(None, 900), (0, 0), (60, 60), (899, 899), (900, 900), (901, 900)])
def test_a_root_task_has_fifteen_minutes(asked: int | None, expected: int) -> None:
    """AssumeRoot gives fifteen minutes, by default and at most."""
    assert root_task_duration(asked) == expected
