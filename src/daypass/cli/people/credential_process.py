"""`daypass credential-process`: print credentials for AWS tools.

Standard output contains only the JSON document; prompts go to the terminal.
"""

import json
import os

import click

from daypass.cli.shared.session_options import ASSUMING, ROLE, Selection, selecting
from daypass.client.credentials import process_form
from daypass.client.problems import MisconfiguredError

_RUNNING_PROFILES = "DAYPASS_RUNNING_PROFILES"


@click.command()
@selecting("role", ROLE, ASSUMING)
def command(selection: Selection) -> None:
    """Print credentials in the format of AWS's credential_process setting."""
    _refuse_cycle(selection.request.profile)
    click.echo(json.dumps(process_form(selection.get_credentials().credentials)))


def _refuse_cycle(profile: str) -> None:
    """Fail if the profile is its own source: processes would start each other forever."""
    running = os.environ.get(_RUNNING_PROFILES, "").split("\t")
    if profile and profile in running:
        raise MisconfiguredError(
            f"Profile {profile!r} uses itself as its source. Set daypass_source_profile to another profile."
        )
    os.environ[_RUNNING_PROFILES] = "\t".join([*running, profile])
