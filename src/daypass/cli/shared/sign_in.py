"""Get a proof of identity.

It is a token, an assertion, or credentials from a CLI sign-in at a server. Owns the choice of the sign-in method and
the output on the terminal. client/ implements the methods.
"""

import fnmatch
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daypass.cli.shared.selection import Selection
from daypass.client.credential_request import CredentialRequest
from daypass.client.credentials import verify_credentials
from daypass.client.partitions import partition_name
from daypass.client.problems import BadUsageError, MisconfiguredError, RefusedError, SignInNeededError
from daypass.client.profiles.endpoints import known_servers
from daypass.client.roles import account_of, first_role, needs_account, role_arns, role_name
from daypass.client.sessions.cache import CachedCredentials
from daypass.client.sessions.client_context import ClientContext
from daypass.client.sessions.server_sign_in import begin, registered, roles_of_sign_in
from daypass.client.sign_in.assertions import UnverifiedOffer, clean_assertion, offers
from daypass.client.sign_in.browser import has_browser, open_browser
from daypass.client.sign_in.cli_sign_in import SignInParams, SignInResult, StartedSignIn, by_code, by_loopback
from daypass.client.sign_in.mfa import token_of_command
from daypass.client.sign_in.oidc_login import OidcClient, sign_in
from daypass.client.sign_in.sso_api import PortalRole, SignInPrompt, by_browser, by_device
from daypass.client.sign_in.token_claims import read_claims, read_secret_file, read_web_identity_file
from daypass.client.text_format import printable

_NO_BROWSER = (
    "Sign-in needs a browser, but --no-input is set. Use `daypass login oidc --token-file FILE` or "
    "`daypass login saml --assertion-file FILE`."
)


_NO_TERMINAL = (
    "Sign-in needs a person, and there is no terminal. Choose a way with `daypass login --via browser` or "
    "`--via device`, or use `daypass login oidc --token-file FILE` or `daypass login saml --assertion-file FILE`."
)


@dataclass(frozen=True, slots=True)
class SignInProof:
    """A token or an assertion, with the roles that the assertion offers.

    A token does not offer roles.
    """

    text: str
    offers: tuple[UnverifiedOffer, ...] = ()

    def __repr__(self) -> str:
        return "<secret>"


def is_by_server(method: str, request: CredentialRequest, extra: dict[str, Any]) -> bool:
    """Return whether the proof comes from a server's sign-in page.

    Other proofs come from the user or a provider.
    """
    if request.via in {"paste", "loopback"}:
        return False
    if method == "saml":
        return not extra["assertion_file"]
    at_provider = not request.via and request.issuer and request.client_id
    return not (request.token_file or request.token_command or at_provider)


def with_known_server(request: CredentialRequest, client_context: ClientContext) -> CredentialRequest:
    """Return the request with the only server in the profiles.

    Raises BadUsageError if there are several.

    Call this only for sign-ins at a server's own page. Every other request without an endpoint goes to AWS: its keys,
    tokens and assertions must not be sent to another server.
    """
    known = known_servers(client_context.environment, client_context.profiles)
    if len(known) > 1:
        listed = ", ".join(map(printable, known))
        raise BadUsageError(f"Your profiles use several servers. Choose one with --endpoint-url: {listed}.")
    if not known:
        return request
    if client_context.prompt.allowed:
        _say(f"Signing in to {printable(known[0])}, the only server in your profiles.")
    return replace(request, endpoint_url=known[0])


def get_token(request: CredentialRequest, client_context: ClientContext, extra: dict[str, Any]) -> SignInProof | None:
    """Return a token, or None if it is not needed.

    The result is None if a CLI sign-in at a server returns credentials instead.
    """
    if request.token_file:
        return SignInProof(read_web_identity_file(request.token_file))
    if request.token_command:
        return SignInProof(token_of_command(request.token_command))
    if request.via == "paste":
        typed = client_context.prompt.ask_long("The ID token", instead="use --token-file FILE")
        read_claims(typed)
        return SignInProof(typed)
    if is_by_server("oidc", request, extra):
        return None
    return SignInProof(_by_provider(request, client_context, extra["redirect_port"]))


def _require_person(request: CredentialRequest, client_context: ClientContext, refusal: str = _NO_BROWSER) -> None:
    """Raise SignInNeededError if nobody would see the sign-in, instead of waiting for it.

    A chosen way, and a chosen browser, say that somebody does.
    """
    if not client_context.prompt.allowed:
        raise SignInNeededError(refusal)
    if not (request.via or client_context.environment.get("BROWSER") or client_context.prompt.has_terminal()):
        raise SignInNeededError(_NO_TERMINAL)


