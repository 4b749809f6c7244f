"""The command `daypass`: finds a subcommand and imports it only then, so that the others cost nothing.

Owns the table of commands and the exit codes. Each command is a file of its own.
"""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

import click

from daypass.cli.exit_codes import Exit

# Command name -> the module that holds `command`.
COMMANDS: Mapping[str, str] = {
    "account": "daypass.cli.account",
    "assume": "daypass.cli.assume",
    "completion": "daypass.cli.completion",
    "console": "daypass.cli.console",
    "credential-process": "daypass.cli.credential_process",
    "doctor": "daypass.cli.doctor",
    "env": "daypass.cli.env",
    "exec": "daypass.cli.exec_",
    "federation-token": "daypass.cli.federation_token",
    "logout": "daypass.cli.logout",
    "login": "daypass.cli.login",
    "profile": "daypass.cli.profile",
    "renew": "daypass.cli.renew",
    "roles": "daypass.cli.roles",
    "session-token": "daypass.cli.session_token",
    "shell": "daypass.cli.shell",
    "status": "daypass.cli.status",
    "sts": "daypass.cli.sts",
    "whoami": "daypass.cli.whoami",
    "apply": "daypass.cli.apply",
    "explain": "daypass.cli.explain",
    "export": "daypass.cli.export",
    "import": "daypass.cli.import_",
    "organization": "daypass.cli.organization",
    "graph": "daypass.cli.graph",
    "keys": "daypass.cli.keys",
    "lint": "daypass.cli.lint",
    "mfa": "daypass.cli.mfa",
    "oidc": "daypass.cli.oidc",
    "saml": "daypass.cli.saml",
    "serve": "daypass.cli.serve",
    "sessions": "daypass.cli.sessions",
    "token": "daypass.cli.token",
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Import one command, or return None where there is none of that name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="daypass", message="daypass %(version)s")
def cli() -> None:
    """Trade proofs of identity for temporary AWS credentials, on a server of your own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code that scripts rely on."""
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="daypass", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; closing what is left of it quietly is all there is to do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(Exit.OK)
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is becomes one sentence
        sys.exit(_explain(error))
    sys.exit(code if isinstance(code, int) else Exit.OK)


def _explain(error: Exception) -> int:
    """Say what happened in one sentence, and return the exit code. DAYPASS_DEBUG=1 shows the rest."""
    from daypass.client import problems

    codes: dict[type[Exception], Exit] = {
        problems.BadUsage: Exit.USAGE,
        problems.SignInNeeded: Exit.SIGN_IN_NEEDED,
        problems.Refused: Exit.REFUSED,
        problems.Expired: Exit.EXPIRED,
        problems.Misconfigured: Exit.CONFIGURATION,
        problems.NoAnswer: Exit.NETWORK,
        problems.BrowserEnded: Exit.BROWSER,
        problems.Locked: Exit.LOCKED,
    }
    code = codes.get(type(error), Exit.UNEXPECTED)
    if code is Exit.UNEXPECTED:
        name = type(error).__name__
        words = f"something unexpected happened ({name}: {error}); run it again with DAYPASS_DEBUG=1 and report it."
    else:
        words = str(error)
    click.echo(f"daypass: {words}", err=True)
    if os.environ.get("DAYPASS_DEBUG"):
        import traceback

        traceback.print_exception(error)
    return code
