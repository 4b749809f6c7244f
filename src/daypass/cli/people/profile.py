"""`daypass profile`: manage the profiles that AWS's tools share.

Owns the options and the output. A new profile uses a credential process; keys are written to disk only with
`--access-key-id`.
"""

import os
import sys
from typing import Any

import click

from daypass.cli.shared.output import output_option, query_option, show
from daypass.cli.shared.profile_writer import (
    checked_or_default,
    places,
    report,
    s3_endpoint_option,
    save_keys,
    save_profile,
    server_endpoints,
    use_profile,
)
from daypass.cli.shared.selection import Selection, means_of, select
from daypass.cli.shared.session_options import LASTING, LIMITS, MFA, SESSION, TAGS
from daypass.cli.shared.session_options import options as with_options
from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import verify_credentials
from daypass.client.problems import BadUsageError, SignInNeededError
from daypass.client.profiles.endpoints import find_region
from daypass.client.profiles.impossible_requests import find_impossibility, find_unused_option
from daypass.client.profiles.ini_edit import Value
from daypass.client.profiles.profiles import SECRETS, Profile, load_profiles, write_config
from daypass.client.profiles.profiles import remove as remove_profile
from daypass.client.profiles.profiles import rename as rename_profile
from daypass.client.profiles.sources import IN_PROFILE
from daypass.client.prompt import Prompt
from daypass.client.sessions.cache import CredentialCache
from daypass.client.sessions.get_credentials import with_endpoint
from daypass.client.text_format import printable

# Settings of a request that AWS's own settings of a profile do not have.
_NOT_PLAIN = {
    "policy": "--policy",
    "policy_arns": "--policy-arn",
    "tags": "--tag",
    "transitive_tags": "--transitive-tag",
    "source_identity": "--source-identity",
    "mfa_command": "--mfa-command",
}
_dry_run = click.option("--dry-run", is_flag=True, help="Print the changes without making them.")


@click.group()
def command() -> None:
    """Manage the profiles that all AWS tools share."""


@command.command("list")
@output_option
@query_option
def list_all(*, output: str, query: str) -> None:
    """List the profiles and where each gets its credentials."""
    profiles = load_profiles(places())
    rows = [{"Name": name, "How": describe(profile)} for name, profile in sorted(profiles.by_name.items())]
    if output == "text" and not query:
        for row in rows:
            click.echo(f"{printable(row['Name']):24}  {printable(row['How'])}")
        if not rows:
            click.echo("daypass: No profiles. Run `daypass login` or `daypass profile add` to create one.", err=True)
    else:
        show(rows, output, query)


def describe(profile: Profile) -> str:
    """Describe in a few words how a profile gets its credentials."""
    request = profile.request
    if request is not None and not profile.credentials.get("aws_access_key_id"):
        role = f" {' > '.join(request.role_arn)}" if request.role_arn else ""
        source = f" from {request.source_profile or request.issuer}" if request.source_profile or request.issuer else ""
        return f"daypass: {request.method}{role}{source}"
    found = [words for words, find in IN_PROFILE.values() if find(profile)]
    return found[0] + "".join(f" (overrides {words})" for words in found[1:]) if found else "no credentials of its own"


@command.command("show")
@click.argument("name")
@output_option
@query_option
def show_one(*, name: str, output: str, query: str) -> None:
    """Show the settings of a profile, without secrets."""
    profile = load_profiles(places()).get(name)
    said = {key: "<secret>" if key in SECRETS else value for key, value in profile.options.items()}
    if output == "text" and not query:
        for key, value in said.items():
            click.echo(f"{printable(key)} = {printable(value)}")
    else:
        show(said, output, query)


