"""Read a long string: from a file, standard input, or a terminal.

Owns the terminal's mode. A terminal cuts lines at 4,096 bytes, so canonical mode is off while the user pastes.
"""

import os
import sys
from pathlib import Path

import click

_LARGEST = 1_000_000
_CHUNK = 65_536
_END_OF_TEXT = b"\x04"  # Ctrl-D, which reaches us as a character


def read_text(source: str, *, what: str) -> str:
    """Return the content of a file, or of standard input for `-`.

    `what` names the content in the prompt on a terminal.
    """
    if source != "-":
        with Path(source).open("rb") as file:
            return _decoded(file.read(_LARGEST))
    if not sys.stdin.isatty():
        return _decoded(sys.stdin.buffer.read(_LARGEST))
    return _decoded(_read_pasted(sys.stdin.fileno(), f"Paste {what}, then press Enter twice or Ctrl-D:"))


def _read_pasted(terminal: int, prompt: str) -> bytes:
    import termios  # Imported here: a platform without termios can still read files.

    before = termios.tcgetattr(terminal)
    changed = [*before[:6], [*before[6]]]
    changed[3] &= ~(termios.ICANON | termios.ECHO)
    changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
    termios.tcsetattr(terminal, termios.TCSADRAIN, changed)
    click.echo(prompt, err=True)  # after the mode change, so that a quick paste is not cut
    pasted = bytearray()
    try:
        while len(pasted) < _LARGEST and not _is_whole(pasted):
            chunk = os.read(terminal, _CHUNK)
            if not chunk:
                break
            pasted += chunk
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    return bytes(pasted).rstrip(_END_OF_TEXT + b"\r\n")


def _is_whole(pasted: bytearray) -> bool:
    return pasted.endswith((b"\n\n", b"\r\r", _END_OF_TEXT)) and bool(pasted.strip())


def _decoded(raw: bytes) -> str:
    # Invalid UTF-8 is reported by the checks, not by a traceback.
    return raw.decode("utf-8", "replace")
