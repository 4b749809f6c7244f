"""Ask the person at the terminal, past standard input, output and error, which may belong to somebody else.

Owns /dev/tty (CON on Windows). Where nobody can be asked it says which command would help, at once.
"""

import os
from dataclasses import dataclass

from daypass.client.problems import BadUsage, SignInNeeded

_READ, _WRITE = ("CONIN$", "CONOUT$") if os.name == "nt" else ("/dev/tty", "/dev/tty")
_MOST = 65_536


@dataclass(frozen=True, slots=True)
class Prompt:
    """Asks on the terminal, unless `allowed` is false."""

    allowed: bool = True

    def ask(self, question: str, *, instead: str, secret: bool = False) -> str:
        """Return one line that the person typed. `instead` is the command that needs no question."""
        if not self.allowed:
            raise SignInNeeded(f"{question.strip(': ')} is needed and --no-input forbids asking: {instead}.")
        try:
            with open(_READ, encoding="utf-8") as reader, open(_WRITE, "w", encoding="utf-8") as writer:  # noqa: PTH123 - devices
                writer.write(question)
                writer.flush()
                answer = _read_hidden(reader, writer) if secret else reader.readline(_MOST)
        except OSError as error:
            raise SignInNeeded(
                f"{question.strip(': ')} is needed and there is no terminal to ask on: {instead}."
            ) from error
        if not answer:
            raise BadUsage("Nothing was typed; nothing was done.")
        return answer.strip()

    def tell(self, words: str) -> None:
        """Say something to the person, if there is a terminal and they may be spoken to."""
        if not self.allowed:
            return
        try:
            with open(_WRITE, "w", encoding="utf-8") as writer:  # noqa: PTH123 - a device
                writer.write(words + "\n")
        except OSError:
            return  # Nobody is there to be told.


def _read_hidden(reader: object, writer: object) -> str:
    import termios

    descriptor = reader.fileno()  # type: ignore[attr-defined] # an open device
    before = termios.tcgetattr(descriptor)
    silent = list(before)
    silent[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, silent)
        # Canonical mode gives up at 4,096 bytes; what is pasted here is longer (see read_pasted in assertions.py).
        line: str = reader.readline(_MOST)  # type: ignore[attr-defined] # an open device
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
        writer.write("\n")  # type: ignore[attr-defined] # an open device
    return line
