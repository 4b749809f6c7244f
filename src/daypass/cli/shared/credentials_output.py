"""Print credentials for a shell, for a program or as STS prints them.

Owns these formats, and the terminal's line with the identity and the time left.
"""

import json
import os
import sys

import click

from daypass.cli.shared.selection import Selection, now
from daypass.client.credentials import process_form, sts_form
from daypass.client.durations import say_duration
from daypass.client.problems import BadUsageError
from daypass.client.profiles.endpoints import find_region, find_s3_endpoint, profile_at_hand
from daypass.client.programs.child_environment import cleared, variables
from daypass.client.programs.shells import SHELLS, find_shell, script
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.text_format import printable

format_option = click.option(
    "--output",
    type=click.Choice(["env", "json", "process"]),
    default="env",
    help="Shell commands, the response of STS, or credential_process JSON.",
)
shell_option = click.option(
    "--shell",
    type=click.Choice(["auto", *SHELLS]),
    default="auto",
    help="The shell to print commands for. Default: your shell.",
)


def emit(entry: CachedCredentials, selection: Selection, output: str, shell: str) -> None:
    """Print credentials in the given format."""
    if output == "env":
        click.echo(shell_lines(entry, selection, shell))
        if not sys.stderr.isatty():
            return
        click.echo(f"daypass: {describe(entry)}", err=True)
        if sys.stdout.isatty():
            click.echo('daypass: these are shell commands; run them with eval "$(...)".', err=True)
    elif output == "json":
        arn = {"Arn": entry.arn} if entry.arn else {}
        click.echo(json.dumps({"Credentials": sts_form(entry.credentials), **arn}, indent=4))
    else:
        click.echo(json.dumps(process_form(entry.credentials)))


def shell_lines(entry: CachedCredentials, selection: Selection, shell: str) -> str:
    """Return the shell commands that set these credentials.

    They unset all other credentials.
    """
    kind = find_shell(os.environ, windows=sys.platform == "win32") if shell == "auto" else shell
    added = own_variables(entry, selection)
    try:
        return script(kind, added, cleared(os.environ, added))
    except ValueError as error:
        raise BadUsageError(f"These credentials cannot be written as {kind} commands: {error}.") from error


def own_variables(entry: CachedCredentials, selection: Selection) -> dict[str, str]:
    """Return the environment variables for credentials."""
    return variables(
        entry.credentials,
        endpoint_url=entry.endpoint_url,
        s3_url=s3_url_of(selection),
        region=region_of(selection),
        name=selection.name,
    )


def region_of(selection: Selection) -> str:
    """Return the region of the selection, its profile or the environment."""
    context = selection.client_context
    return selection.request.region or find_region(context.environment, context.profiles, profile_of(selection))


def s3_url_of(selection: Selection) -> str:
    """Return the S3 gateway of the selection's profile, or an empty string."""
    context = selection.client_context
    return find_s3_endpoint(context.environment, context.profiles, profile_of(selection))


def profile_of(selection: Selection) -> str:
    """Return the profile whose settings the selection has."""
    request = selection.request
    return profile_at_hand(selection.client_context.environment, request.profile or request.source_profile)


def describe(entry: CachedCredentials) -> str:
    """Describe the identity and the time left of credentials in one line."""
    who = printable(entry.arn) or entry.credentials.access_key_id
    if entry.credentials.expires is None:
        return f"{who}, valid until the key is deleted"
    left = (entry.credentials.expires - now()).total_seconds()
    until = entry.credentials.expires.astimezone().strftime("%H:%M")
    return f"{who}, valid for {say_duration(left)} (until {until})"
