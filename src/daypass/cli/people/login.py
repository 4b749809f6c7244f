"""`daypass login`: sign in as a person, and save a profile.

Owns the output on the terminal and the choice of a role. sign_in.py gets the token or assertion, and profile_writer.py
writes the profile.
"""

from dataclasses import replace
from typing import Any

import click

from daypass.cli.people.login_roles import deliver_profiles, mint_roles
from daypass.cli.shared.credentials_output import describe, emit, shell_option
from daypass.cli.shared.profile_writer import (
    must_write,
    places,
    s3_endpoint_option,
    save_keys,
    save_profile,
    saved_wanted,
    server_endpoints,
    use_profile,
)
from daypass.cli.shared.selection import Selection, means_of, select
from daypass.cli.shared.session_options import LASTING
from daypass.cli.shared.session_options import options as with_options
from daypass.cli.shared.sign_in import (
    SignInProof,
    by_portal,
    by_sign_in,
    get_assertion,
    get_token,
    is_by_server,
    matching_roles,
    with_known_server,
)
from daypass.client.credential_request import CredentialRequest, login_command
from daypass.client.problems import BadUsageError, MisconfiguredError, UserFacingError
from daypass.client.profiles.profiles import Profile
from daypass.client.roles import account_of, role_name
from daypass.client.sessions.cache import LEAST, CachedCredentials
from daypass.client.sessions.get_credentials import cache_key, get_credentials, with_endpoint

_AT_SERVER = ("auto", "browser", "device")
_PORTAL_URL = (
    click.option("--portal-url", default="", metavar="URL", help="The Daypass server to sign in to, for roles in AWS."),
)
# The option existed before it was refused, so its message says why.
_REFUSED_PORTAL_URL = (
    click.option("--portal-url", default="", metavar="URL", hidden=True, help="Refused: it is for SAML."),
)


def _via(*vias: str) -> tuple[Any, ...]:
    """Return the option --via with the sign-in methods of one command."""
    return (click.option("--via", type=click.Choice(vias), default="auto", help="The sign-in method."),)


_COMMON = (
    click.option(
        "--profile",
        default="",
        metavar="NAME",
        help="The profile to sign in to, or to create. Default: the role's name.",
    ),
    click.option(
        "--role", "roles", multiple=True, metavar="ARN", help="The role. Default: choose from the offered roles."
    ),
    click.option(
        "--endpoint-url", default="", metavar="URL", help="The server's URL. Default: the configured endpoint."
    ),
    s3_endpoint_option,
    click.option("--region", default="", metavar="NAME", help="The region for which requests are signed."),
    click.option(
        "--output",
        type=click.Choice(["profile", "env", "json", "process", "sso"]),
        default="profile",
        help="Save a profile, print the credentials in a format, or print a profile for the AWS CLI alone (sso).",
    ),
    click.option("--keys", is_flag=True, help="Write the keys to the credentials file."),
    click.option("--no-input", is_flag=True, help="Never prompt: fail and name the command to run instead."),
    click.option("--all", "every", is_flag=True, help="Sign in to all offered roles, or to all that match --role."),
)