@command.command()
@click.argument("name")
@click.option(
    "--role", "roles", multiple=True, metavar="ROLE", help="A role to assume. Repeat it for a chain of roles."
)
@click.option(
    "--source-profile", "profile", default="", metavar="NAME", help="The profile whose keys sign the requests."
)
@click.option("--session", is_flag=True, help="Use a session of the source's keys (GetSessionToken) instead of a role.")
@click.option("--token-file", default="", metavar="FILE", help="A file with the web identity token for the role.")
@click.option("--token-command", default="", metavar="COMMAND", help="A command that prints the web identity token.")
@click.option("--issuer", default="", metavar="URL", help="The OpenID Connect provider to sign in with.")
@click.option("--client-id", default="", metavar="ID", help="The client ID of Daypass at the provider.")
@click.option("--scopes", default="", metavar="WORDS", help="The scopes to request. Default: openid.")
@click.option("--saml", is_flag=True, help="Sign in to the role with `daypass login saml`.")
@click.option("--provider-arn", default="", metavar="ARN", help="The SAML provider, if assertions are encrypted.")
@click.option("--plain", is_flag=True, help="Write only AWS's own settings; they work without daypass.")
@click.option("--access-key-id", default="", metavar="ID", help="Write these keys to disk; prompt for the secret key.")
@click.option("--endpoint-url", default="", metavar="URL", help="The server's URL. Default: the configured endpoint.")
@s3_endpoint_option
@click.option("--region", default="", metavar="NAME", help="The region for which requests are signed.")
@click.option("--no-input", is_flag=True, help="Never prompt; read the secret key from standard input.")
@_dry_run
@with_options(LASTING, SESSION, LIMITS, TAGS, MFA)
def add(*, name: str, session: bool, saml: bool, plain: bool, s3_url: str, dry_run: bool, **given: Any) -> None:
    """Add the profile NAME, which every AWS tool can use.

    The profile runs `daypass credential-process`. With --plain it uses only AWS's own settings.
    """
    checked_or_default(name)
    if name in load_profiles(places()).by_name:
        raise BadUsageError(
            f"Profile {name!r} already exists. Change it with `daypass profile set`, or remove it first."
        )
    key_id = given.pop("access_key_id")
    if key_id:
        _add_keys(name, key_id, given, s3_url, dry_run=dry_run)
        return
    if given["mfa_code"]:
        raise BadUsageError("A profile cannot keep --mfa-code, since a code is accepted once. Use --mfa-command.")
    chosen = _select(given, session=session, saml=saml)
    unused = find_unused_option(chosen.request)
    if unused:
        raise BadUsageError(f"{unused} does not apply to this kind of profile, so it would have no effect. Remove it.")
    if plain:
        _add_plain(name, chosen, s3_url, dry_run=dry_run)
    else:
        save_profile(name, chosen, s3_url=s3_url, dry_run=dry_run)


def _select(given: dict[str, Any], *, session: bool, saml: bool) -> Selection:
    oidc = any(given[key] for key in ("token_file", "token_command", "issuer"))
    if session + saml + oidc > 1:
        raise BadUsageError("Use only one of --session, --saml, and the token options.")
    method = "session" if session else "saml" if saml else "oidc" if oidc else "role"
    if method != "session" and not given["roles"]:
        raise BadUsageError(
            "Choose the kind of profile: --role ROLE, --session, or --access-key-id ID for keys on disk."
        )
    return select(method, {**given, "repairs": True})


def _add_keys(name: str, key_id: str, given: dict[str, Any], s3_url: str, *, dry_run: bool) -> None:
    server = server_endpoints(given["endpoint_url"], s3_url)
    # Check the key ID before the prompt, so that a wrong one costs no typing.
    verify_credentials({"AccessKeyId": key_id, "SecretAccessKey": "x"})
    secret = "<secret>" if dry_run else _ask_secret(allowed=not given["no_input"])
    credentials = verify_credentials({"AccessKeyId": key_id, "SecretAccessKey": secret})
    # Some tools need a region, and profiles do not inherit one.
    region = given["region"] or find_region(os.environ, load_profiles(places()), name)
    save_keys(name, credentials, server, region, dry_run=dry_run)
    if not dry_run:
        click.echo(f"Saved profile {name} with its keys on disk. To use it: {use_profile(name)}", err=True)


def _ask_secret(*, allowed: bool) -> str:
    if not allowed:
        return sys.stdin.readline().strip()
    return Prompt().ask(
        "Secret access key: ",
        noun="The secret access key",
        instead="use --no-input and send it to standard input",
        secret=True,
    )


