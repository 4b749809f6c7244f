"""`daypass federation-token NAME`: credentials for another user.

It calls GetFederationToken. Their permissions never exceed the caller's own.
"""

from dataclasses import replace

import click

from daypass.cli.shared.credentials_output import emit, format_option, shell_option
from daypass.cli.shared.selection import Selection
from daypass.cli.shared.session_options import CODE, LASTING, LIMITS, TAGS, selecting


@click.command()
@click.argument("name")
@selecting("federation", LASTING, LIMITS, TAGS, CODE)
@format_option
@shell_option
def command(selection: Selection, *, name: str, output: str, shell: str) -> None:
    """Get credentials for the federated user NAME.

    The given session policies limit them.
    """
    selection = replace(selection, request=replace(selection.request, session_name=name))
    emit(selection.get_credentials(), selection, output, shell)