def _by_provider(request: CredentialRequest, client_context: ClientContext, port: int) -> str:
    if not request.issuer or not request.client_id:
        raise BadUsageError("Set the provider with --issuer URL and --client-id ID.")
    _require_person(
        request, client_context, "Sign-in needs a browser, but --no-input is set. Use --token-file or --token-command."
    )
    secret = read_secret_file(request.client_secret_file) if request.client_secret_file else ""
    client = OidcClient(request.issuer, request.client_id, request.scopes or "openid", secret, port)
    return sign_in(client, _opening("Sign in with your browser"), now=client_context.now)


def get_assertion(
    request: CredentialRequest, client_context: ClientContext, extra: dict[str, Any]
) -> SignInProof | None:
    """Return an assertion, or None if it is not needed.

    The result is None if a CLI sign-in at a server returns credentials instead.
    """
    source = extra["assertion_file"]
    if source or request.via == "paste":
        text = (
            read_assertion(source)
            if source
            else client_context.prompt.ask_long("The SAMLResponse", instead="use --assertion-file FILE")
        )
        assertion = clean_assertion(text)
        return SignInProof(assertion, offers(assertion))
    if request.via == "loopback":
        raise BadUsageError("SAML does not support --via loopback. Use --via browser, --via device or --via paste.")
    is_named = needs_account(request.role_arn)  # A role name without an account: the assertion contains the account.
    if not (extra["every"] or request.portal_url or is_named or any(_is_pattern(role) for role in request.role_arn)):
        return None
    handed = _sign_in_by_portal(request, client_context, sealed=True)
    found = tuple(
        UnverifiedOffer(str(each.get("RoleArn", "")), str(each.get("PrincipalArn", "")))
        for each in handed.answer.get("roles", [])
        if isinstance(each, dict)
    )
    assertion = clean_assertion(handed.assertion)
    # Only the role that was clicked; or all offered roles if --all or a pattern was used.
    chosen = extra["every"] or is_named or any(map(_is_pattern, request.role_arn))
    single = bool(request.portal_url) and not chosen
    return SignInProof(assertion, found if single else offers(assertion) or found)


def read_assertion(source: str) -> str:
    """Return the content of a file, or of standard input for `-`."""
    try:
        if source == "-":
            return sys.stdin.read(1_000_000)
        with Path(source).expanduser().open(encoding="utf-8") as file:
            return file.read(1_000_000)
    except (OSError, UnicodeDecodeError) as error:
        raise MisconfiguredError(
            f"The assertion file {source} cannot be read: {getattr(error, 'strerror', 'it is not text')}."
        ) from error


def matching_roles(
    proof: SignInProof, request: CredentialRequest, client_context: ClientContext, *, every: bool
) -> tuple[str, ...]:
    """Return the roles to sign in to.

    They match --role, or the person picks one.
    """
    offered = tuple(dict.fromkeys(offer.role_arn for offer in proof.offers))
    if not offered:
        return (first_role(request.role_arn, partition_name(request.region, request.endpoint_url)),)
    patterns = request.role_arn or ("*",)
    found = tuple(role for role in offered if any(_matches(role, pattern) for pattern in patterns))
    if not found:
        listed = ", ".join(map(printable, offered))
        raise BadUsageError(f"No offered role matches {' or '.join(patterns)}. Offered roles: {listed}.")
    if len(found) == 1 or every or any(_is_pattern(pattern) for pattern in request.role_arn):
        return found
    return (_picked(found, client_context),)


def _is_pattern(role: str) -> bool:
    return "*" in role or "?" in role


