"""A file that appears under its name complete and durable, or not at all.

It never replaces another file.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from daypass.storage.backup.backup_refusals import BackupError, BackupExistsError


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a private file that gets its name at the end.

    Raises BackupExistsError if the name is taken. An exception inside leaves nothing.
    """
    with temporary_beside(path) as temporary, temporary.open("wb") as opened:
        yield opened
        opened.flush()
        os.fsync(opened.fileno())
        place(temporary, path)


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """Yield an empty file of mode 0600 in the same folder, and remove it."""
    require_free(path)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    except OSError as error:
        raise BackupError(f"cannot write {path}: {error.strerror}") from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
    except OSError as error:
        raise BackupError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def require_free(path: Path) -> None:
    """Raise BackupExistsError if a name is taken."""
    if os.path.lexists(path):
        raise BackupExistsError(f"{path} exists already: choose another name, or move that file away")


def place(temporary: Path, path: Path) -> None:
    """Give a complete file its name, durably. Raises BackupExistsError."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        require_free(path)
        raise
    except OSError:  # a file system without hard links
        require_free(path)
        temporary.rename(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