def _add_plain(name: str, chosen: Selection, s3_url: str, *, dry_run: bool) -> None:
    from daypass.client.sessions.get_credentials import with_role_arns

    request = with_role_arns(chosen.request, chosen.client_context)
    if len(request.role_arn) != 1 or request.method not in {"role", "oidc"} or request.token_command or request.issuer:
        raise BadUsageError("--plain supports one role with --source-profile or --token-file, as AWS's settings do.")
    if not (request.source_profile or request.token_file):
        raise BadUsageError("--plain needs --source-profile or --token-file.")
    lost = next((option for name, option in _NOT_PLAIN.items() if getattr(request, name)), "")
    if lost:
        raise BadUsageError(f"AWS's own settings have no place for {lost}. Remove it, or --plain.")
    impossible = find_impossibility(request, chosen.client_context.profiles)
    if impossible:
        raise BadUsageError(impossible)
    options: dict[str, Value] = {
        "role_arn": request.role_arn[0],
        "source_profile": request.source_profile or None,
        "web_identity_token_file": request.token_file or None,
        "role_session_name": request.session_name or None,
        "external_id": request.external_id or None,
        "mfa_serial": request.mfa_serial or None,
        "duration_seconds": str(request.duration) if request.duration else None,
        "region": request.region,
    }
    server = server_endpoints(request.endpoint_url, s3_url)
    report([write_config(places(), name, options, server=server, dry_run=dry_run)], dry_run=dry_run)
    if not dry_run:
        click.echo(f"Saved profile {name}. To use it: {use_profile(name)}", err=True)


@command.command()
@click.option(
    "--endpoint-url", default="", metavar="URL", help="The server. Default: the only one you are signed in to."
)
@s3_endpoint_option
@click.option("--region", default="", metavar="NAME", help="The region of new profiles. Default: the configured one.")
@click.option("--sso", is_flag=True, help="Write AWS's own sso_session settings; they work without daypass.")
@_dry_run
def sync(*, endpoint_url: str, s3_url: str, region: str, sso: bool, dry_run: bool) -> None:
    """Write a profile for each role of your sign-in.

    New roles get a profile. Profiles whose roles are gone are listed and stay. Other profiles are never changed.
    """
    from daypass.cli.people.login_roles import form_of
    from daypass.cli.people.login_roles import sync as sync_profiles
    from daypass.client.sessions.server_sign_in import SignInStore, roles_of_sign_in

    client_context = means_of({})
    servers = [each.server for each in SignInStore(client_context.cache).each()]
    if not endpoint_url and len(servers) > 1:
        listed = ", ".join(map(printable, servers))
        raise BadUsageError(f"You are signed in to several servers. Choose one with --endpoint-url: {listed}.")
    server = endpoint_url or next(iter(servers), "")
    if not server:
        raise SignInNeededError("Not signed in to a server. Run `daypass login --endpoint-url URL` first.")
    request = CredentialRequest("portal", endpoint_url=server, region=region)
    selection = Selection(with_endpoint(request, client_context), client_context)
    roles = roles_of_sign_in(selection.request.endpoint_url, client_context)
    sync_profiles(selection, form_of(selection, "sso" if sso else "process", s3_url), roles, dry_run=dry_run)


@command.command("set")
@click.argument("name")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@_dry_run
def set_(*, name: str, settings: tuple[str, ...], dry_run: bool) -> None:
    """Change settings of a profile in the config file.

    `KEY=` removes a setting.
    """
    load_profiles(places()).get(name)
    changes: dict[str, Value] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise BadUsageError(f"{setting!r} is not KEY=VALUE.")
        if key.lower() in SECRETS or key.lower() == "aws_access_key_id":
            raise BadUsageError("Keys belong in the credentials file. Use `daypass profile add --access-key-id`.")
        changes[key.strip().lower()] = value.strip() or None
    report([write_config(places(), name, changes, dry_run=dry_run)], dry_run=dry_run)


@command.command()
@click.argument("old")
@click.argument("new")
@_dry_run
def rename(*, old: str, new: str, dry_run: bool) -> None:
    """Rename the profile OLD to NEW.

    Profiles that use OLD as their source are updated.
    """
    edits = rename_profile(places(), old, new, dry_run=dry_run)
    report(edits, dry_run=dry_run)


@command.command()
@click.argument("name")
@_dry_run
def remove(*, name: str, dry_run: bool) -> None:
    """Remove a profile, its keys and its cached credentials."""
    profiles = load_profiles(places())
    profiles.get(name)
    users = sorted(
        each.name
        for each in profiles.by_name.values()
        if name in {each.config.get("source_profile"), each.config.get("daypass_source_profile")} and each.name != name
    )
    edits = remove_profile(places(), name, dry_run=dry_run)
    report(edits, dry_run=dry_run)
    if users:
        click.echo(f"daypass: {', '.join(users)} used it as their source and no longer work.", err=True)
    if not dry_run:
        cache = CredentialCache.of(os.environ)
        for entry in list(cache.entries()):
            if name in entry.profiles:
                cache.forget(entry.key, name)
