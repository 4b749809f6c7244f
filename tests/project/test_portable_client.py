"""The client uses members of one system alone only in the places that this file lists."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.dependencies import REPOSITORY
from tests.project.test_extras import _files_of_the_client

_SOURCE = REPOSITORY / "src/daypass"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MODULES = _words("crypt fcntl grp nis posix pty pwd readline resource spwd syslog termios tty uvloop")
# Members that Windows or macOS does not have.
_MEMBERS = {
    "os": _words("""
        O_CLOEXEC O_DIRECTORY O_DSYNC O_NOFOLLOW O_NONBLOCK O_SYNC chown chroot fchmod fchown fork forkpty getegid
        geteuid getgid getgroups getpgid getuid initgroups killpg lchown mkfifo nice openpty posix_fadvise preadv
        pwritev register_at_fork sched_getaffinity sched_setaffinity sendfile setegid seteuid setgid setsid setuid
        statvfs sysconf tcgetpgrp uname wait3 wait4
    """),
    "signal": _words("""
        SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH alarm pthread_sigmask
        setitimer sigwait
    """),
    "socket": _words("AF_UNIX SO_REUSEPORT socketpair fromfd"),
    "select": _words("epoll kqueue poll"),
    "time": _words("CLOCK_BOOTTIME CLOCK_MONOTONIC clock_gettime tzset"),
}
_PLACES = ("/dev/", "/etc/", "/proc/", "/run/", "/sys/", "/tmp/", "/usr/", "/var/")  # noqa: S108 - names to look for
# Each of them is inside of a branch for the systems that have it; the type checker below confirms it.
_GUARDED = {
    ("client/operating_system.py", "os.fchown"),
    ("client/operating_system.py", "os.geteuid"),
    ("client/operating_system.py", "os.getuid"),
    ("client/prompt.py", "/dev/tty"),
    ("client/prompt.py", "termios"),
    ("key_files.py", "os.geteuid"),
    ("verify/remote_server/remote_facts.py", "time.CLOCK_BOOTTIME"),
    ("verify/remote_server/remote_facts.py", "time.CLOCK_MONOTONIC"),
    ("verify/remote_server/remote_facts.py", "time.clock_gettime"),
}
# Operators' commands share these two, so the client does not run them.
_OF_OPERATORS = {"cli/shared/long_input.py", "cli/shared/apply_context.py"}


def _names(path: Path) -> Iterator[str]:
    """Yield the modules, members and paths of one system that a file uses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] in _MODULES)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.partition(".")[0] in _MODULES:
                yield module
            yield from (f"{module}.{each.name}" for each in node.names if each.name in _MEMBERS.get(module, ()))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in _MEMBERS.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(_PLACES):
            yield node.value


def test_what_one_system_alone_has_is_used_in_the_listed_places() -> None:
    """A new place is guarded by `sys.platform` and added here, or goes into client/operating_system.py."""
    found = {(str(path.relative_to(_SOURCE)), name) for path in _files_of_the_client() for name in _names(path)}
    assert {each for each in found if each[0] not in _OF_OPERATORS} == _GUARDED


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["darwin", "linux", "win32"])
def test_the_types_fit_each_system(platform: str, tmp_path: Path) -> None:
    """The type checker knows which functions a system has, and which branch it takes."""
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--platform",
        platform,
        "--no-warn-unreachable",
        "--follow-imports",
        "silent",
    ]
    files = [
        str(path) for path in sorted(_files_of_the_client()) if str(path.relative_to(_SOURCE)) not in _OF_OPERATORS
    ]
    command += ["--cache-dir", str(tmp_path), *files]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout
