"""`daypass renew`: refresh the credentials of profiles before they expire."""

from dataclasses import replace

import click

from daypass.cli.emitting import describe
from daypass.cli.login import sign_in_again
from daypass.cli.selecting import means_of
from daypass.client.endpoints import named_at_hand
from daypass.client.obtain import Means, obtain
from daypass.client.problems import BadUsage, SignInNeeded
from daypass.client.wanted import Wanted
from daypass.client.words import printable


@click.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--all", "every", is_flag=True, help="Refresh all profiles that get credentials from Daypass.")
@click.option("--no-input", is_flag=True, help="Never prompt and do not open a browser.")
def command(*, profiles: tuple[str, ...], every: bool, no_input: bool) -> None:
    """Refresh the credentials of PROFILEs (default: AWS_PROFILE), signing in again if needed."""
    means = replace(means_of({"no_input": no_input}), fresh=True)
    asking = {name: profile.wanted for name, profile in means.profiles.by_name.items() if profile.wanted}
    names = tuple(asking) if every else profiles or named_at_hand(means.environment)
    if not names:
        listed = ", ".join(map(printable, sorted(asking))) or "none"
        raise BadUsage(f"Name a profile, set AWS_PROFILE, or use --all. Known profiles: {listed}.")
    for name in names:
        means.profiles.get(name)
        wanted = asking.get(name)
        if wanted is None:
            raise BadUsage(f"Profile {name!r} does not get credentials from Daypass, so it cannot be renewed.")
        _renew(name, wanted, means)


def _renew(name: str, wanted: Wanted, means: Means) -> None:
    try:
        entry = obtain(wanted, means)
    except SignInNeeded:
        if wanted.method not in {"saml", "oidc"} or not means.prompt.allowed:
            raise
        sign_in_again(name, wanted.method)
    else:
        click.echo(f"{printable(name)}: {describe(entry)}")
