"""`daypass logout`: delete cached credentials.

It does not revoke the sessions: they expire, or an operator runs `daypass sessions revoke`.
"""

import click

from daypass.cli.shared.session_options import means_of
from daypass.client.problems import BadUsageError
from daypass.client.profiles.endpoints import named_at_hand
from daypass.client.text_format import printable


@click.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--all", "every", is_flag=True, help="Delete all cached credentials.")
def command(*, profiles: tuple[str, ...], every: bool) -> None:
    """Delete the cached credentials of PROFILEs (default: AWS_PROFILE).

    The profiles are not removed.
    """
    client_context = means_of({})
    profiles = profiles if profiles or every else named_at_hand(client_context.environment)
    if not profiles and not every:
        raise BadUsageError("Name a profile, set AWS_PROFILE, or use --all.")
    for name in profiles:
        client_context.profiles.get(name)
    found = list(client_context.cache.entries())
    gone = [entry for entry in found if every or set(entry.profiles) & set(profiles)]
    for entry in gone:
        if every:
            client_context.cache.drop(entry.key)
        for name in set(entry.profiles) & set(profiles):
            client_context.cache.forget(entry.key, name)
    whose = f" of {', '.join(map(printable, profiles))}" if profiles and not every else ""
    noun = "session" if len(gone) == 1 else "sessions"
    click.echo(f"Deleted {len(gone)} cached {noun}{whose}.", err=True)
