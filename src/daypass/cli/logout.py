"""`daypass logout`: forget what is kept. Sessions end by themselves, or by the operator's `daypass sessions revoke`."""

import click

from daypass.cli.selecting import means_of
from daypass.client.problems import BadUsage


@click.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--all", "every", is_flag=True, help="Everything that is kept.")
def command(*, profiles: tuple[str, ...], every: bool) -> None:
    """Forget the credentials that are kept for PROFILEs. The profiles themselves stay."""
    if not profiles and not every:
        raise BadUsage("Name a profile, or give --all.")
    means = means_of({})
    for name in profiles:
        means.profiles.get(name)
    gone = [entry for entry in means.cache.entries() if every or entry.profile in profiles]
    for entry in gone:
        means.cache.drop(entry.key)
    click.echo(f"{len(gone)} {'session is' if len(gone) == 1 else 'sessions are'} forgotten.", err=True)
