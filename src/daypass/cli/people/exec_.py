"""`daypass exec -- COMMAND`: run a command with given credentials.

The command gets no other credentials. Owns the choice between keys in the environment, which are not refreshed, and a
loopback endpoint that serves refreshed credentials to long jobs. client/programs/child.py runs the command, with
signals and exit codes.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from daypass.cli.shared.credentials_output import own_variables, profile_of, region_of, s3_url_of
from daypass.cli.shared.exit_codes import CommandError, show_usage_error
from daypass.cli.shared.selection import Selection, now
from daypass.cli.shared.session_options import ASSUMING, ROLE, selecting
from daypass.client.credentials import container_form
from daypass.client.problems import UserFacingError
from daypass.client.profiles.aws_files import TEMPORARY
from daypass.client.programs.child import OWN_FAILURE, CannotRunError, run_child
from daypass.client.programs.child_environment import place, surroundings
from daypass.client.programs.child_files import child_config, own_files
from daypass.client.programs.container_endpoint import serving_credentials
from daypass.client.prompt import Prompt
from daypass.client.sessions.cache import CachedCredentials


class ChildCommand(click.Command):
    """A command whose own failures exit with 125, unlike the child's.

    Without a child, which may be absent unless `needs_child`, they exit as in other commands.
    """

    needs_child = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options, and leave the child's arguments unchanged."""
        has_child = self.needs_child or "--" in args  # the parser takes the words out of the list
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not has_child:
                raise
            show_usage_error(error)
            ctx.exit(OWN_FAILURE)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and exit with 125 for our own failures."""
        try:
            return super().invoke(ctx)
        except UserFacingError as problem:
            if not ctx.params["words"]:
                raise
            raise CommandError(str(problem), OWN_FAILURE) from problem


@click.command(cls=ChildCommand, context_settings={"allow_interspersed_args": False})
@selecting("role", ROLE, ASSUMING)
@click.option("--server", is_flag=True, help="Serve refreshed credentials on a local endpoint, for a long-running job.")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND [WORDS]...")
def command(selection: Selection, *, server: bool, words: tuple[str, ...]) -> int:
    """Run COMMAND with the credentials of a profile or a role.

    COMMAND gets this terminal, every signal and no other AWS credentials. The exit code is COMMAND's own, or 125 if
    daypass failed, 126 if COMMAND cannot be run, or 127 if it does not exist.
    """
    return run_with(selection, words, server=server)


def run_with(selection: Selection, words: tuple[str, ...], *, server: bool) -> int:
    """Run a command and return its exit code."""
    entry = selection.get_credentials()
    return _run_served(entry, selection, words) if server else run_with_credentials(entry, selection, words)


def run_with_credentials(entry: CachedCredentials, selection: Selection, words: tuple[str, ...]) -> int:
    """Run a command with these credentials and no others."""
    return _run(words, own_variables(entry, selection), selection)


def _run(words: tuple[str, ...], added: Mapping[str, str], selection: Selection) -> int:
    try:
        with own_files(_config(selection), mark=TEMPORARY) as files:
            return run_child(words, surroundings(os.environ, {**added, **files}))
    except CannotRunError as error:
        raise CommandError(str(error), error.code) from error


def _run_served(entry: CachedCredentials, selection: Selection, words: tuple[str, ...]) -> int:
    quiet, token = _quiet(selection), secrets.token_urlsafe(32)
    with serving_credentials(lambda: container_form(quiet.get_credentials().credentials, now=now()), token) as url:
        added = place(
            endpoint_url=entry.endpoint_url,
            s3_url=s3_url_of(selection),
            region=region_of(selection),
            name=selection.name,
        )
        added |= {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}
        return _run(words, added, selection)


def _config(selection: Selection) -> str:
    profiles = selection.client_context.profiles
    profile = profiles.by_name.get(profile_of(selection))
    return "" if profile is None else child_config(profile.options, profiles.services)


def _quiet(selection: Selection) -> Selection:
    """Return the selection for refreshes.

    The job owns the terminal from now on, so a refresh that needs a prompt fails. A code is accepted once, so the given
    one is not sent again.
    """
    context = replace(selection.client_context, prompt=Prompt(allowed=False), fresh=False, mfa_code="")
    return replace(selection, client_context=context)
