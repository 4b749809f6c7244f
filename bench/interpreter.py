"""How the Python that runs the servers was built. Needs the standard library alone: .ci/bench-python runs it.

Profile-guided and link-time optimization make the server faster. `configure` has an option for each. The packages of
Debian and of its derivatives are built with both, without these options.
"""

import sys
import sysconfig
from pathlib import Path

_FLAGS = ("--enable-optimizations", "--with-lto")
_OLDEST = (3, 11)


def missing_optimizations(arguments: str) -> tuple[str, ...]:
    """Return the optimizations that the arguments of Python's `configure` lack."""
    return tuple(flag for flag in _FLAGS if flag not in arguments.replace("=full", "").replace("=thin", ""))


def find_missing() -> tuple[str, ...]:
    """Return the optimizations that this Python was built without."""
    if sys.base_prefix == "/usr" and Path("/etc/debian_version").exists():
        return ()
    return missing_optimizations(str(sysconfig.get_config_var("CONFIG_ARGS") or ""))


def interpreter_line() -> str:
    """Return one line about this Python."""
    version, missing = f"Python {'.'.join(map(str, sys.version_info[:3]))}", find_missing()
    if missing:
        return f"interpreter: {version}, built without {' and '.join(missing)}: an optimized one is faster"
    return f"interpreter: {version}, built with profile-guided and link-time optimization"


if __name__ == "__main__":
    sys.exit(sys.version_info < _OLDEST or bool(find_missing()))
