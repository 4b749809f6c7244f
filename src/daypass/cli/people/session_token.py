"""`daypass session-token`: session credentials for the caller's keys.

It calls GetSessionToken, with or without MFA.
"""

import click

from daypass.cli.shared.credentials_output import emit, format_option, shell_option
from daypass.cli.shared.profile_writer import save_option, save_profile
from daypass.cli.shared.selection import Selection
from daypass.cli.shared.session_options import LASTING, MFA, selecting


@click.command()
@selecting("session", LASTING, MFA)
@format_option
@shell_option
@save_option
def command(selection: Selection, *, output: str, shell: str, save: str) -> None:
    """Get session credentials for your own keys.

    With --mfa-serial they count as authenticated with MFA.
    """
    entry = selection.get_credentials()
    if save:
        save_profile(save, selection)
    else:
        emit(entry, selection, output, shell)
