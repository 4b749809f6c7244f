"""`daypass credential-process`: print credentials for AWS tools.

It is quick if the cache has them. Owns the output. Standard output contains only the JSON document; prompts go to the
terminal.
"""

import json
import os

import click

from daypass.cli.shared.session_options import ASSUMING, ROLE, Selection, selecting
from daypass.client.credentials import process_form
from daypass.client.problems import MisconfiguredError

_ASKING = "DAYPASS_ASKING"


@click.command()
@selecting("role", ROLE, ASSUMING)
def command(selection: Selection) -> None:
    """Print credentials in the format of AWS's credential_process setting."""
    _ask_once(selection.request.profile)
    click.echo(json.dumps(process_form(selection.get_credentials().credentials)))


def _ask_once(profile: str) -> None:
    """Fail if the profile uses itself as its source: the two processes would start each other forever."""
    asking = os.environ.get(_ASKING, "").split("\t")
    if profile and profile in asking:
        raise MisconfiguredError(
            f"Profile {profile!r} uses itself as its source. Set daypass_source_profile to another profile."
        )
    os.environ[_ASKING] = "\t".join([*asking, profile])
