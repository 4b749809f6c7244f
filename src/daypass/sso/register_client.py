"""RegisterClient: a program registers itself (RFC 7591), without a proof.

Owns the rules of its parameters. Leaves limits and storage to clients.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.operations.request_context import RequestContext
from daypass.sign_in.clients import FULL, has_room, is_loopback_uri, register
from daypass.sign_in.start_url import is_start_url
from daypass.sso.rest_action import OfSsoOidc, RestCall
from daypass.wire.peer_network import peer_network
from daypass.wire.rest_faults import (
    InvalidClientMetadataException,
    InvalidRedirectUriException,
    InvalidRequestException,
    InvalidScopeException,
    SlowDownException,
    UnsupportedGrantTypeException,
)

AUTHORIZATION_CODE = "authorization_code"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a grant
GRANTS = (AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN)
SCOPE = "sso:account:access"
_MOST_URIS = 5
_MOST_REFUSED, _SECONDS_REFUSED = 10_000, 30
_TOO_MANY = "Your network registered too many clients within an hour. Try again later, or use a registered one."
_WRONG_START_URL = "This start URL is not one of this server. Copy it from the credentials page of the portal."


class RegisterClientParams(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters."""

    client_name: str
    client_type: str
    scopes: list[str] = []
    redirect_uris: list[str] = []
    grant_types: list[str] = []
    issuer_url: str = ""


class RegisterClient(OfSsoOidc):
    """Registers a program."""

    name = "RegisterClient"
    takes = RegisterClientParams

    def __init__(self) -> None:
        # Networks beyond their limit, until when they are refused without waiting for the writer.
        self._refused: BoundedMemory[str, float] = BoundedMemory(_MOST_REFUSED)
        # Until when a full server is not searched again for registrations to replace.
        self._full_until = 0.0

    def answer(self, params: RegisterClientParams, call: RestCall) -> Mapping[str, Any]:
        """Return the id and the secret of a new registration."""
        call.recorded |= {"clientName": params.client_name, "scopes": params.scopes}
        wanted = _checked(params, call.ctx)
        client, secret = self._register(wanted, call)
        call.recorded["clientId"] = client.id
        return {
            "clientId": client.id,
            "clientSecret": secret,
            "clientIdIssuedAt": int(client.registered.timestamp()),
            "clientSecretExpiresAt": int(client.expires.timestamp()),
        }

    def _register(self, wanted: SsoClient, call: RestCall) -> tuple[SsoClient, str]:
        network, now = peer_network(call.request.peer), call.ctx.now.timestamp()
        if 0 <= (self._refused.get(network) or 0) - now < _SECONDS_REFUSED:
            raise SlowDownException(_TOO_MANY)
        is_known_full = 0 <= self._full_until - now < _SECONDS_REFUSED
        if not has_room(call.request.peer, call.ctx, searches=not is_known_full):
            if not is_known_full:
                self._full_until = now + _SECONDS_REFUSED
            raise SlowDownException(FULL)
        try:
            return register(wanted, call.request.peer, call.ctx)
        except SlowDownException:
            self._refused.put(network, now + _SECONDS_REFUSED)
            raise


def require_start_url(url: str, ctx: RequestContext) -> None:
    """Raise InvalidRequestException if a URL is not a start URL of ours."""
    if not is_start_url(url, ctx):
        raise InvalidRequestException(_WRONG_START_URL)


def require_scopes(scopes: list[str]) -> None:
    """Raise InvalidScopeException for an unknown scope."""
    if any(scope != SCOPE for scope in scopes):
        raise InvalidScopeException(f"The only scope of this server is {SCOPE}.")


def _checked(params: RegisterClientParams, ctx: RequestContext) -> SsoClient:
    if params.client_type != "public":
        raise InvalidClientMetadataException("clientType must be public.")
    require_scopes(params.scopes)
    if not params.client_name.strip():
        raise InvalidClientMetadataException("clientName must not be empty.")
    # A program that names no grants, such as the AWS CLI with --use-device-code, uses device codes.
    grants = params.grant_types or [DEVICE_CODE, REFRESH_TOKEN]
    if any(grant not in GRANTS for grant in grants):
        raise UnsupportedGrantTypeException(f"The grants of this server are {', '.join(GRANTS)}.")
    if len(params.redirect_uris) > _MOST_URIS or not all(map(is_loopback_uri, params.redirect_uris)):
        raise InvalidRedirectUriException(
            f"redirectUris must have at most {_MOST_URIS} URIs such as http://127.0.0.1/oauth/callback."
        )
    if AUTHORIZATION_CODE in grants and not params.redirect_uris:
        raise InvalidRedirectUriException(f"redirectUris is required with the grant {AUTHORIZATION_CODE}.")
    if params.issuer_url:
        require_start_url(params.issuer_url, ctx)
    return SsoClient(
        id="",
        network="",
        registered=ctx.now,
        expires=ctx.now,
        secret_hash=b"",
        name=params.client_name,
        grant_types=tuple(dict.fromkeys(grants)),
        redirect_uris=tuple(dict.fromkeys(params.redirect_uris)),
        scopes=(SCOPE,),
    )
