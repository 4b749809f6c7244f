"""Make boto3 judge the expiry of credentials by a movable clock.

Owns the two places of botocore that compare an expiry with the present: credentials that refresh themselves, and the
cache of assumed roles. Signing keeps the computer's time, as do servers of `daypass.testing` when they check it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

import botocore.credentials

from daypass.testing.clock import MovableClock

# The clocks of credentials that have no clock of their own: botocore's, and those of the contexts that are open.
_FOLLOWED: list[Callable[[], datetime]] = [botocore.credentials._local_now]  # noqa: SLF001 - botocore's own clock


@contextmanager
def boto3_follows(clock: MovableClock) -> Iterator[None]:
    """Let credentials of boto3 expire by `clock` until the context ends.

    >>> from datetime import timedelta
    >>> from botocore.credentials import RefreshableCredentials
    >>> clock = MovableClock()
    >>> expiry = (clock.now() + timedelta(hours=1)).isoformat()
    >>> held = RefreshableCredentials.create_from_metadata(
    ...     {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": expiry}, dict, "example"
    ... )
    >>> with boto3_follows(clock):
    ...     clock.move(timedelta(minutes=50))
    ...     held.refresh_needed()
    True
    """
    refreshable: Any = botocore.credentials.RefreshableCredentials
    usual = refreshable._seconds_remaining  # noqa: SLF001 - botocore has no other way

    def now() -> datetime:
        return clock.now()

    def seconds_remaining(credentials: Any) -> float:
        # A test may have given these credentials a clock of its own.
        if credentials._time_fetcher not in _FOLLOWED:  # noqa: SLF001 - the same
            return float(usual(credentials))
        return float((credentials._expiry_time - now()).total_seconds())  # noqa: SLF001 - the same

    _FOLLOWED.append(now)
    try:
        with (
            patch.object(refreshable, "_seconds_remaining", seconds_remaining),
            patch.object(botocore.credentials, "_local_now", now),
        ):
            yield
    finally:
        _FOLLOWED.remove(now)
