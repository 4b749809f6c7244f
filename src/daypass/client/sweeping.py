"""Take away what has ended long ago: nobody asks for it any more, and a folder must not grow for ever.

Owns how long what has ended is still shown, and how much is looked at in one go. Whatever another process works at is
left to it. The lock files stay: two processes that held one each, of the same name, would not be alone.
"""

import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.client.problems import Problem

if TYPE_CHECKING:
    from daypass.client.cache import Cache

# So long `daypass status` says that a session has expired, and not that there never was one.
SHOWN = timedelta(days=1)
_MOST = 32


def sweep(cache: "Cache", *, now: datetime) -> None:
    """Drop what ended more than a day ago, looking at the files that were written first."""
    with contextlib.suppress(OSError):
        for path in sorted(cache.folder.glob("*.json"), key=_age)[:_MOST]:
            if _is_over(cache, path.stem, now):
                # It is taken only if nobody holds it, and looked at again: its holder has perhaps written it anew.
                with contextlib.suppress(Problem, OSError), cache.alone(path.stem, seconds=0):
                    if _is_over(cache, path.stem, now):
                        cache.drop(path.stem)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # Another process has taken it away just now.


def _is_over(cache: "Cache", key: str, now: datetime) -> bool:
    kept = cache.look(key)
    if kept is None or kept.expires is None or (kept.in_keyring and not cache.keyring):
        return False  # A keyring that the person does not want now is not asked, not even to forget.
    return kept.expires < now - SHOWN