@click.group(invoke_without_command=True)
@with_options(_COMMON, _via(*_AT_SERVER), _PORTAL_URL)
@shell_option
@with_options(LASTING)
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Sign in to the server with a browser, and save a profile.

    Every AWS tool can use the profile. One sign-in serves all profiles of the server until it ends; --all writes a
    profile for each of your roles. With --duration the sign-in is for one role and is not kept.
    """
    if ctx.invoked_subcommand is None:
        _login("", given)


@command.command()
@with_options(_COMMON, _via(*_AT_SERVER, "paste"), _PORTAL_URL)
@shell_option
@with_options(LASTING)
@click.option(
    "--assertion-file", default="", metavar="FILE", help="A file with the SAMLResponse; - reads standard input."
)
@click.option("--provider-arn", default="", metavar="ARN", help="The provider, if the assertion is encrypted.")
def saml(**given: Any) -> None:
    """Sign in with SAML.

    Sign in with a browser, or with a SAML response that you paste or have in a file.
    --role also accepts patterns such as 'arn:aws:iam::*:role/read*'.
    """
    _login("saml", given)


@command.command()
@with_options(_COMMON, _via(*_AT_SERVER, "loopback", "paste"), _REFUSED_PORTAL_URL)
@shell_option
@with_options(LASTING)
@click.option("--issuer", default="", metavar="URL", help="The OpenID Connect provider.")
@click.option("--client-id", default="", metavar="ID", help="The client ID of Daypass at the provider.")
@click.option(
    "--client-secret-file",
    default="",
    metavar="FILE",
    help="A file with the client secret, if the provider requires one.",
)
@click.option("--scopes", default="", metavar="WORDS", help="The scopes to request. Default: openid.")
@click.option(
    "--redirect-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The local port for the redirect. Default: any free port.",
)
@click.option(
    "--session-name", default="", metavar="NAME", help="The session name. Default: the person's name in the token."
)
@click.option("--token-file", default="", metavar="FILE", help="A file with a token, for use without a browser.")
@click.option(
    "--token-command", default="", metavar="COMMAND", help="A command that prints a token, for use without a browser."
)
def oidc(**given: Any) -> None:
    """Sign in with OpenID Connect.

    Sign in with a browser, or with a token from a file or a command.
    """
    if given["portal_url"]:
        raise BadUsageError("--portal-url is for SAML, whose assertions AWS accepts. Use `daypass login saml`.")
    _login("oidc", given)


def _login(method: str, given: dict[str, Any]) -> None:
    output, shell, keys, s3_url = (given.pop(each) for each in ("output", "shell", "keys", "s3_url"))
    _require_profile(output, keys=keys)
    client_context = replace(means_of(given), fresh=True)
    known = client_context.profiles.by_name.get(given["profile"])
    own = known.request if known else None
    method = method or (own.method if own else "saml")
    if own is not None and own.method != method:
        right = login_command(replace(own, profile=given["profile"]))
        raise BadUsageError(
            f"Profile {given['profile']} signs in with {own.method}. Run `{right}`, or use another profile."
        )
    if known is not None and own is None:
        raise BadUsageError(f"Profile {given['profile']!r} exists and is not managed by Daypass. Choose another name.")
    extra = {name: given.pop(name, default) for name, default in _EXTRA.items()}
    if extra["assertion_file"]:
        given["via"] = "file"
    selection = _with_own(select(method, {**given, "profile": ""}), own, given)
    selection = replace(
        selection, request=with_endpoint(selection.request, client_context), client_context=client_context
    )
    request = selection.request
    # An existing profile without a server is for AWS.
    if own is None and not request.endpoint_url and not request.portal_url and is_by_server(method, request, extra):
        selection = replace(selection, request=with_known_server(request, client_context))
    if output == "profile":
        must_write(places())  # Fail before the person signs in, not after.
        if not keys:
            client_context.cache.must_keep()
    roles = by_sign_in(selection, method, extra)
    if roles is None:
        _require_old_way(selection.request, method, output, extra)
        entries = _sign_in(selection, method, extra)
    elif output == "sso" or (extra["every"] and output == "profile" and not keys):
        deliver_profiles(selection, roles, s3_url, output, every=extra["every"])
        return
    else:
        entries = mint_roles(selection, roles, is_own=own is not None, every=extra["every"])
    for single, entry in entries:
        _deliver(single, entry, output, shell, s3_url, keys=keys)


def _require_profile(output: str, *, keys: bool) -> None:
    if keys and output != "profile":
        raise BadUsageError(f"--keys writes a profile, and --output {output} does not. Use one of them.")


def _require_old_way(request: CredentialRequest, method: str, output: str, extra: dict[str, Any]) -> None:
    """Raise an error for what only a server that keeps sign-ins can do."""
    place = request.endpoint_url or "AWS"
    if method == "portal" or output == "sso":
        raise MisconfiguredError(f"{place} does not keep sign-ins. Name a Daypass server with --endpoint-url.")
    if extra["every"] and method != "saml":
        raise BadUsageError(f"--all needs SAML, or a server that keeps sign-ins, which {place} does not.")


def sign_in_again(profile: str, method: str) -> None:
    """Sign in to an existing profile with its own settings."""
    given: dict[str, Any] = {"profile": profile, "roles": (), "via": "auto", "endpoint_url": "", "region": ""}
    _login(method, {**given, "portal_url": "", "s3_url": "", "output": "profile", "shell": "auto", "keys": False})


_EXTRA: dict[str, Any] = {"assertion_file": "", "every": False, "redirect_port": 0}


def _with_own(selection: Selection, own: Any, given: dict[str, Any]) -> Selection:
    """Return the request, with the profile's settings where the options set none."""
    request = replace(selection.request, source_profile="", profile=given["profile"])
    if request.via == "auto":
        request = replace(request, via="")
    if own is not None:
        said = {name: getattr(request, name) for name in request.__dataclass_fields__}
        request = replace(own, **{name: value for name, value in said.items() if value and name != "method"})
    return replace(selection, request=request)


