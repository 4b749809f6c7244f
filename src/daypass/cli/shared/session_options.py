"""The options that select credentials in every command for people.

Owns the options and their credential request. client/sessions/get_credentials.py gets the credentials.
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from daypass.client.credential_request import CredentialRequest
from daypass.client.durations import parse_duration
from daypass.client.problems import BadUsageError, MisconfiguredError
from daypass.client.profiles.aws_files import Places, is_temporary
from daypass.client.profiles.endpoints import profile_at_hand
from daypass.client.profiles.role_profiles import find_request
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials
from daypass.client.sessions.source_keys import signing_profile

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


@dataclass(frozen=True, slots=True)
class Selection:
    """The credential request that the options make, and the client context."""

    request: CredentialRequest
    client_context: ClientContext

    def get_credentials(self) -> Any:
        """Return the cache entry with the credentials."""
        return get_credentials(self.request, self.client_context)

    @property
    def name(self) -> str:
        """Return the name for people: the role's or the profile's."""
        request = self.request
        if request.role_arn and not request.profile:
            return request.role_arn[-1].rpartition("/")[2]
        return request.profile or request.source_profile or "default"


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


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


def select(method: str, given: dict[str, Any], roles: tuple[str, ...] = ()) -> Selection:
    """Return the credential request of a command's options."""
    client_context = means_of(given)
    roles = (*roles, *given.pop("roles", ()))
    place = {name: given[name] for name in ("endpoint_url", "region") if given[name]}
    fields = CredentialRequest.__dataclass_fields__
    further = {name: value for name, value in given.items() if name in fields and value and name not in place}
    further.pop("profile", None)
    if method in _WITHOUT_ROLE and not roles:
        request = _of_profile(given["profile"], client_context, {**place, **further}, _WITHOUT_ROLE[method])
        return Selection(request, client_context)
    method = "role" if method in _WITHOUT_ROLE else method
    request = CredentialRequest(method, source_profile=given["profile"], role_arn=roles, **place, **further)
    return Selection(_with_profile_mfa(request, client_context), client_context)


def with_session(selection: Selection) -> Selection:
    """Return the selection of a session, also for a long-term key.

    A session of such a key has MFA if the options or the profile name a device.
    """
    request, context = selection.request, selection.client_context
    if request.method != "keys":
        return selection
    if selection.get_credentials().credentials.session_token:
        if request.mfa_serial or request.mfa_command or context.mfa_code:
            raise BadUsageError("These credentials are a session already. Omit the --mfa options.")
        return selection
    session = replace(request, method="session", profile="")
    return replace(selection, request=_with_profile_mfa(session, context))


def means_of(given: dict[str, Any], **more: Any) -> ClientContext:
    """Return the client context, and remove its options from `given`."""
    from daypass.client.prompt import Prompt

    return ClientContext.of(
        os.environ,
        now,
        prompt=Prompt(allowed=not given.pop("no_input", False)),
        keeps=not given.pop("no_cache", False),
        fresh=given.pop("fresh", False),
        mfa_code=given.pop("mfa_code", ""),
        repairs=given.pop("repairs", False),
        **more,
    )


# The options that a command accepts without a role, for keys that are not Daypass's.
_WITHOUT_ROLE: Mapping[str, frozenset[str]] = {
    "role": frozenset({"endpoint_url", "region"}),
    "scope": frozenset({"endpoint_url", "region", "mfa_serial", "mfa_code", "mfa_command"}),
}


def _of_profile(
    name: str, client_context: ClientContext, further: dict[str, Any], accepted: frozenset[str]
) -> CredentialRequest:
    """Return a profile's own request, else one for AWS's credential search."""
    known = client_context.profiles.by_name
    if name and name not in known:
        if is_temporary(Places.of(client_context.environment).config):
            raise MisconfiguredError(
                f"Profile {name!r} does not exist for the command of `daypass exec` or `daypass shell`, which has no "
                "other credentials. Leave the command, and try again."
            )
        client_context.profiles.get(name)
    wanted = CredentialRequest("keys", source_profile=name)
    own = find_request(known.get(signing_profile(wanted, client_context.environment)))
    if own is not None:
        return replace(own, **further)
    given = {*further, *(["mfa_code"] if client_context.mfa_code else [])}
    strange = sorted(given - accepted)
    if strange:
        raise BadUsageError(f"--{strange[0].replace('_', '-')} needs a role. Name one with --role.")
    return replace(wanted, **further)


def _with_profile_mfa(request: CredentialRequest, client_context: ClientContext) -> CredentialRequest:
    """Return the request with the MFA device of the source profile's mfa_serial."""
    name = request.source_profile
    if not name and not client_context.environment.get("AWS_ACCESS_KEY_ID"):
        name = profile_at_hand(client_context.environment)
    source = client_context.profiles.by_name.get(name)
    if request.source_profile and source is None:
        raise MisconfiguredError(
            f"Profile {request.source_profile!r} does not exist. Run `daypass profile list` to see all profiles."
        )
    uses_mfa = request.method in {"role", "session"}
    if source is None or request.mfa_serial or source.options.get("role_arn") or not uses_mfa:
        return request
    return replace(request, mfa_serial=source.options.get("mfa_serial", ""))
