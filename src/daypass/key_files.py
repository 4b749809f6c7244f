"""Read a file with a secret, and refuse it if others can read it.

Owns the rule for the permissions of key files:

- Users outside the owner and the group must not have any access.
- The group must not be able to write the file.
- The group must not be able to read a file that belongs to the process's own user: the user can run `chmod 600`.
- The group may read a file of another owner. Kubernetes mounts secrets so with `fsGroup` (root, 0440).

Windows has access control lists instead of modes; they are not checked. The rule is checked on the opened file, so that
the file cannot be exchanged between the check and the read.
"""

import os
import stat
import sys
from pathlib import Path


class KeyFileError(Exception):
    """A key file that cannot be read or must not be used.

    The message names the file and what to do.
    """


def read_key_file(path: Path, *, most_bytes: int) -> bytes:
    """Return the content of a key file. Raises KeyFileError."""
    try:
        with path.open("rb") as opened:
            found = os.fstat(opened.fileno())
            content = opened.read(most_bytes + 1)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or error}") from error
    if sys.platform != "win32":
        reason = why_refused(found.st_mode, is_own=found.st_uid == os.geteuid())
        if reason:
            raise KeyFileError(f"{path} {reason}: run `chmod 600 {path}`")
    if len(content) > most_bytes:
        raise KeyFileError(f"{path} is too long for a key file")
    return content


def why_refused(mode: int, *, is_own: bool) -> str:
    """Return why a key file with these permissions must not be used, or "".

    `is_own` is whether the file belongs to the process's own user.
    """
    if not stat.S_ISREG(mode):
        return "is not a regular file"
    if mode & stat.S_IRWXO:
        return "is open to other users"
    if mode & stat.S_IWGRP:
        return "can be changed by its group"
    if is_own and mode & stat.S_IRWXG:
        return "can be read by its group"
    return ""
