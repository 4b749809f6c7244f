"""`daypass assume ROLE…`: the credentials of a role or a chain of roles.

Prints them as shell commands or as AWS does. `--save` writes a profile instead, which assumes the role when a tool
needs credentials.
"""

import click

from daypass.cli.shared.credentials_output import emit, format_option, shell_option
from daypass.cli.shared.profile_writer import save_option, save_profile
from daypass.cli.shared.selection import Selection
from daypass.cli.shared.session_options import ASSUMING, selecting


@click.command()
@click.argument("role_words", nargs=-1, required=True, metavar="ROLE...")
@selecting("role", ASSUMING)
@format_option
@shell_option
@save_option
def command(selection: Selection, *, output: str, shell: str, save: str) -> None:
    """Assume ROLE.

    With several roles, assume each one with the credentials of the role before it.

    A role is an ARN, ACCOUNT/NAME, or the name of a role in your own account. To use the credentials at once, run
    eval "$(daypass assume ROLE)" or daypass exec --role ROLE -- COMMAND.
    """
    entry = selection.get_credentials()
    if save:
        save_profile(save, selection)
    else:
        emit(entry, selection, output, shell)
