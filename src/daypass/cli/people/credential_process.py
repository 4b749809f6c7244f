"""`daypass credential-process`: print credentials for AWS tools.

Standard output contains only the JSON document; prompts go to the terminal.
"""

import json

import click

from daypass.cli.shared.session_options import ASSUMING, ROLE, Selection, selecting
from daypass.client.credentials import process_form


@click.command()
@click.argument("profile_word", default="", metavar="[PROFILE]")
@selecting("role", ROLE, ASSUMING)
def command(selection: Selection) -> None:
    """Print credentials in the format of AWS's credential_process setting.

    They are those of PROFILE, which --profile names too.
    """
    click.echo(json.dumps(process_form(selection.get_credentials().credentials)))
