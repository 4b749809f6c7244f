"""Prompt the person on the terminal itself.

Standard input and output may be redirected. Owns /dev/tty (CONIN$ and CONOUT$ on Windows). An impossible prompt fails
at once and names the option to use instead.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from daypass.client.problems import BadUsageError, SignInNeededError

_READ, _WRITE = ("CONIN$", "CONOUT$") if sys.platform == "win32" else ("/dev/tty", "/dev/tty")
_MOST = 65_536
_LONGEST_PASTE = 1_000_000
# The platform may also lack the termios module, which switches off the echo.
_NO_TERMINAL = (OSError, ImportError)
_ENDS = re.compile(rb"[\r\n\x04]")
_LAST_KEYS = "\r\n\x04\x1a"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Prompts on the terminal, unless `allowed` is false."""

    allowed: bool = True

    def ask(self, question: str, *, noun: str, instead: str, secret: bool = False) -> str:
        """Return one line that the person typed.

        `instead` names the option to use without a prompt.
        """
        self._must_be_allowed(noun, instead)
        try:
            with open(_READ, encoding="utf-8") as reader, open(_WRITE, "w", encoding="utf-8") as writer:  # noqa: PTH123 - devices
                answer = _read_hidden(reader, writer, question) if secret else _read_shown(reader, writer, question)
        except _NO_TERMINAL as error:
            raise SignInNeededError(f"{noun} is needed, but there is no terminal for a prompt: {instead}.") from error
        if not answer.strip():
            raise BadUsageError("The input was empty. No changes were made.")
        return answer.strip()

    def ask_long(self, noun: str, *, instead: str) -> str:
        """Return a pasted line of any length, without echo.

        A terminal usually cuts lines at 4,096 characters, and a SAML response is longer.
        """
        self._must_be_allowed(noun, instead)
        try:
            with open(_READ, "rb", buffering=0) as reader, open(_WRITE, "w", encoding="utf-8") as writer:  # noqa: PTH123 - devices
                pasted = _read_pasted(reader.fileno(), writer, f"Paste {noun[0].lower()}{noun[1:]}: ")
        except _NO_TERMINAL as error:
            raise SignInNeededError(f"{noun} is needed, but there is no terminal for a prompt: {instead}.") from error
        if not pasted:
            raise BadUsageError(f"The input was empty. Try again, or {instead}.")
        return pasted

    def _must_be_allowed(self, noun: str, instead: str) -> None:
        if not self.allowed:
            raise SignInNeededError(f"{noun} is needed, but --no-input is set: {instead}.")

    def has_terminal(self) -> bool:
        """Return whether a person can read and answer a prompt."""
        try:
            with open(_READ, encoding="utf-8"), open(_WRITE, "w", encoding="utf-8"):  # noqa: PTH123 - devices
                return True
        except OSError:
            return False

    def tell(self, words: str) -> None:
        """Print a message on the terminal.

        It is dropped without a terminal or if prompts are not allowed.
        """
        if not self.allowed:
            return
        try:
            with open(_WRITE, "w", encoding="utf-8") as writer:  # noqa: PTH123 - a device
                writer.write(words + "\n")
        except OSError:
            return  # There is no terminal.


def _read_shown(reader: TextIO, writer: TextIO, question: str) -> str:
    _put(writer, question)
    return reader.readline(_MOST)


def _read_hidden(reader: TextIO, writer: TextIO, question: str) -> str:
    if sys.platform == "win32":
        return _read_keys(writer, question)
    with _changed_terminal(reader.fileno(), writer, edits_lines=True):
        _put(writer, question)
        return reader.readline(_MOST)


def _read_pasted(descriptor: int, writer: TextIO, question: str) -> str:
    if sys.platform == "win32":
        return _read_keys(writer, question).strip()
    text = bytearray()
    with _changed_terminal(descriptor, writer, edits_lines=False):
        _put(writer, question)
        while len(text) <= _LONGEST_PASTE:
            piece = os.read(descriptor, _MOST)
            text += piece
            if not piece or _ENDS.search(piece):
                break
    # Remove the bracketed-paste markers of the terminal and the end character.
    return text.decode("ascii", "replace").replace("\x1b[200~", "").replace("\x1b[201~", "").strip("\x04\r\n ")


def _read_keys(writer: TextIO, question: str) -> str:
    """Return one line that is typed or pasted into a console of Windows.

    Single keys have no echo and no limit of a line's length. Keys that write no character come as two: the first one is
    NUL or 0xE0, and both are left out.
    """
    typed: list[str] = []
    if sys.platform == "win32":
        import msvcrt

        _put(writer, question)
        try:
            while (key := msvcrt.getwch()) not in _LAST_KEYS and len(typed) <= _LONGEST_PASTE:
                if key == "\x03":
                    raise KeyboardInterrupt
                if key in "\x00\xe0":
                    msvcrt.getwch()
                elif key == "\b":
                    del typed[-1:]
                else:
                    typed.append(key)
        finally:
            _put(writer, "\n")
    return "".join(typed)


def _put(writer: TextIO, question: str) -> None:
    writer.write(question)
    writer.flush()


@contextmanager
def _changed_terminal(descriptor: int, writer: TextIO, *, edits_lines: bool) -> Iterator[None]:
    """Switch off the echo. It starts before the prompt, so that early input is not shown."""
    if sys.platform == "win32":
        raise OSError("a console of Windows has no such mode")
    import termios

    before = termios.tcgetattr(descriptor)
    silent = list(before)
    silent[3] &= ~(termios.ECHO if edits_lines else termios.ECHO | termios.ICANON)
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        _put(writer, "\n")
