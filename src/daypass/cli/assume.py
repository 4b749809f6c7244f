"""`daypass assume ROLE…`: one role's credentials, or a chain's, as lines for the shell or as AWS prints them.

Owns the form of the answer. `--save` writes a profile that assumes the role whenever a tool asks.
"""

import click

from daypass.cli.emitting import emit, format_option, shell_option
from daypass.cli.saving import save_option, save_profile
from daypass.cli.selecting import ASSUMING, Selection, selecting


@click.command()
@click.argument("role_words", nargs=-1, required=True, metavar="ROLE...")
@selecting("role", ASSUMING)
@format_option
@shell_option
@save_option
def command(selection: Selection, *, output: str, shell: str, save: str) -> None:
    """Assume ROLE; several roles make a chain, each assumed by the one before.

    A role is an ARN, ACCOUNT/NAME, or a name in your own account. To use the answer at once:
    eval "$(daypass assume ROLE)", or daypass exec --role ROLE -- COMMAND.
    """
    entry = selection.obtain()
    if save:
        save_profile(save, selection)
    else:
        emit(entry, selection, output, shell)
