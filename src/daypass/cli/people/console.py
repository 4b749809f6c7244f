"""`daypass console`: a link that signs a browser in to a console.

It needs a sign-in host. Owns the exchange of credentials for a sign-in token. Source: IAM User Guide, "Enable custom
identity broker access".
"""

import json
import os
from urllib.parse import urlencode

import click

from daypass.cli.shared.selection import Selection
from daypass.cli.shared.session_options import ASSUMING, ROLE, selecting
from daypass.client.json_http import checked_url, request_json
from daypass.client.partitions import AWS, find_partition
from daypass.client.problems import BadUsageError, MisconfiguredError, RefusedError
from daypass.client.sessions.get_credentials import with_endpoint
from daypass.client.sign_in.browser import open_browser
from daypass.client.text_format import printable

_OK = 200


@click.command()
@selecting("role", ROLE, ASSUMING)
@click.option(
    "--sign-in-url", default="", metavar="URL", help="The URL of the sign-in host. Default for AWS: AWS's own."
)
@click.option("--destination", default="", metavar="URL", help="The page to open after sign-in.")
@click.option("--open", "opens", is_flag=True, help="Open the link in your browser instead of printing it.")
def command(selection: Selection, *, sign_in_url: str, destination: str, opens: bool) -> None:
    """Print a link that signs a browser in with a role's credentials.

    Keep the link secret: for some minutes, everyone who has it can sign in.
    """
    request = with_endpoint(selection.request, selection.client_context)
    partition = find_partition(request.region, request.endpoint_url)
    host = _sign_in_host(selection, sign_in_url, partition.sign_in if partition else "", request.endpoint_url)
    entry = selection.get_credentials()
    keys = entry.credentials
    if not keys.session_token:
        raise BadUsageError("A console needs temporary credentials, not long-term keys. Name a role with --role.")
    session = {
        "sessionId": keys.access_key_id,
        "sessionKey": keys.secret_access_key,
        "sessionToken": keys.session_token,
    }
    # POST a form: the keys of a URL would appear in logs.
    status, answer = request_json(host, form={"Action": "getSigninToken", "Session": json.dumps(session)})
    token = answer.get("SigninToken")
    if status != _OK or not isinstance(token, str):
        raise RefusedError(f"The sign-in host {printable(host)} rejected the session (status {status}). Check the URL.")
    arrive = destination or (partition or AWS).console or AWS.console
    query = urlencode({"Action": "login", "Issuer": "daypass", "Destination": arrive, "SigninToken": token})
    link = f"{host}?{query}"
    if opens:
        open_browser(link)
    else:
        click.echo(link)


def _sign_in_host(selection: Selection, given: str, of_aws: str, endpoint_url: str) -> str:
    profile = selection.client_context.profiles.by_name.get(
        selection.request.profile or selection.request.source_profile
    )
    said = profile.options.get("daypass_sign_in_url", "") if profile else ""
    host = given or os.environ.get("DAYPASS_SIGN_IN_URL", "") or said or of_aws
    if not host:
        raise MisconfiguredError(
            f"No sign-in host is configured for {printable(endpoint_url) or 'this region'}. Use --sign-in-url URL, "
            "or set daypass_sign_in_url in the profile."
        )
    return checked_url(host, "The sign-in host")
