"""The options that select credentials in every command for people.

Owns the options. selection.py makes the credential request of them.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from daypass.client.durations import parse_duration
from daypass.client.problems import BadUsageError

F = TypeVar("F", bound=Callable[..., Any])


class Duration(click.ParamType[Any]):
    """A duration: 3600, 45m, 1h30m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the duration in seconds."""
        try:
            return value if isinstance(value, int) else parse_duration(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def _read_policy(_context: click.Context, _option: click.Parameter, text: str) -> str:
    """Return a policy that is given as JSON, or as file://PATH."""
    if not text.startswith("file://"):
        return text
    try:
        return Path(text.removeprefix("file://")).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"The file cannot be read: {error}.") from error


def read_policy_file(context: click.Context, option: click.Parameter, text: str) -> str:
    """Return a policy that is given by the path of its file, or as JSON."""
    is_path = text and not text.lstrip().startswith(("{", "file://"))
    return _read_policy(context, option, f"file://{text}" if is_path else text)


PLACE = (
    click.option("--profile", default="", metavar="NAME", help="The profile to use. Default: AWS_PROFILE."),
    click.option(
        "--endpoint-url", default="", metavar="URL", help="The server's URL. Default: the configured endpoint."
    ),
    click.option("--region", default="", metavar="NAME", help="The region for which requests are signed."),
)
HOW = (
    click.option("--no-input", is_flag=True, help="Never prompt: fail and name the command to run instead."),
    click.option("--no-cache", is_flag=True, help="Do not read or write cached credentials."),
    click.option("--fresh", is_flag=True, help="Request new credentials, even if cached ones are valid."),
)
LASTING = (
    click.option("--duration", type=Duration(), default=0, help="The session duration: 1h, 45m or 3600 (seconds)."),
)
MFA = (
    click.option("--mfa-serial", default="", metavar="ARN", help="The MFA device's ARN; `auto` looks up yours."),
    click.option("--mfa-code", default="", metavar="CODE", help="The MFA code. Default: prompt for it."),
    click.option("--mfa-command", default="", metavar="COMMAND", help="A command that prints the MFA code."),
)
CODE = MFA[1:]
LIMITS = (
    click.option("--policy", default="", callback=_read_policy, help="A session policy as JSON, or file://PATH."),
    click.option(
        "--policy-arn",
        "policy_arns",
        multiple=True,
        metavar="ARN",
        help="A managed policy to use as a session policy. Repeatable.",
    ),
)
TAGS = (click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A session tag. Repeatable."),)
SESSION = (
    click.option("--session-name", default="", metavar="NAME", help="The session name. Default: USER@HOST."),
    click.option("--external-id", default="", metavar="ID", help="The external ID that the role's owner gave you."),
    click.option(
        "--source-identity", default="", metavar="NAME", help="The source identity, recorded in the audit log."
    ),
    click.option(
        "--transitive-tag",
        "transitive_tags",
        multiple=True,
        metavar="KEY",
        help="The key of a tag to pass on to later roles of a chain.",
    ),
)
ROLE = (
    click.option(
        "--role", "roles", multiple=True, metavar="ROLE", help="A role to assume. Repeat it for a chain of roles."
    ),
)
ASSUMING = (*LASTING, *SESSION, *LIMITS, *TAGS, *MFA)


def options(*groups: tuple[Any, ...]) -> Callable[[F], F]:
    """Add the options of several groups to a command, in order."""

    def decorate(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return decorate


def selecting(method: str, *groups: tuple[Any, ...]) -> Callable[[F], Any]:
    """Add the options that select credentials to a command.

    The command gets a Selection, and its other parameters as keyword arguments.
    """
    names = {_name_of(option) for group in (PLACE, HOW, *groups) for option in group}

    def decorate(function: F) -> Any:
        @functools.wraps(function)
        def run(**given: Any) -> Any:
            from daypass.cli.shared.selection import select  # not for --help

            mine = {name: given.pop(name) for name in names if name in given}
            mine["profile"] = _one_profile(mine["profile"], given.pop("profile_word", ""))
            return function(select(method, mine, given.pop("role_words", ())), **given)

        return options(PLACE, *groups, HOW)(run)

    return decorate


def _one_profile(option: str, word: str) -> str:
    """Return the profile that an option or an argument names."""
    if option and word and option != word:
        raise BadUsageError(f"Name one profile, not both {word!r} and --profile {option!r}.")
    return option or word


def _name_of(option: Any) -> str:
    """Return the name of the parameter that an option sets."""
    parameters: list[click.Parameter] = option(lambda: None).__click_params__
    return str(parameters[0].name)