def _matches(role: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(role, pattern) or role.endswith(f"/{pattern}")


def _picked(found: tuple[str, ...], client_context: ClientContext) -> str:
    listed = "\n".join(f"{number:>3}  {printable(role)}" for number, role in enumerate(found, 1))
    instead = f"use --role ROLE or --all. Offered roles: {', '.join(map(printable, found))}"
    answer = client_context.prompt.ask(f"{listed}\nWhich role? ", noun="A choice of the role", instead=instead)
    if answer.isascii() and answer.isdigit() and 0 < int(answer) <= len(found):
        return found[int(answer) - 1]
    matching = [role for role in found if _matches(role, answer)]
    if len(matching) != 1:
        raise BadUsageError(f"{answer!r} is not one of the roles. No changes were made.")
    return matching[0]


def by_sign_in(selection: Selection, method: str, extra: dict[str, Any]) -> tuple[PortalRole, ...] | None:
    """Sign in at the server, keep the sign-in, and return its roles.

    Returns None if the proof does not come from a server, or if the server is of version 0.1.0. A session of a given
    duration, and an assertion for another STS, need the sign-in for one role (docs/handover.md).
    """
    request, client_context = selection.request, selection.client_context
    server = request.endpoint_url
    if not server or request.portal_url or request.duration or not is_by_server(method, request, extra):
        return None
    _require_person(request, client_context)
    client = registered(server, client_context)
    if client is None:
        return None
    via = request.via or ("browser" if has_browser(os.environ) else "device")
    tokens = by_device(server, client, _tell_page) if via == "device" else by_browser(server, client, _tell_page)
    begin(server, client, tokens, client_context)
    return roles_of_sign_in(server, client_context)


def chosen_roles(selection: Selection, roles: tuple[PortalRole, ...], *, every: bool) -> tuple[str, ...]:
    """Return the roles that --role names, or the one that the person picks."""
    request = selection.request
    partition = partition_name(request.region, request.endpoint_url)
    wanted = tuple(
        role
        if _is_pattern(role) or needs_account((role,))
        else _without_path(role_arns((role,), partition=partition)[0])
        for role in request.role_arn
    )
    if not roles:
        raise RefusedError("You are signed in, but no role trusts you. Ask your administrator.")
    offered = SignInProof("", tuple(UnverifiedOffer(role.arn, "") for role in roles))
    return matching_roles(offered, replace(request, role_arn=wanted), selection.client_context, every=every)


def _without_path(arn: str) -> str:
    return PortalRole(account_of(arn), role_name(arn)).arn


def _tell_page(prompt: SignInPrompt) -> None:
    if prompt.user_code:
        _say(f"On any device, open {printable(prompt.url)} and enter the code {printable(prompt.user_code)}.")
    else:
        _opening("Sign in with your browser")(prompt.url)


def by_portal(selection: Selection) -> tuple[Selection, CachedCredentials]:
    """Return the credentials of a CLI sign-in."""
    request = selection.request
    handed = _sign_in_by_portal(request, selection.client_context, sealed=False)
    answer = handed.answer
    user = answer.get("AssumedRoleUser")
    arn = printable(user.get("Arn", "")) if isinstance(user, dict) else ""
    role = role_arns([str(answer.get("RoleArn", ""))])
    entry = CachedCredentials(
        key="",
        credentials=verify_credentials(answer.get("Credentials") or {}),
        profile=request.profile,
        arn=arn,
        endpoint_url=request.endpoint_url,
        issuer=printable(answer.get("Issuer") or answer.get("Provider") or ""),
        subject=printable(answer.get("Subject") or answer.get("SubjectFromWebIdentityToken") or ""),
    )
    return replace(selection, request=replace(request, role_arn=role)), entry


def _sign_in_by_portal(request: CredentialRequest, client_context: ClientContext, *, sealed: bool) -> SignInResult:
    server = request.portal_url or request.endpoint_url
    if not server:
        raise BadUsageError(
            "No server to sign in to. Set one with --endpoint-url, or with --portal-url for roles in AWS; "
            "or use --via paste, --via loopback, --token-file or --assertion-file."
        )
    _require_person(request, client_context)
    role = (
        ""
        if sealed or not request.role_arn
        else first_role(request.role_arn, partition_name(request.region, request.endpoint_url))
    )
    params = SignInParams(server, role, request.duration, sealed)
    via = request.via or ("browser" if has_browser(os.environ) else "device")
    if via == "device":
        return by_code(params, _tell_code)
    return by_loopback(params, _tell_browser)


def _tell_browser(started: StartedSignIn) -> None:
    _say(f"Check that the page in your browser shows the code {started.user_code}.")
    _opening("Sign in there")(started.url)


def _tell_code(started: StartedSignIn) -> None:
    _say(f"On any device, open {printable(started.url)} and enter the code {started.user_code}.")


def _opening(words: str) -> Callable[[str], None]:
    def tell(url: str) -> None:
        _say(f"{words}. If the browser does not open, open this page: {printable(url)}")
        open_browser(url)

    return tell


def _say(words: str) -> None:
    print(f"daypass: {words}", file=sys.stderr, flush=True)
