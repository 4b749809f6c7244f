"""The values that the shell completes: profiles, roles and files.

Owns the table of the parameters that take them. It reads the two AWS files, and never asks a server.
"""

import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import click
from click.shell_completion import CompletionItem

from daypass.client.credential_request import CredentialRequest
from daypass.client.problems import UserFacingError
from daypass.client.profiles.aws_files import Places
from daypass.client.profiles.profiles import Profile, Profiles, load_profiles
from daypass.client.roles import account_of, role_name

_FILE = re.compile(r"\[?FILE")
Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_profiles(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the profiles with this prefix."""
    return [CompletionItem(name) for name in sorted(_profiles().by_name) if name.startswith(incomplete)]


def complete_roles(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the roles of the profiles with this prefix.

    They are names, ACCOUNT/NAME, or ARNs.
    """
    arns = sorted({arn for each in _profiles().by_name.values() for arn in _roles_of(each) if account_of(arn)})
    forms = [role_name(arn) for arn in arns] + [f"{account_of(arn)}/{role_name(arn)}" for arn in arns]
    # A shell may split a word at its colons, so ARNs are offered only to a person who types one.
    found = arns if incomplete.startswith("arn:") else forms
    return [CompletionItem(each) for each in dict.fromkeys(found) if each.startswith(incomplete)]


def complete_files(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file."""
    return [CompletionItem(incomplete, type="file")]


def _profiles() -> Profiles:
    try:
        return load_profiles(Places.of(os.environ))
    except UserFacingError:
        return Profiles({}, {})


def _roles_of(profile: Profile) -> tuple[str, ...]:
    try:
        request: CredentialRequest | None = profile.request
    except UserFacingError:
        request = None
    own = request.role_arn if request else ()
    return (*own, *filter(None, [profile.options.get("role_arn", "")]))


# Command -> its parameters and their values. An empty name stands for every command of people.
VALUES: Mapping[str, Mapping[str, Completion]] = MappingProxyType(
    {
        "": {"profile": complete_profiles, "profiles": complete_profiles, "profile_word": complete_profiles}
        | {"roles": complete_roles, "role_words": complete_roles},
        "exec": {"words": complete_files},
        "profile add": {"profile": complete_profiles},
        "profile show": {"name": complete_profiles},
        "profile set": {"name": complete_profiles},
        "profile remove": {"name": complete_profiles},
        "profile rename": {"old": complete_profiles},
        "gateway": {"identity_profile": complete_profiles},
    }
)


def add_completion(command: click.Command, path: str, *, for_people: bool) -> None:
    """Add the completion of values to a command and those below it."""
    values = {**(VALUES[""] if for_people else {}), **VALUES.get(path, {})}
    for parameter in command.params:
        complete = values.get(str(parameter.name))
        if complete is None and isinstance(parameter.type, click.types.StringParamType):
            complete = complete_files if _FILE.match(parameter.metavar or "") else None
        if complete is not None:
            parameter._custom_shell_complete = complete  # noqa: SLF001 - click has no other way after the construction
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            add_completion(each, f"{path} {name}", for_people=for_people)
