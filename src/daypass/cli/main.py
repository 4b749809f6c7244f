"""The command `daypass`.

It imports only the called subcommand, so that it starts quickly. Owns the table of commands, the error for operators'
commands if only the client is installed, and the exit code of each exception.
"""

import gc
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

import click

from daypass.cli.shared.exit_codes import CommandError, Exit, show_usage_error

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Command name -> the module with `command`, and its summary in `daypass --help`. Reading the summaries from the modules
# would import the whole server.
FOR_PEOPLE: Mapping[str, tuple[str, str]] = {
    "login": ("daypass.cli.people.login", "Sign in and save a profile that every AWS tool can use."),
    "whoami": ("daypass.cli.people.whoami", "Show your identity, your credentials and when they expire."),
    "status": ("daypass.cli.people.status", "List cached sessions and when they expire."),
    "renew": ("daypass.cli.people.renew", "Refresh credentials, signing in again if needed."),
    "logout": ("daypass.cli.people.logout", "Delete cached credentials."),
    "doctor": ("daypass.cli.people.doctor", "Diagnose problems with credentials."),
    "assume": ("daypass.cli.people.assume", "Assume a role or a chain of roles."),
    "session-token": ("daypass.cli.people.session_token", "Get session credentials for your own keys, with MFA."),
    "federation-token": (
        "daypass.cli.people.federation_token",
        "Get credentials for another user, limited by policies.",
    ),
    "env": ("daypass.cli.people.env", "Print shell commands that set credentials."),
    "exec": ("daypass.cli.people.exec_", "Run a command with credentials."),
    "scope": ("daypass.cli.people.scope", "Run a command with a part of your permissions."),
    "shell": ("daypass.cli.people.shell", "Start a shell with credentials."),
    "console": ("daypass.cli.people.console", "Print a link that signs a browser in to the console."),
    "credential-process": (
        "daypass.cli.people.credential_process",
        "Print credentials for AWS's credential_process setting.",
    ),
    "profile": ("daypass.cli.people.profile", "List, show, add, set, rename and remove profiles."),
    "roles": ("daypass.cli.people.roles", "List the roles that you can assume."),
    "sts": ("daypass.cli.people.sts", "Call any operation of STS."),
    "completion": ("daypass.cli.people.completion", "Set up command completion in your shell."),
}
FOR_OPERATORS: Mapping[str, tuple[str, str]] = {
    "serve": ("daypass.cli.operators.serve", "Run the server: STS and IAM at one URL."),
    "dev": ("daypass.cli.operators.dev", "Run a demonstration with people who can sign in."),
    "gateway": ("daypass.cli.operators.gateways.gateway", "Run the S3 gateway in front of a store of objects."),
    "backup": ("daypass.cli.operators.backup", "Write the store into one encrypted file."),
    "restore": ("daypass.cli.operators.restore", "Make a store from a backup."),
    "check": ("daypass.cli.operators.check", "Find damage in the store."),
    "account": ("daypass.cli.operators.account", "Create and list accounts."),
    "audit": ("daypass.cli.operators.audit", "Find out whose key it is, check the audit log, test its sinks."),
    "bucket": ("daypass.cli.operators.gateways.bucket", "List and record the buckets of accounts."),
    "organization": ("daypass.cli.operators.organization", "Show and change the store's organization."),
    "apply": ("daypass.cli.operators.apply", "Apply a configuration file."),
    "export": ("daypass.cli.operators.export", "Export the store as a configuration file."),
    "import": ("daypass.cli.operators.import_", "Import the IAM entities of an AWS account."),
    "keys": ("daypass.cli.operators.keys", "List and rotate the server's keys."),
    "master-key": ("daypass.cli.operators.master_key", "Rotate the keys that encrypt the store's secrets."),
    "sessions": ("daypass.cli.operators.sessions", "Revoke sessions before they expire."),
    "mfa": ("daypass.cli.operators.mfa", "List MFA devices, register hardware tokens, unlock devices."),
    "saml": ("daypass.cli.operators.saml", "Debug SAML responses and configure SAML providers."),
    "oidc": ("daypass.cli.operators.oidc", "List and configure OpenID Connect providers."),
    "resource-server": (
        "daypass.cli.operators.gateways.resource_server",
        "Register gateways and services that verify requests elsewhere.",
    ),
    "token": ("daypass.cli.operators.token", "Debug web identity tokens."),
    "explain": ("daypass.cli.operators.policies.explain", "Explain why a request is allowed or denied."),
    "graph": ("daypass.cli.operators.policies.graph", "Draw who can assume which role."),
    "lint": ("daypass.cli.operators.policies.lint", "Check a policy for likely mistakes."),
}
COMMANDS: Mapping[str, tuple[str, str]] = {**FOR_PEOPLE, **FOR_OPERATORS}
_HEADINGS = (("Commands", FOR_PEOPLE), ("Commands for operators of a server", FOR_OPERATORS))

