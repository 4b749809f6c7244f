"""Output that may not fit into memory, printed when it is complete.

A store that fails midway must not leave a part that looks complete, and a reader that pauses must not keep a snapshot
of the store open.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from shutil import copyfileobj
from tempfile import SpooledTemporaryFile
from typing import IO

_IN_MEMORY = 4 * 1024 * 1024  # characters; a longer output is on the disk until it is complete


@contextmanager
def long_output() -> Iterator[IO[str]]:
    """Yield a file, whose content is printed at the end.

    It is not printed if an exception was raised.
    """
    with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="") as file:
        yield file
        file.seek(0)
        copyfileobj(file, sys.stdout)
        sys.stdout.flush()
