"""Get the code of an MFA device.

It comes from an option, a command, or a prompt, in this order. STS verifies it.
"""

import hashlib
import os
import re
import subprocess

from daypass.client.operating_system import split_command
from daypass.client.problems import ExpiredError, MisconfiguredError
from daypass.client.prompt import Prompt
from daypass.client.sign_in.token_claims import checked_token
from daypass.client.text_format import printable

_CODE = re.compile(r"[0-9]{6}")
_SECONDS = 120
# The commands that wait for this process, as digests.
_RUNNING_COMMANDS = "DAYPASS_RUNNING_COMMANDS"


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


def refuse_running(command: str, option: str) -> None:
    """Raise MisconfiguredError if a command leads to itself.

    Otherwise the processes would start each other without end, or wait for each other.
    """
    if _mark(command) in os.environ.get(_RUNNING_COMMANDS, "").split():
        raise MisconfiguredError(
            f"{option} runs Daypass, which runs the same command again. Use another profile in the command."
        )


def _mark(command: str) -> str:
    return hashlib.sha256(command.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def token_of_command(command: str) -> str:
    """Return the web identity token that a command prints.

    Raises UserFacingError.
    """
    return checked_token(run_for_text(command, "--token-command"), "The output of --token-command")


def run_for_text(command: str, option: str) -> str:
    """Return the output of a command.

    It runs without a shell and can read from the terminal. A command that leads to itself raises MisconfiguredError.
    """
    refuse_running(command, option)
    running = os.environ.get(_RUNNING_COMMANDS, "").split()
    try:
        done = subprocess.run(  # noqa: S603 - the user's own
            split_command(command),
            env={**os.environ, _RUNNING_COMMANDS: " ".join([*running, _mark(command)])},
            # A redirected standard input belongs to the command of `daypass exec`.
            stdin=None if os.isatty(0) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, ValueError, IndexError) as error:
        raise MisconfiguredError(f"{option} cannot be run: {error}.") from error
    except subprocess.TimeoutExpired as error:
        raise MisconfiguredError(f"{option} took longer than {_SECONDS} s.") from error
    if done.returncode:
        raise MisconfiguredError(
            f"{option} failed with exit code {done.returncode}. Run the command by itself to see the reason."
        )
    return done.stdout.decode("utf-8", "replace").strip()
