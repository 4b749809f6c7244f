"""Write profiles that AWS tools use without a wrapper.

Owns the forms of a profile (a credential process, AWS's own role settings, keys) and the difference that `--dry-run`
prints, without secrets. client/profiles/aws_files.py reads and writes the files.
"""

import difflib
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click

from daypass.cli.shared.selection import Selection
from daypass.client.credential_request import PREFIX, SETTINGS, CredentialRequest, options_of
from daypass.client.credentials import Credentials
from daypass.client.operating_system import join_command
from daypass.client.problems import BadUsageError, LockedError
from daypass.client.profiles.aws_files import Edit, Places
from daypass.client.profiles.endpoints import named_at_hand
from daypass.client.profiles.impossible_requests import find_impossibility
from daypass.client.profiles.ini_edit import Value
from daypass.client.profiles.profiles import (
    KEYS,
    SECRETS,
    ServerEndpoints,
    checked_name,
    load_profiles,
    write_config,
    write_keys,
)
from daypass.client.programs.shells import find_shell, setting
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import with_role_arns

_SECRET_LINE = re.compile(rf"^([+ -]?\s*(?:{'|'.join(sorted(SECRETS))})\s*[=:]\s*).*$", re.IGNORECASE)
save_option = click.option(
    "--save", default="", metavar="NAME", help="Save it as a profile instead of printing credentials."
)


s3_endpoint_option = click.option(
    "--s3-endpoint-url",
    "s3_url",
    default="",
    metavar="URL",
    help="The URL of the server's S3 gateway, saved for every profile of the server.",
)


def places() -> Places:
    """Return the paths of this user's AWS files."""
    return Places.of(os.environ)


def must_write(places: Places) -> None:
    """Check, before the person signs in, that the config file is writable.

    Raises LockedError.
    """
    folder = Path(os.path.realpath(places.config)).parent
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise LockedError(
            f"{there} is not writable. Set AWS_CONFIG_FILE to another file, or print credentials with --output env."
        )


def use_profile(name: str) -> str:
    """Return the command of the person's shell that selects a profile."""
    return setting("AWS_PROFILE", name, find_shell(os.environ, windows=sys.platform == "win32"))


def process_command(name: str) -> str:
    """Return the credential_process value of a profile.

    It has the full path, because tools run it with any PATH.
    """
    program = Path(sys.argv[0])
    if program.name == "daypass" and not program.exists():
        program = program.with_suffix(".exe")  # Windows: the launcher leaves out the suffix.
    path = str(program.absolute()) if program.stem == "daypass" and program.exists() else "daypass"
    return join_command((path, "credential-process", "--profile", name))


def server_endpoints(url: str, s3_url: str = "") -> ServerEndpoints | None:
    """Return the services section of a server, or None for AWS itself.

    Raises BadUsageError for a gateway without a server, and for a URL that is not valid.
    """
    if s3_url and not re.match(r"https?://[^/\s]", s3_url):
        raise BadUsageError(f"{s3_url!r} is not a URL of an S3 gateway. Give one such as http://127.0.0.1:7880.")
    if not url:
        if s3_url:
            raise BadUsageError("--s3-endpoint-url needs the server of the gateway. Name it with --endpoint-url URL.")
        return None
    name = "daypass-" + re.sub(r"[^a-z0-9.-]+", "-", urlsplit(url).netloc.lower()).strip("-")
    return ServerEndpoints(name, url, s3_url)


def save_profile(
    name: str, selection: Selection, *, s3_url: str = "", dry_run: bool = False, quiet: bool = False
) -> list[Edit]:
    """Write a profile whose credential process makes the selection's request."""
    request = _with_source(selection.request, selection.client_context)
    impossible = find_impossibility(request, selection.client_context.profiles)
    if impossible:
        raise BadUsageError(impossible)
    request = with_role_arns(request, selection.client_context)
    if request.policy and "\n" in request.policy:
        request = replace(request, policy=" ".join(request.policy.split()))
    if request.method in {"role", "session"} and not request.source_profile:
        raise BadUsageError(
            "A profile needs a source with long-term credentials. Name the profile that has your keys with --profile "
            "or AWS_PROFILE."
        )
    known = selection.client_context.profiles.by_name.get(name)
    if known is not None and known.credentials.get("aws_access_key_id"):
        raise BadUsageError(
            f"Profile {name!r} has keys in the credentials file, which would override other settings. "
            f"Remove them with `daypass profile remove {name}`, or choose another name."
        )
    changes: dict[str, Value] = {f"{PREFIX}{setting}": None for setting in SETTINGS}
    changes |= {"credential_process": process_command(name), "region": request.region}
    changes |= options_of(replace(request, profile=name))
    server = server_endpoints(request.endpoint_url, s3_url)
    done = [write_config(places(), checked_or_default(name), changes, server=server, dry_run=dry_run)]
    report(done, dry_run=dry_run)
    if not dry_run and not quiet:
        click.echo(f"Saved profile {name}. To use it: {use_profile(name)}", err=True)
    return done


def _with_source(request: CredentialRequest, client_context: ClientContext) -> CredentialRequest:
    """Return the request with the profile of the environment as its source.

    A profile must name its source: it is used in other environments too.
    """
    if request.method not in {"role", "session"} or request.source_profile:
        return request
    name = next(iter(named_at_hand(client_context.environment)), "")
    if client_context.environment.get("AWS_ACCESS_KEY_ID") or name not in client_context.profiles.by_name:
        return request
    return replace(request, source_profile=name)


def saved_wanted(name: str) -> CredentialRequest:
    """Return the credential request of a profile that was just written."""
    request = load_profiles(places()).get(name).request
    if request is None:
        raise BadUsageError(f"Profile {name!r} does not get credentials from Daypass.")
    return request


def save_keys(
    name: str, credentials: Credentials, server: ServerEndpoints | None, region: str, *, dry_run: bool = False
) -> list[Edit]:
    """Write keys to the credentials file.

    Region and endpoints go to the config file.
    """
    options: dict[str, Value] = {"region": region or None}
    edits = []
    if region or server:
        edits = [write_config(places(), checked_or_default(name), options, server=server, dry_run=dry_run)]
    values = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token or None)
    edits.append(write_keys(places(), checked_or_default(name), dict(zip(KEYS, values, strict=True)), dry_run=dry_run))
    report(edits, dry_run=dry_run)
    return edits


def checked_or_default(name: str) -> str:
    """Return the name if a profile may have it. Raises BadUsageError."""
    return name if name == "default" else checked_name(name)


def report(edits: Iterable[Edit], *, dry_run: bool) -> None:
    """Print the changes of a dry run."""
    if not dry_run:
        return
    changed = [edit for edit in edits if edit.before != edit.after]
    for edit in changed:
        click.echo(difference(edit))
    if not changed:
        click.echo("No changes.")


def difference(edit: Edit) -> str:
    """Return the change of a file as a unified diff, without secrets."""
    before, after = (_without_secrets(text) for text in (edit.before, edit.after))
    lines = list(difflib.unified_diff(before, after, str(edit.path), str(edit.path), lineterm=""))
    if not lines:
        lines = [f"--- {edit.path}", f"+++ {edit.path}", "(a secret changes)"]
    return "\n".join(line.encode("utf-8", "replace").decode() for line in lines)


def _without_secrets(text: str) -> list[str]:
    return [_SECRET_LINE.sub(r"\1<secret>", line) for line in text.splitlines()]
