"""`daypass logout`: delete cached credentials, and end sign-ins.

It does not revoke the sessions of roles: they expire, or an operator runs `daypass sessions revoke`.
"""

import click

from daypass.cli.shared.selection import means_of
from daypass.client.credential_request import CredentialRequest
from daypass.client.problems import BadUsageError
from daypass.client.profiles.endpoints import named_at_hand
from daypass.client.profiles.profiles import Profile
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import with_endpoint
from daypass.client.sessions.server_sign_in import SignInStore, end_sign_in, is_of_sign_in, server_name
from daypass.client.sessions.source_keys import long_term_key
from daypass.client.text_format import printable


@click.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--all", "every", is_flag=True, help="Delete all cached credentials, and end all sign-ins.")
def command(*, profiles: tuple[str, ...], every: bool) -> None:
    """Delete the cached credentials of PROFILEs (default: AWS_PROFILE).

    Sessions that were made with a profile's own keys are deleted too. If they come from a sign-in at a server, the
    sign-in ends too, for all profiles of that server. The profiles are not removed.
    """
    client_context = means_of({})
    profiles = profiles if profiles or every else named_at_hand(client_context.environment)
    if not profiles and not every:
        raise BadUsageError("Name a profile, set AWS_PROFILE, or use --all.")
    servers = {_server_of(client_context.profiles.get(name), client_context) for name in profiles}
    ended = [each for each in SignInStore(client_context.cache).each() if every or each.server in servers]
    shared = {name for each in ended for name in _profiles_of(each.server, client_context)}
    deleted = _forget({*profiles, *shared}, client_context, every=every)
    whose = f" of {', '.join(map(printable, profiles))}" if profiles and not every else ""
    noun = "session" if deleted == 1 else "sessions"
    click.echo(f"Deleted {deleted} cached {noun}{whose}.", err=True)
    for each in ended:
        end_sign_in(each.server, client_context)
        click.echo(f"Signed out of {printable(each.server)}.", err=True)


def _forget(profiles: set[str], client_context: ClientContext, *, every: bool) -> int:
    """Delete the sessions of profiles and of their keys, and return their number."""
    cache = client_context.cache
    signers = profiles | {key for key in (_key_of(name, client_context) for name in profiles) if key}
    deleted = 0
    for entry in list(cache.entries()):
        if every or entry.source in signers:
            cache.drop(entry.key)
        elif not set(entry.profiles) & profiles:
            continue
        for name in set(entry.profiles) & profiles:
            cache.forget(entry.key, name)
        deleted += 1
    return deleted


def _key_of(name: str, client_context: ClientContext) -> str:
    """Return the ID of a profile's own access key, or an empty string."""
    request = CredentialRequest("session", source_profile=name)
    return long_term_key(request, client_context.profiles, client_context.environment)


def _server_of(profile: Profile, client_context: ClientContext) -> str:
    """Return the server from whose sign-in a profile gets its credentials, or an empty string."""
    request = profile.request
    if request is None:
        return ""
    request = with_endpoint(request, client_context)
    is_of = request.method == "portal" or is_of_sign_in(request, client_context)
    return server_name(request.endpoint_url) if is_of else ""


def _profiles_of(server: str, client_context: ClientContext) -> list[str]:
    every = client_context.profiles.by_name.values()
    return [profile.name for profile in every if _server_of(profile, client_context) == server]
