"""Run another program with our terminal.

Owns the exit codes 126 and 127, and the forwarding of signals. Source: POSIX.1-2017, 2.8.2 "Exit Status for Commands".
"""

import signal
import subprocess
from collections.abc import Mapping, Sequence

from daypass.client.text_format import printable

CANNOT_RUN, NOT_FOUND, OWN_FAILURE = 126, 127, 125
_BY_SIGNAL = 128
# Sent to our process only; a terminal sends INT, QUIT and TSTP to the child too.
_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT")
_BORNE = ("SIGINT", "SIGQUIT")


class CannotRunError(Exception):
    """The program does not exist or cannot be run.

    `code` is the exit code of a shell for this.
    """

    def __init__(self, words: str, code: int) -> None:
        super().__init__(words)
        self.code = code


def run_child(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a program and return its exit code.

    After a signal, it is 128 plus the signal's number.
    """
    runner = _Runner()
    runner.listen()
    name = printable(words[0])
    try:
        code = runner.run(words, environment)
    except FileNotFoundError as error:
        raise CannotRunError(f"Command {name} was not found. Check the PATH.", NOT_FOUND) from error
    except (OSError, ValueError) as error:
        raise CannotRunError(f"{name} cannot be run: {getattr(error, 'strerror', error)}.", CANNOT_RUN) from error
    return _BY_SIGNAL - code if code < 0 else code


class _Runner:
    """Forwards signals, also those that arrive before the child exists."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def listen(self) -> None:
        """Install the handlers.

        exec resets them, so the child starts with the defaults.
        """
        for name in (*_PASSED_ON, *_BORNE):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._pass_on if name in _PASSED_ON else self._bear)

    def run(self, words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Start the child and wait for its end."""
        self._child = subprocess.Popen(words, env=dict(environment))  # noqa: S603 - the command of the user
        while self._early:
            self._child.send_signal(self._early.pop(0))
        return self._child.wait()

    def _pass_on(self, number: int, _frame: object) -> None:
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)

    def _bear(self, _number: int, _frame: object) -> None:
        """Ignore the signal: the child decides how to handle an interruption."""