def _sign_in(selection: Selection, method: str, extra: dict[str, Any]) -> list[tuple[Selection, CachedCredentials]]:
    request, client_context = selection.request, selection.client_context
    proof = (
        get_token(request, client_context, extra) if method == "oidc" else get_assertion(request, client_context, extra)
    )
    if proof is None:
        return [by_portal(selection)]
    chosen = matching_roles(proof, request, client_context, every=extra["every"])
    return [_redeem(selection, proof, role) for role in chosen]


def _redeem(selection: Selection, proof: SignInProof, role: str) -> tuple[Selection, CachedCredentials]:
    roles = (role, *selection.request.role_arn[1:]) if not proof.offers else (role,)
    request = replace(selection.request, role_arn=roles)
    single = replace(selection, request=request, client_context=replace(selection.client_context, proof=proof.text))
    # The cache key needs the profile's name: _deliver caches the entry when it is known.
    return single, get_credentials(request, replace(single.client_context, keeps=False))


def _deliver(
    selection: Selection, entry: CachedCredentials, output: str, shell: str, s3_url: str, *, keys: bool
) -> None:
    if output != "profile":
        emit(entry, selection, output, shell)
        return
    request = selection.request
    name = request.profile or _free_name(selection)
    if keys:
        save_keys(name, entry.credentials, server_endpoints(entry.endpoint_url, s3_url), request.region)
        click.echo(f"daypass: {describe(entry)}. The keys were saved to profile {name}.", err=True)
        return
    save_profile(name, replace(selection, request=replace(request, profile=name)), s3_url=s3_url, quiet=True)
    kept = saved_wanted(name)
    client_context = replace(means_of({}), proof=selection.client_context.proof)
    key = cache_key(with_endpoint(kept, client_context), client_context)
    if entry.credentials.lasts(LEAST, now=client_context.now()):
        with client_context.cache.alone(key):
            client_context.cache.keep(replace(entry, key=key, profile=name))
    click.echo(f"daypass: signed in as {describe(entry)}. To use it: {use_profile(name)}", err=True)


def _free_name(selection: Selection) -> str:
    """Return the role's name, or a longer one if that profile is of another role or another way to sign in."""
    request = selection.request
    role, known = request.role_arn[-1], selection.client_context.profiles.by_name
    name = role_name(role)
    own = _own_request(known[name]) if name in known else None
    is_same_role = own is not None and own.role_arn == request.role_arn
    others = (f"{name}-{request.method}", f"{name}-{account_of(role)}")
    names = (name, *(others if is_same_role else reversed(others)))
    free = next((each for each in names if each not in known or _is_same_way(known[each], request)), "")
    if not free:
        raise BadUsageError(f"The profiles {', '.join(names)} exist. Name a new one with --profile.")
    if free != name and own is not None and is_same_role:
        words = f"Profile {name} signs in with {own.method} and was not changed. This sign-in is profile {free}."
        click.echo(f"daypass: {words}", err=True)
    return free


def _own_request(profile: Profile) -> CredentialRequest | None:
    """Return the request of a profile, or None if its settings are not valid."""
    try:
        return profile.request
    except UserFacingError:
        return None


def _is_same_way(profile: Profile, request: CredentialRequest) -> bool:
    """Return whether a profile is of the same role and signs in the same way.

    A sign-in at the server replaces those of version 0.1.0 at the same page.
    """
    own = _own_request(profile)
    if own is None or own.role_arn != request.role_arn:
        return False
    own_way, way = (tuple(getattr(each, name) for name in _OF_WAY) for each in (own, request))
    return own_way == way and (own.method == request.method or (request.method == "portal" and not any(way)))


_OF_WAY = ("issuer", "client_id", "token_file", "token_command", "portal_url")
