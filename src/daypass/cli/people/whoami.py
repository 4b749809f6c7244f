"""`daypass whoami`: the caller's identity and credentials.

Owns the output, with the source of the credentials and when they expire. client/profiles/sources.py finds the sources.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click

from daypass.cli.shared.output import output_option, query_option, show
from daypass.cli.shared.selection import means_of, now
from daypass.cli.shared.session_options import CODE, HOW, PLACE, options
from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import Credentials, instant
from daypass.client.durations import say_duration
from daypass.client.problems import UserFacingError
from daypass.client.profiles.endpoints import find_endpoint, find_region, profile_at_hand
from daypass.client.profiles.role_profiles import find_request
from daypass.client.profiles.sources import CredentialSource, find_sources
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import get_credentials
from daypass.client.sessions.source_keys import signing_profile
from daypass.client.text_format import printable

# The source of a profile that Daypass manages, unless others override it (profiles/sources.py).
_OURS = "process"


@click.command()
@options(PLACE, CODE, HOW)
@output_option
@query_option
def command(
    *, profile: str, endpoint_url: str, region: str, mfa_command: str, output: str, query: str, **given: Any
) -> None:
    """Show your identity and your credentials.

    The output includes where the credentials are configured and when they expire.
    """
    from daypass.client.sessions.sts_call import CallSigner, call, connect

    client_context = means_of(given)
    if profile:
        client_context.profiles.get(profile)
    at_hand = profile_at_hand(client_context.environment, profile)
    endpoint_url = endpoint_url or find_endpoint(client_context.environment, client_context.profiles, at_hand)
    region = region or find_region(client_context.environment, client_context.profiles, at_hand)
    sources = find_sources(client_context.environment, client_context.profiles, profile)
    credentials, method = _credentials(profile, sources, client_context, mfa_command)
    sts = connect("sts", CallSigner(profile, credentials), endpoint_url=endpoint_url, region=region)
    try:
        answer = {name: printable(value) for name, value in call(sts, "GetCallerIdentity", {}).items()}
    except UserFacingError as problem:
        raise type(problem)(f"{problem} {_say_sources(sources, method)}") from problem
    picture = {
        **answer,
        "AccessKeyId": credentials.access_key_id,
        "Endpoint": sts.meta.endpoint_url,
        "Expires": _end(credentials, client_context),
        "From": next((source.where for source in sources if source.used), method),
        "Shadowed": [source.where for source in sources if not source.used],
    }
    if output == "text" and not query:
        click.echo("\n".join(_lines(picture, sources)))
    else:
        show(picture, output, query)


def _credentials(
    profile: str, sources: list[CredentialSource], client_context: ClientContext, mfa_command: str
) -> tuple[Credentials, str]:
    """Return the credentials that AWS's tools use, and the name of their provider.

    The request of a profile is fulfilled here, so that its errors have the exit codes of the other commands. A request
    that other credentials of the profile override is not.
    """
    from daypass.client.sessions.own_credentials import own_credentials

    used = next((source.kind for source in sources if source.used), "")
    wanted = CredentialRequest("keys", source_profile=profile)
    signing = signing_profile(wanted, client_context.environment)
    request = find_request(client_context.profiles.by_name.get(signing))
    if request is not None and (request.credential_source or used == _OURS):
        if mfa_command:
            request = replace(request, mfa_command=mfa_command)
        return get_credentials(request, client_context).credentials, used
    return own_credentials(profile, client_context)


def _say_sources(sources: list[CredentialSource], method: str) -> str:
    used = next((source.where for source in sources if source.used), method)
    shadowed = ", ".join(source.where for source in sources if not source.used)
    return f"The key is from {used}" + (f", which overrides {shadowed}." if shadowed else ".")


def _end(credentials: Credentials, client_context: ClientContext) -> str | None:
    """Return their expiry: from the credentials, from the environment, or from the cache."""
    if credentials.expires is not None:
        return instant(credentials.expires)
    if client_context.environment.get("AWS_ACCESS_KEY_ID") == credentials.access_key_id:
        said = client_context.environment.get("AWS_CREDENTIAL_EXPIRATION")
        if said:
            return said
    for entry in client_context.cache.entries():
        if entry.access_key_id == credentials.access_key_id and entry.expires:
            return instant(entry.expires)
    return None


def _lines(picture: dict[str, Any], sources: list[CredentialSource]) -> list[str]:
    rows = [
        ("You are", picture["Arn"]),
        ("account", picture["Account"]),
        ("user id", picture["UserId"]),
        ("with the key", picture["AccessKeyId"]),
        ("from", picture["From"]),
        ("at", picture["Endpoint"]),
        ("until", _say_end(picture["Expires"], picture["AccessKeyId"])),
    ]
    rows += [("shadowed", source.where) for source in sources if not source.used]
    return [f"{name:>12}  {printable(value)}" for name, value in rows]


def _say_end(end: str | None, key_id: str) -> str:
    if end is None:
        return "the key is deleted" if key_id.startswith("AKIA") else "unknown; another program made this session"
    try:
        moment = datetime.fromisoformat(end)
    except ValueError:
        return printable(end)
    left = ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now()).total_seconds()
    return f"{end} ({say_duration(left)} left)"
