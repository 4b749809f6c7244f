"""Deliver the roles of a sign-in: mint credentials, or write profiles.

`daypass profile sync` writes the same profiles later, without another sign-in.
"""

from collections.abc import Sequence
from dataclasses import replace

import click

from daypass.cli.shared.profile_writer import report
from daypass.cli.shared.role_profiles import Form, ProfileForm, RoleProfile, plan_profiles, profile_text, write_profiles
from daypass.cli.shared.selection import Selection
from daypass.cli.shared.sign_in import chosen_roles
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.sessions.get_credentials import get_credentials
from daypass.client.sign_in.sso_api import PortalRole, find_start_url
from daypass.client.text_format import printable

_SUMMARY = {
    "added": "Added profile",
    "changed": "Changed profile",
    "kept": "Kept profile",
    "gone": "You no longer have the role of profile",
    "taken": "Another profile already has the name",
}


def mint_roles(
    selection: Selection, roles: tuple[PortalRole, ...], *, is_own: bool, every: bool
) -> list[tuple[Selection, CachedCredentials]]:
    """Return the credentials of the chosen roles, each with its own selection.

    A profile that exists keeps its method and its roles.
    """
    request = selection.request
    if is_own and request.role_arn:
        return [_minted(selection)]
    request = replace(request, method="portal", via="", provider_arn="", issuer="", client_id="", scopes="")
    chosen = chosen_roles(selection, roles, every=every)
    return [_minted(replace(selection, request=replace(request, role_arn=(role,)))) for role in chosen]


def _minted(selection: Selection) -> tuple[Selection, CachedCredentials]:
    from daypass.client.sessions.sts_call import CallSigner, call, connect

    request = selection.request
    # The cache key needs the profile's name, which is chosen later.
    entry = get_credentials(request, replace(selection.client_context, keeps=False))
    sts = connect(
        "sts", CallSigner(credentials=entry.credentials), endpoint_url=request.endpoint_url, region=request.region
    )
    return selection, replace(entry, arn=printable(call(sts, "GetCallerIdentity", {})["Arn"]))


def deliver_profiles(
    selection: Selection, roles: tuple[PortalRole, ...], s3_url: str, output: str, *, every: bool
) -> None:
    """Write the profiles of all roles that match.

    Or print them for AWS's own tools, without writing a file.
    """
    request = selection.request
    form = form_of(selection, "sso" if output == "sso" else "process", s3_url)
    if every and not request.role_arn:
        chosen = roles
    else:
        arns = set(chosen_roles(selection, roles, every=every))
        chosen = tuple(role for role in roles if role.arn in arns)
    if output == "sso":
        click.echo("\n".join(profile_text(form, role).strip() for role in chosen))
        return
    is_partial = len(chosen) < len(roles)
    sync(selection, form, chosen, dry_run=False, tells_gone=not is_partial)


def form_of(selection: Selection, kind: Form, s3_url: str) -> ProfileForm:
    """Return the form of the profiles of the selection's server."""
    request = selection.request
    start_url = find_start_url(request.endpoint_url) if kind == "sso" else ""
    return ProfileForm(kind, request.endpoint_url, request.region, s3_url, start_url)


def sync(
    selection: Selection, form: ProfileForm, roles: Sequence[PortalRole], *, dry_run: bool, tells_gone: bool = True
) -> None:
    """Write the profiles of roles, and say for each what was done."""
    profiles = selection.client_context.profiles
    planned = plan_profiles(form, roles, profiles)
    done = write_profiles(form, planned, profiles, dry_run=dry_run)
    report([done], dry_run=dry_run)
    for each in planned:
        if tells_gone or each.state != "gone":
            click.echo(f"daypass: {_sentence(each)}", err=True)
    if not roles:
        click.echo("daypass: No role trusts you. Ask your administrator.", err=True)


def _sentence(each: RoleProfile) -> str:
    words = f"{_SUMMARY[each.state]} {printable(each.name)} ({printable(each.role.arn)})."
    if each.state == "gone":
        words += f" Remove it with `daypass profile remove {printable(each.name)}`."
    if each.state == "taken":
        words += f" Sign in to the role with `daypass login --role {printable(each.role.arn)} --profile NAME`."
    return words
