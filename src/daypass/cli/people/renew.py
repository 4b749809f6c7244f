"""`daypass renew`: refresh the credentials of profiles before they expire."""

from dataclasses import replace

import click

from daypass.cli.people.login import sign_in_again
from daypass.cli.shared.credentials_output import describe
from daypass.cli.shared.selection import means_of
from daypass.client.credential_request import CredentialRequest
from daypass.client.problems import BadUsageError, SignInNeededError
from daypass.client.profiles.endpoints import named_at_hand
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials
from daypass.client.text_format import printable


@click.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--all", "every", is_flag=True, help="Refresh all profiles that get credentials from Daypass.")
@click.option("--no-input", is_flag=True, help="Never prompt and do not open a browser.")
def command(*, profiles: tuple[str, ...], every: bool, no_input: bool) -> None:
    """Refresh the credentials of PROFILEs (default: AWS_PROFILE).

    If needed, you sign in again.
    """
    client_context = replace(means_of({"no_input": no_input}), fresh=True)
    requests = {name: profile.request for name, profile in client_context.profiles.by_name.items() if profile.request}
    names = tuple(requests) if every else profiles or named_at_hand(client_context.environment)
    if not names:
        listed = ", ".join(map(printable, sorted(requests))) or "none"
        raise BadUsageError(f"Name a profile, set AWS_PROFILE, or use --all. Known profiles: {listed}.")
    for name in names:
        client_context.profiles.get(name)
        request = requests.get(name)
        if request is None:
            raise BadUsageError(f"Profile {name!r} does not get credentials from Daypass, so it cannot be renewed.")
        _renew(name, request, client_context)


def _renew(name: str, request: CredentialRequest, client_context: ClientContext) -> None:
    try:
        entry = get_credentials(request, client_context)
    except SignInNeededError:
        if request.method not in {"saml", "oidc", "portal"} or not client_context.prompt.allowed:
            raise
        sign_in_again(name, request.method)
    else:
        click.echo(f"{printable(name)}: {describe(entry)}")
