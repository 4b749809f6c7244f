"""The sign-in pages: the list of identity providers, and the link to each.

A CLI sign-in's page also shows the requesting command.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import ExpiredTokenException, ServiceUnavailable
from daypass.federation.oidc.issuers.client import Client
from daypass.operations.oidc_clients import listed_clients
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import LoginOptionSetting
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.cli_login.cli_sign_ins import CliSignIn
from daypass.portal.continue_at import find_path
from daypass.portal.login.last_provider import last_provider, with_provider
from daypass.portal.login.login_options import SamlLoginOption, SamlLoginOptions
from daypass.portal.login.oidc_login import OidcSignIn, UnknownProviderError
from daypass.portal.login.saml_login import SamlSignIn
from daypass.portal.login.session_start import read_continuation
from daypass.portal.roles.command_approval import approval_path
from daypass.portal.roles.role_choice import sign_in_summary
from daypass.portal.roles.role_list import account_alias
from daypass.portal.sign_in_cookie import session_of
from daypass.portal.site import Site

_MOST_ACCOUNTS = 3


@dataclass(frozen=True, slots=True)
class Login:
    """The steps of the sign-in pages."""

    site: Site
    saml: SamlSignIn
    oidc: OidcSignIn
    options: SamlLoginOptions = field(default_factory=SamlLoginOptions)

    def landing(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /login: list the identity providers.

        A browser with a session continues.
        """
        query = request.query_params
        with self.site.ctx() as ctx:
            if "other" not in query and session_of(request, ctx) is not None:
                return pages.redirect(find_path(query.get("next", ""), ctx) or "/roles")
            return self.providers(request, ctx, None, "")

    def begin_saml(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /login/saml/KEY: send the browser to a SAML provider."""
        with self.site.ctx() as ctx:
            option = self.options.find(ctx.views, request.path_params["key"])
            if option is None:
                raise UnknownProviderError
            continues = read_continuation(request, ctx)
            try:
                return with_provider(self.saml.begin(request, option, continues, ctx), option.key)
            except ServiceUnavailable as fault:
                self.site.record("SAMLSignIn", request, request_id, fault=fault)
                raise

    def hand_over(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /handover/at/HANDLE: show the page that a local command opens."""
        handle = request.path_params["handle"]
        with self.site.ctx() as ctx:
            cli_sign_in = cli_sign_ins.find(handle, ctx)
            if cli_sign_in.mode != "loopback":
                raise ExpiredTokenException("Enter the code from your terminal at /device.")
            return self.providers(request, ctx, cli_sign_in, handle)

    def providers(self, request: Request, ctx: RequestContext, cli_sign_in: CliSignIn | None, handle: str) -> Response:
        """Return the page of identity providers.

        A person with a session goes on to the approval of a command. An assertion is always a new one.
        """
        if cli_sign_in is not None and cli_sign_in.deliver == "credentials":
            session = session_of(request, ctx)
            if session is not None:
                return pages.redirect(approval_path(cli_sign_in, session, ctx))
        settings, clients = {each.issuer: each for each in ctx.settings.login_options}, listed_clients(ctx)
        issuers = {client.issuer for client in clients}
        options = [_as_set(_shown_client(client, ctx), settings.get(client.issuer)) for client in clients]
        for option in self.options.listed(ctx.views):
            setting = settings.get(option.entity_id) if _may_be_named(option, issuers) else None
            options.append(_as_set(_shown(option, ctx), setting))
        hosts, last, query = Counter(option["host"] for option in options), last_provider(request), request.query_params
        # Realms and tenants share a host, so show more of the address.
        options = [{**option, "where": option["path"] if hosts[option["host"]] > 1 else ""} for option in options]
        values = {
            "options": sorted(options, key=lambda option: (option["key"] != last, option["order"])),
            "last": last if len(options) > 1 else "",
            "cli_sign_in": None if cli_sign_in is None else sign_in_summary(cli_sign_in),
            "suffix": _suffix(handle, query.get("next", "")),
            "is_signed_out": "signed-out" in query,
            "host": self.site.settings.public_url.partition("://")[2],
            "consumer": self.site.settings.saml_consumer,
            "callback": self.oidc.redirect_uri,
        }
        return pages.page("login.html", values)


def _suffix(handle: str, following: str) -> str:
    if handle:
        return f"?handover={handle}"
    return f"?{urlencode({'next': following})}" if following else ""


def _may_be_named(option: SamlLoginOption, issuers: Collection[str]) -> bool:
    """Return whether a SAML provider can have the name of its entity ID.

    An account chooses the entity ID that it registers. It must not get the name of an OpenID Connect provider for
    another address.
    """
    is_issuer = option.entity_id in issuers
    return not option.has_rivals and (not is_issuer or option.address.startswith(f"{option.entity_id.rstrip('/')}/"))


def _as_set(option: dict[str, Any], setting: LoginOptionSetting | None) -> dict[str, Any]:
    """Return an option with the values that the operator's settings give it."""
    if setting is None:
        return option
    values = {"label": setting.label, "logo": setting.logo, "order": setting.order}
    return option | {name: value for name, value in values.items() if value is not None}


def _shown_client(client: Client, ctx: RequestContext) -> dict[str, Any]:
    return {
        "key": client.key,
        "href": f"/login/oidc/{client.key}",
        # An account chooses the label and the logo of a record, thus the page shows the host too.
        "label": client.label,
        "logo": client.logo,
        "order": client.order,
        "host": client.host,
        "path": client.issuer.partition("://")[2].removeprefix(client.host),
        "kind": "OpenID Connect",
        # The owner of a client of the store: two accounts may have registered one at the same provider.
        "accounts": (account_alias(client.account, ctx) or client.account) if client.account else "",
    }


def _shown(option: SamlLoginOption, ctx: RequestContext) -> dict[str, Any]:
    names = [account_alias(account, ctx) or account for account in option.accounts[:_MOST_ACCOUNTS]]
    more = len(option.accounts) - len(names)
    return {
        "key": option.key,
        "href": f"/login/saml/{option.key}",
        "label": option.label,
        "logo": option.logo,
        "order": option.order,
        "host": option.host,
        "path": option.path,
        "kind": "SAML",
        "accounts": ", ".join(names) + (f" and {more} more" if more > 0 else ""),
    }
