"""The code of an MFA device: given, printed by a command, or typed at the terminal.

Owns the three ways, in this order. The code's rightness is STS's to judge.
"""

import re
import shlex
import subprocess

from daypass.client.problems import Expired, Misconfigured
from daypass.client.prompt import Prompt
from daypass.client.words import printable

_CODE = re.compile(r"[0-9]{6}")
_SECONDS = 120


def find_code(serial: str, *, given: str, command: str, prompt: Prompt) -> str:
    """Return the six digits. Raises a Problem where there are none."""
    if given:
        return _checked(given)
    if command:
        return _checked(run_for_text(command, "--mfa-command"))
    typed = prompt.ask(
        f"MFA code for {printable(serial)}: ",
        noun=f"A code of the MFA device {printable(serial)}",
        instead="give --mfa-code CODE or --mfa-command COMMAND",
    )
    return _checked(typed)


def _checked(code: str) -> str:
    code = code.strip().replace(" ", "")
    if not _CODE.fullmatch(code):
        raise Expired("An MFA code is six digits; wait for the next one and type that.")
    return code


def run_for_text(command: str, option: str) -> str:
    """Return what a command prints. It runs without a shell, with the terminal's input."""
    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False, timeout=_SECONDS)  # noqa: S603 - the user's own
    except (OSError, ValueError, IndexError) as error:
        raise Misconfigured(f"{option} cannot be run: {error}.") from error
    except subprocess.TimeoutExpired as error:
        raise Misconfigured(f"{option} took longer than {_SECONDS} s.") from error
    if done.returncode:
        raise Misconfigured(f"{option} ended with exit code {done.returncode}; run it by itself to see why.")
    return done.stdout.decode("utf-8", "replace").strip()
