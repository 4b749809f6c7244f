"""Get the code of an MFA device.

It comes from an option, a command, or a prompt, in this order. STS verifies it.
"""

import re
import shlex
import subprocess

from daypass.client.problems import ExpiredError, MisconfiguredError
from daypass.client.prompt import Prompt
from daypass.client.text_format import printable

_CODE = re.compile(r"[0-9]{6}")
_SECONDS = 120


def find_code(serial: str, *, given: str, command: str, prompt: Prompt) -> str:
    """Return the six digits. Raises UserFacingError if they are not available."""
    if given:
        return _checked(given)
    if command:
        return _checked(run_for_text(command, "--mfa-command"))
    typed = prompt.ask(
        f"MFA code for {printable(serial)}: ",
        noun=f"A code of the MFA device {printable(serial)}",
        instead="use --mfa-code CODE or --mfa-command COMMAND",
    )
    return _checked(typed)


def _checked(code: str) -> str:
    code = code.strip().replace(" ", "")
    if not _CODE.fullmatch(code):
        raise ExpiredError("An MFA code has six digits. Wait for the next code and enter it.")
    return code


def run_for_text(command: str, option: str) -> str:
    """Return the output of a command.

    It runs without a shell and can read from the terminal.
    """
    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdout=subprocess.PIPE, check=False, timeout=_SECONDS)  # noqa: S603 - the user's own
    except (OSError, ValueError, IndexError) as error:
        raise MisconfiguredError(f"{option} cannot be run: {error}.") from error
    except subprocess.TimeoutExpired as error:
        raise MisconfiguredError(f"{option} took longer than {_SECONDS} s.") from error
    if done.returncode:
        raise MisconfiguredError(
            f"{option} failed with exit code {done.returncode}. Run the command by itself to see the reason."
        )
    return done.stdout.decode("utf-8", "replace").strip()
