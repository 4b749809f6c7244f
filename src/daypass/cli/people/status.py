"""`daypass status`: list sign-ins and cached sessions.

With `--check` it tests for a script whether they are valid.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from daypass.cli.shared.exit_codes import Exit
from daypass.cli.shared.output import output_option, query_option, show
from daypass.cli.shared.selection import means_of, now
from daypass.cli.shared.session_options import Duration
from daypass.client.credentials import instant
from daypass.client.durations import say_duration
from daypass.client.problems import UserFacingError
from daypass.client.sessions.cache import CachedCredentialsSummary
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.get_credentials import cache_key, with_endpoint
from daypass.client.sessions.server_sign_in import ServerSignIn, SignInStore
from daypass.client.text_format import printable


@click.command()
@click.argument("profiles", nargs=-1, metavar="[PROFILE]...")
@click.option("--check", is_flag=True, help="Print no output; exit with 0 if all are valid, else with 3 or 5.")
@click.option(
    "--for", "least", type=Duration(), default=900, help="With --check: how long they must stay valid. Default: 15m."
)
@output_option
@query_option
def command(*, profiles: tuple[str, ...], check: bool, least: int, output: str, query: str) -> int:
    """List sign-ins and cached sessions, and when they expire."""
    client_context = means_of({})
    for name in profiles:
        client_context.profiles.get(name)
    entries = [entry for entry in client_context.cache.entries() if not profiles or set(entry.profiles) & set(profiles)]
    if check:
        names = profiles or tuple(sorted({name for entry in entries for name in entry.profiles}))
        return _check(client_context, entries, names, timedelta(seconds=least))
    sign_ins = [] if profiles else list(SignInStore(client_context.cache).each())
    served = _served(entries, profiles, client_context)
    rows = list(map(_sign_in_row, sign_ins))
    if output != "text" or query:
        # A document has each session once, with all profiles that share it.
        by_key = {each.key: each for _, each in served}
        for key, found in by_key.items():
            rows.append(_row(", ".join(name for name, each in served if each.key == key), found))
        show(rows, output, query)
        return Exit.OK
    rows += [_row(name, each) for name, each in served]
    for row in rows:
        kind = "user" if ":federated-user/" in row["Arn"] else "role"
        label = row["Profile"] or (f"{kind} {row['Role']}" if row["Role"] else "-")
        click.echo(f"{label:20}  {row['Left']:>12}  {row['Arn']}")
    if not rows:
        click.echo("No cached sessions. Run `daypass login` or `daypass assume`.", err=True)
    return Exit.OK


def _served(
    entries: Sequence[CachedCredentialsSummary], chosen: Sequence[str], client_context: ClientContext
) -> list[tuple[str, CachedCredentialsSummary]]:
    """Return one session for each profile, and for each role that was assumed without a profile.

    It is the session that commands use, or the one that lasts longest.
    """
    by_label: dict[tuple[str, str], list[CachedCredentialsSummary]] = {}
    for entry in entries:
        names = [name for name in entry.profiles if not chosen or name in chosen]
        labels = [(name, "") for name in names] or [("", f"{_role_of(entry)} {entry.endpoint_url}")]
        for label in labels:
            by_label.setdefault(label, []).append(entry)
    return [
        (name, max(found, key=lambda entry: (entry.key == _key_of(name, client_context), _end(entry))))
        for (name, _), found in sorted(by_label.items())
    ]


def _end(entry: CachedCredentialsSummary) -> float:
    return entry.expires.timestamp() if entry.expires else float("inf")


def _key_of(name: str, client_context: ClientContext) -> str:
    """Return the key of the session that a profile's commands use, or an empty string."""
    try:
        request = client_context.profiles.by_name[name].request
        return cache_key(with_endpoint(request, client_context), client_context) if request else ""
    except (KeyError, UserFacingError):
        return ""  # The profile was removed, or it is not complete.


def _role_of(entry: CachedCredentialsSummary) -> str:
    """Return the name of the role, or of the federated user, to whom a session belongs."""
    words = entry.arn.partition("/")[2].split("/")
    return printable(words[0])


def _check(
    client_context: ClientContext,
    entries: Sequence[CachedCredentialsSummary],
    names: Sequence[str],
    least: timedelta,
) -> int:
    """Return 0 if the credentials of all profiles last, 5 if some have expired, 3 if a profile has none."""
    code = Exit.OK if names else Exit.SIGN_IN_NEEDED
    for name in names:
        mine = [entry for entry in entries if name in entry.profiles]
        if any(client_context.cache.find(entry.key, now=now(), least=least) for entry in mine):
            continue
        if _has_sign_in(name, client_context, least):
            continue
        if not mine:
            return Exit.SIGN_IN_NEEDED
        code = Exit.EXPIRED
    return code


def _has_sign_in(name: str, client_context: ClientContext, least: timedelta) -> bool:
    """Return whether a profile gets new credentials from a sign-in without a prompt."""
    profile = client_context.profiles.by_name.get(name)
    if profile is None or profile.request is None or profile.request.method != "portal":
        return False
    found = SignInStore(client_context.cache).find(with_endpoint(profile.request, client_context).endpoint_url)
    return found is not None and (not found.ends or (now() + least).timestamp() <= found.ends)


def _sign_in_row(found: ServerSignIn) -> dict[str, Any]:
    """Return the row of a sign-in: it has no profile of its own."""
    left = found.ends - now().timestamp()
    end = instant(datetime.fromtimestamp(found.ends, UTC)) if found.ends else None
    return {
        "Profile": "",
        "Role": "",
        "Arn": f"sign-in at {printable(found.server)}",
        "Endpoint": printable(found.server),
        "Expires": end,
        "Left": (say_duration(left) if left > 0 else "expired") if end else "signed in",
        "Subject": "",
    }


def _row(name: str, entry: CachedCredentialsSummary) -> dict[str, Any]:
    end = entry.expires
    left = (end - now()).total_seconds() if end else 0.0
    is_usable = not entry.is_from_the_future(now())
    return {
        "Profile": printable(name),
        "Role": _role_of(entry),
        "Arn": printable(entry.arn) or printable(entry.access_key_id),
        "Endpoint": printable(entry.endpoint_url),
        "Expires": instant(end) if end else None,
        "Left": (say_duration(left) if left > 0 else "expired") if is_usable else "unknown",
        "Subject": printable(entry.subject),
    }
