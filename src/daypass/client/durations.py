"""Durations as people write them: 3600, 45m, 1h30m. Pure."""

import re

_SHAPE = re.compile(r"(?:(?P<hours>\d{1,3})h)?(?:(?P<minutes>\d{1,4})m)?(?:(?P<seconds>\d{1,6})s?)?", re.ASCII)
_HOUR, _MINUTE = 3600, 60


def parse_duration(text: str) -> int:
    """Return the duration in seconds. Raises ValueError if it is malformed."""
    match = _SHAPE.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a valid duration; use a form such as 1h, 45m, 1h30m or 3600")
    hours, minutes, seconds = (int(match[name] or 0) for name in ("hours", "minutes", "seconds"))
    return hours * _HOUR + minutes * _MINUTE + seconds


def say_duration(seconds: float) -> str:
    """Format a duration in short form, such as 1 h 5 min.

    It is rounded to the nearest minute: an hour of which a second has passed is still 1 h.
    """
    if seconds < 1:
        return "no time"
    if seconds < _MINUTE:
        return f"{int(seconds)} s"
    hours, minutes = divmod(int(seconds / _MINUTE + 0.5), _HOUR // _MINUTE)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min"
