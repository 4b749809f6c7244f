"""`daypass credential-process`: answer AWS's SDKs and tools with credentials, out of the cache in a blink.

Owns nothing but the answer. Standard output holds it alone; questions go to the terminal.
"""

import json

import click

from daypass.cli.selecting import ASSUMING, ROLE, Selection, selecting
from daypass.client.credentials import process_form


@click.command()
@selecting("role", ROLE, ASSUMING)
def command(selection: Selection) -> None:
    """Print credentials as AWS's credential_process wants them."""
    click.echo(json.dumps(process_form(selection.obtain().credentials)))
