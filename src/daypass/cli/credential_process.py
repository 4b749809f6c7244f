"""`daypass credential-process`: answer AWS's SDKs and tools with credentials, out of the cache in a blink.

Owns nothing but the answer. Standard output holds it alone; questions go to the terminal.
"""

import json
import os

import click

from daypass.cli.selecting import ASSUMING, ROLE, Selection, selecting
from daypass.client.credentials import process_form
from daypass.client.problems import Misconfigured

_ASKING = "DAYPASS_ASKING"


@click.command()
@selecting("role", ROLE, ASSUMING)
def command(selection: Selection) -> None:
    """Print credentials in the format of AWS's credential_process setting."""
    _ask_once(selection.wanted.profile)
    click.echo(json.dumps(process_form(selection.obtain().credentials)))


def _ask_once(profile: str) -> None:
    """Refuse to ask for a profile whose own source is asking: the two would start each other for ever."""
    asking = os.environ.get(_ASKING, "").split("\t")
    if profile and profile in asking:
        raise Misconfigured(f"Profile {profile!r} is its own source; name another with daypass_source_profile.")
    os.environ[_ASKING] = "\t".join([*asking, profile])
