"""Two ways to have the client without the server: a new environment, and this one with the server's modules hidden.

Owns making both. A test gets the directory with the program `daypass`.
"""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from tests.dependencies import CLIENT_PACKAGES, CLIENT_PARTS, REPOSITORY, declared, everything_of, modules_of

# Python must not find the modules: an import that only failed would look different to `importlib.util.find_spec`.
_HIDING = """#!{python}
import os, sys
HIDDEN = frozenset({hidden!r}) | frozenset(os.environ.get("HIDDEN_MODULES", "").split())
CLIENT = frozenset({client!r})
PARTS = frozenset({parts!r})

class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        top, _, rest = name.partition(".")
        client = rest.partition(".")[0] in CLIENT or any(
            f"{{part}}.".startswith(f"{{rest}}.") or rest.startswith(f"{{part}}.") for part in PARTS
        )
        if top == "daypass" and rest and not client:
            raise ModuleNotFoundError(f"{{name}} is the server's", name=name)
        return None if top in HIDDEN else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
for name in os.environ.get("HIDDEN_MODULES", "").split():
    sys.modules.pop(name, None)
from daypass.cli.main import main
main()
"""


def hide_the_server(folder: Path) -> Path:
    """Write a program `daypass` that finds no library but those of a client-only installation."""
    kept = modules_of(everything_of(declared()))
    hidden = sorted(metadata.packages_distributions().keys() - kept)
    assert {"sqlalchemy", "lxml", "uvicorn", "boto3", "keyring"} <= set(hidden)
    program = folder / "daypass"
    program.write_text(
        _HIDING.format(python=sys.executable, hidden=hidden, client=sorted(CLIENT_PACKAGES), parts=sorted(CLIENT_PARTS))
    )
    program.chmod(0o755)
    return folder


def install_the_client(folder: Path, *more: str) -> Path:
    """Build the wheel and install it, with the pinned versions of its dependencies, into a new environment.

    `more` are further packages, or an extra such as `[testing]`.
    """
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    made = subprocess.run([sys.executable, "-m", "venv", environment], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip("this Python cannot make a virtual environment (Debian package python3-venv)")
    pins = folder / "pins.txt"
    pinned = re.findall(r"^([^ #].*?==.*?)(?: \\)?$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE)
    pins.write_text("\n".join(pinned))
    pip = [str(environment / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    install = [*pip, "install", "--quiet", "--constraint", str(pins)]
    extras = "".join(each for each in more if each.startswith("["))
    packages = [f"{wheel}{extras}", *(each for each in more if not each.startswith("["))]
    done = subprocess.run([*install, *packages], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        download = [*pip, "download", "--quiet", "--no-deps", "--dest", str(folder / "probe"), "click"]
        probe = subprocess.run(download, capture_output=True, text=True, check=False, timeout=300)
        if probe.returncode:
            pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    return environment / "bin"


# Imported before the system is changed: they choose their parts for a system when they are imported.
_LIBRARIES = (
    "asyncio, botocore.compat, botocore.session, click, click.shell_completion, cryptography, ctypes, filelock, "
    "getpass, http.server, rich.console, rich.table, shutil, socketserver, subprocess, tempfile, urllib.request, "
    "webbrowser, yaml"
)
# Members that Python does not have on Windows.
_ONLY_POSIX = {
    # filelock, which has a way of its own for Windows, keeps fcntl and os.fchmod here.
    "os": "chown fchown fork forkpty getegid geteuid getgid getpgid getuid killpg mkfifo setsid statvfs uname",
    "signal": "SIGCONT SIGHUP SIGKILL SIGQUIT SIGUSR1 SIGUSR2 pthread_sigmask",
    "socket": "AF_UNIX",
    "time": "CLOCK_BOOTTIME CLOCK_MONOTONIC clock_gettime tzset",
}
_PRETENDING = """#!{python}
import {libraries}
import importlib, os, shutil, signal, socket, sys, time
for name, missing in {missing!r}.items():
    for each in missing.split():
        delattr(importlib.import_module(name), each)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "tty", "uvloop"):
    sys.modules[name] = None
shutil._use_fd_functions = False  # as on Windows: it opens folders otherwise
open_file = os.open
def open_no_folder(path, flags, mode=0o777, **more):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return open_file(path, flags, mode, **more)
os.open = open_no_folder
sys.platform = {platform!r}
# platformdirs asks Windows for its folders by ctypes, and else reads the variables.
kept, sys.modules["ctypes"] = sys.modules["ctypes"], None
import platformdirs.windows
sys.modules["ctypes"] = kept
from daypass.cli.entry import main
main()
"""


def pretend_windows(folder: Path) -> Path:
    """Write a program `daypass` that finds nothing of what Windows lacks, and is told that it runs there.

    The rules of its paths, processes and terminals are still those of this machine.
    """
    program = folder / "daypass"
    program.write_text(
        _PRETENDING.format(python=sys.executable, libraries=_LIBRARIES, missing=_ONLY_POSIX, platform="win32")
    )
    program.chmod(0o755)
    return folder
