"""An advisory file lock, which is released when its process ends.

It is imported only before a write: reading the cache needs no lock.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daypass.client.problems import LockedError

_STEP = 0.05


@contextmanager
def locked(path: Path, *, seconds: float = 120.0, what: str = "another daypass") -> Iterator[None]:
    """Hold a lock on the file `path` until the context ends.

    Raises LockedError after `seconds`.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(path, timeout=seconds, poll_interval=_STEP, mode=0o600)
        started = time.monotonic()
        lock.acquire()
    except Timeout as error:
        waited = round(time.monotonic() - started)
        raise LockedError(f"{what} has locked {path} for {waited} s. Stop it, or try again when it is done.") from error
    except OSError as error:
        raise LockedError(f"{path} cannot be locked: {error.strerror}. Check the owner of the directory.") from error
    try:
        yield
    finally:
        lock.release()