# The modules of the extra `server`, which is installed if all exist. uvloop is not on Windows.
SERVER_MODULES = (
    "_awscrt",
    "aiohttp",
    "alembic",
    "awscrt",
    "httptools",
    "jinja2",
    "lxml",
    "prometheus_client",
    "psycopg",
    "pyrage",
    "segno",
    "sqlalchemy",
    "starlette",
    "structlog",
    "uvicorn",
)


class _NeedsServer(click.Command):
    """Replaces an operators' command if only the client is installed; ends with exit code 6."""

    def __init__(self, name: str) -> None:
        any_words = {"ignore_unknown_options": True, "allow_extra_args": True}
        super().__init__(name, callback=self._stop, add_help_option=False, context_settings=any_words)

    @staticmethod
    def _stop() -> None:
        raise CommandError("This command needs the server: pip install 'daypass[server]'", Exit.CONFIGURATION)


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands, in order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or return None if it does not exist."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in FOR_OPERATORS and not _is_server_installed():
            return _NeedsServer(cmd_name)
        command: click.Command = _import(COMMANDS[cmd_name][0]).command
        if ctx.resilient_parsing:
            from daypass.cli.shared.completion import add_completion

            add_completion(command, cmd_name, for_people=cmd_name in FOR_PEOPLE)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest similar ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            import difflib

            near = [f"`daypass {name}`" for name in difflib.get_close_matches(args[0], COMMANDS, n=2)]
            ctx.fail(f"Command {args[0]!r} does not exist." + (f" Did you mean {' or '.join(near)}?" if near else ""))
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands with this prefix, without importing them."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=words) for name, (_, words) in COMMANDS.items() if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the list of commands, without importing them."""
        for heading, commands in _HEADINGS:
            with formatter.section(heading):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()])


def _import(module: str) -> ModuleType:
    """Import a command without the garbage collector.

    Modules live as long as the process. To search them again and again takes a fifth of the start of a server.
    """
    if module in sys.modules:
        return sys.modules[module]
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _is_server_installed() -> bool:
    """Check for the server's libraries without importing them."""
    return all(find_spec(name) is not None for name in SERVER_MODULES)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="daypass", message="daypass %(version)s")
def cli() -> None:
    """Get temporary AWS credentials from a server of your own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code that scripts rely on."""
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="daypass", standalone_mode=False)
    except click.UsageError as error:
        show_usage_error(error)
        sys.exit(Exit.USAGE)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(Exit.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - every exception becomes one sentence
        stop(error)
    sys.exit(code if isinstance(code, int) else Exit.OK)


def stop(error: Exception) -> NoReturn:
    """Print an error in one sentence and exit with its code."""
    if isinstance(error, BrokenPipeError):
        # The reader of our output has closed the pipe: exit without an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(Exit.OK)
    sys.exit(_explain(error))


def stop_interrupted() -> NoReturn:
    """Exit as after Ctrl+C in a command."""
    click.echo(err=True)
    sys.exit(Exit.INTERRUPTED)


def _explain(error: Exception) -> int:
    """Print the error in one sentence and return the exit code. DAYPASS_DEBUG=1 adds a traceback."""
    from daypass.client import problems
    from daypass.client.text_format import printable

    codes: dict[type[Exception], Exit] = {
        problems.BadUsageError: Exit.USAGE,
        problems.SignInNeededError: Exit.SIGN_IN_NEEDED,
        problems.RefusedError: Exit.REFUSED,
        problems.ExpiredError: Exit.EXPIRED,
        problems.MisconfiguredError: Exit.CONFIGURATION,
        problems.NoAnswerError: Exit.NETWORK,
        problems.BrowserSignInError: Exit.BROWSER,
        problems.LockedError: Exit.LOCKED,
    }
    code = codes.get(type(error), Exit.UNEXPECTED)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        # The user has to correct an unusable file, whichever command met it.
        code = Exit.LOCKED
        words = (
            f"{printable(error.filename)} cannot be used: {error.strerror}. Check its owner and the free disk space."
        )
    elif code is Exit.UNEXPECTED:
        # Print only its type: a message may contain a value such as a secret key.
        what = type(error).__name__
        words = f"unexpected error ({what}). Run it again with DAYPASS_DEBUG=1 and report the output."
    else:
        words = str(error)
    click.echo(f"daypass: {words}", err=True)
    if os.environ.get("DAYPASS_DEBUG"):
        click.echo("\n".join(_trace(error)), err=True)
    return code


def _trace(error: BaseException) -> Iterator[str]:
    """Yield the traceback of an error and of its causes, with messages of our own errors only.

    Other messages may quote a response with a secret key, and users send tracebacks to other people.
    """
    import traceback

    from daypass.client.problems import UserFacingError

    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _trace(cause)
        yield "\nwhich led to:\n"
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    is_ours = isinstance(error, UserFacingError)
    yield f"{type(error).__module__}.{type(error).__qualname__}" + (f": {error}" if is_ours else "")
    if is_ours:
        yield from getattr(error, "__notes__", ())
