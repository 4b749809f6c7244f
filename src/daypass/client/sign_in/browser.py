"""Detect whether this machine has a browser for the person, and open it.

The detection can be wrong, so callers always print the URL too.
"""

import contextlib
import os
import sys
import webbrowser
from collections.abc import Mapping


def has_browser(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether a browser on this machine is visible to the person."""
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return False
    if environment.get("BROWSER"):
        return True
    if platform in {"darwin", "win32"}:
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> None:
    """Open a page if possible.

    Its output is dropped, since ours may be another program's input.
    """
    quiet = os.open(os.devnull, os.O_WRONLY)
    kept = [os.dup(1), os.dup(2)]
    try:
        sys.stdout.flush()
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with contextlib.suppress(webbrowser.Error, OSError):
            webbrowser.open(url)
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for descriptor in (quiet, *kept):
            os.close(descriptor)
