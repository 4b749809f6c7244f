"""One process at a time: an advisory lock that a dead process cannot keep.

Owns nothing but the lock. It is imported only where something is about to be written: a cached answer needs none.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daypass.client.problems import Locked

_STEP = 0.05


@contextmanager
def locked(path: Path, *, seconds: float = 120.0, what: str = "another daypass") -> Iterator[None]:
    """Hold the lock file `path` until the context ends, or raise Locked."""
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(path, timeout=seconds, poll_interval=_STEP, mode=0o600)
        begun = time.monotonic()
        lock.acquire()
    except Timeout as error:
        waited = round(time.monotonic() - begun)
        raise Locked(f"{what} has held {path} for {waited} s; end it, or try again when it is done.") from error
    except OSError as error:
        raise Locked(f"{path} cannot be locked: {error.strerror}. Is the directory yours?") from error
    try:
        yield
    finally:
        lock.release()
