"""`daypass credential-process`: print credentials for AWS tools.

Standard output contains only the JSON document; prompts go to the terminal.
"""

from typing import TYPE_CHECKING

import click

from daypass.cli.shared.session_options import ASSUMING, ROLE, selecting

if TYPE_CHECKING:
    from daypass.cli.shared.selection import Selection


@click.command()
@click.argument("profile_word", default="", metavar="[PROFILE]")
@selecting("role", ROLE, ASSUMING)
def command(selection: "Selection") -> None:
    """Print credentials in the format of AWS's credential_process setting.

    They are those of PROFILE, which --profile names too.
    """
    from daypass.cli.shared.cached_process import document_of  # not for --help

    click.echo(document_of(selection))
