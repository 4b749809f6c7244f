"""Remove entries that expired long ago, so that the cache folder does not grow forever.

Owns the time for which expired entries are kept, and the number of files per sweep. Entries that another process has
locked are skipped. Lock files stay: after a deletion, two processes could hold two locks of the same name.
"""

import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from daypass.client.problems import UserFacingError

if TYPE_CHECKING:
    from daypass.client.cache import CredentialCache

# For this time `daypass status` shows a session as expired, instead of not at all.
SHOWN = timedelta(days=1)
_MOST = 32


def sweep(cache: "CredentialCache", *, now: datetime) -> None:
    """Delete entries that expired more than a day ago, checking the oldest files first."""
    with contextlib.suppress(OSError):
        for path in sorted(cache.folder.glob("*.json"), key=_age)[:_MOST]:
            if _is_over(cache, path.stem, now):
                # Delete it only under its lock, and check again: the previous holder may have replaced it.
                with contextlib.suppress(UserFacingError, OSError), cache.alone(path.stem, seconds=0):
                    if _is_over(cache, path.stem, now):
                        cache.drop(path.stem)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0  # Another process has just deleted it.


def _is_over(cache: "CredentialCache", key: str, now: datetime) -> bool:
    kept = cache.look(key)
    if kept is None or kept.expires is None or (kept.in_keyring and not cache.keyring):
        return False  # The keyring is switched off, so do not access it, not even to delete.
    return kept.expires < now - SHOWN
