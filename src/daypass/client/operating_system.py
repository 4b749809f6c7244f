"""The differences between Linux, macOS and Windows that the client meets.

Owns every call that one of the three systems lacks, apart from the terminal (prompt.py) and the signals of a child
(programs/child.py). `sys.platform` is compared where it is used, because a type checker then knows which system a line
is for: tests/project/test_portable_client.py checks the client for each of them.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Windows refuses to replace a file while another process has it open, for instance to read it.
_TRIES, _PAUSE_SECONDS = 40, 0.05


def is_of_another_user(descriptor: int) -> bool:
    """Return whether an open file belongs to another user.

    Windows keeps other users out of a person's folders, and its files have no owner that os.fstat shows.
    """
    if sys.platform == "win32":
        return False
    return os.fstat(descriptor).st_uid != os.geteuid()


def is_readable_by_others(mode: int) -> bool:
    """Return whether other users can read a file of this mode.

    The mode says nothing on Windows.
    """
    return sys.platform != "win32" and bool(mode & 0o077)


def keep_owner(descriptor: int, user: int, group: int) -> None:
    """Give a new file the owner of the file that it replaces.

    Under sudo the file stays its owner's.
    """
    if sys.platform != "win32" and user != os.geteuid():
        os.fchown(descriptor, user, group)


def sync_folder(folder: Path) -> None:
    """Write a folder's list of files to the disk.

    Windows cannot open a folder, and does this itself.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(new: Path, target: Path) -> None:
    """Rename a file over another one.

    On Windows, wait until the readers of the other one have closed it.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            new.replace(target)
        except PermissionError:
            may_wait = sys.platform == "win32" and attempt < _TRIES
            if not may_wait:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def user_name() -> str:
    """Return the name of the person.

    It is a number if the system does not know the name.
    """
    import getpass

    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # Python before 3.13 raises ImportError on Windows, and KeyError elsewhere
        pass
    if sys.platform == "win32":
        return "somebody"
    return str(os.getuid())


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of Daypass for files that can be made again.

    Linux: below XDG_CACHE_HOME or ~/.cache. macOS and Windows: the system's folder for caches, unless ~/.cache has one
    of an earlier version.
    """
    above = environment.get("XDG_CACHE_HOME")
    earlier = Path(above or "~/.cache").expanduser() / "daypass"
    system: str = sys.platform
    if above or system not in {"darwin", "win32"} or earlier.is_dir():
        return earlier
    import platformdirs

    return platformdirs.user_cache_path("daypass", appauthor=False)


def join_command(words: Sequence[str]) -> str:
    """Write a command as AWS's tools split it.

    On Windows they follow the rules of its C library.
    """
    if sys.platform == "win32":
        import subprocess

        return subprocess.list2cmdline(words)
    import shlex

    return shlex.join(words)


def split_command(text: str) -> list[str]:
    """Split a command as AWS's tools do.

    Raises ValueError if a quotation mark is missing.
    """
    if sys.platform == "win32":
        from botocore.compat import compat_shell_split

        return list(compat_shell_split(text, "win32"))
    import shlex

    return shlex.split(text)
