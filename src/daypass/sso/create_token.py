"""CreateToken: a program exchanges a code or a refresh token.

Owns the choice of the grant, and the errors of each (RFC 6749 section 5.2, RFC 8628 section 3.5). Leaves the rules of
codes to sign_in/grants.py and sign_in/device_codes.py, and those of tokens to sign_in/token_families.py.

The program proves its registration with every grant. A program that polls for a device code too often gets
SlowDownException; each process counts for itself.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.sign_in import device_codes, grants, token_families
from daypass.sign_in.clients import mark_used, verify_client
from daypass.sign_in.grants import GrantRefusedError
from daypass.sign_in.proofs import SignInOverError
from daypass.sign_in.sessions import find_session
from daypass.sign_in.token_families import RefreshRefusedError, Tokens
from daypass.sso.register_client import AUTHORIZATION_CODE, DEVICE_CODE, REFRESH_TOKEN, require_scopes
from daypass.sso.rest_action import OfSsoOidc, RestCall
from daypass.wire.rest_faults import (
    InvalidGrantException,
    InvalidRequestException,
    SlowDownException,
    UnauthorizedClientException,
    UnsupportedGrantTypeException,
)

_MOST_POLLED = 10_000
# `daypass status` shows it. Other programs ignore it.
_ENDS = b"x-daypass-sign-in-ends"
# The AWS CLI polls once before it shows the code, and again at once.
_MOST_AT_ONCE = 3
# Half of the interval: the network delays one poll more than the next.
_SECONDS_OF_POLL = device_codes.INTERVAL / 2
_WRONG_CODE = "The code is not valid, has expired, or was used before. Sign in again."
_WRONG_TOKEN = "The refresh token is not valid, has expired, or was used before. Sign in again."  # noqa: S105
_SIGN_IN_OVER = "The sign-in has ended. Sign in again."


class CreateTokenParams(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters. Each grant needs some of them."""

    client_id: str
    client_secret: str
    grant_type: str
    device_code: str = ""
    code: str = ""
    refresh_token: str = ""
    scope: list[str] = []
    redirect_uri: str = ""
    code_verifier: str = ""

    def __repr__(self) -> str:
        return "<secret>"


class CreateToken(OfSsoOidc):
    """Issues tokens for a grant."""

    name = "CreateToken"
    needs_provider = True
    takes = CreateTokenParams

    def __init__(self) -> None:
        self._polls: BoundedMemory[str, tuple[float, float]] = BoundedMemory(_MOST_POLLED)
        self._grants: Mapping[str, Callable[[CreateTokenParams, SsoClient, RestCall], Tokens]] = {
            AUTHORIZATION_CODE: _redeem_code,
            DEVICE_CODE: self._redeem_device_code,
            REFRESH_TOKEN: _refresh,
        }

    def answer(self, params: CreateTokenParams, call: RestCall) -> Mapping[str, Any]:
        """Return the tokens. Raises a Fault of the protocol."""
        call.recorded |= {"grantType": params.grant_type}
        client = verify_client(params.client_id, params.client_secret, call.ctx)
        call.recorded["clientId"] = client.id
        grant = self._grants.get(params.grant_type)
        if grant is None:
            raise UnsupportedGrantTypeException(f"grantType must be one of {', '.join(self._grants)}.")
        if params.grant_type not in client.grant_types:
            raise UnauthorizedClientException(f"The client is not registered for the grant {params.grant_type}.")
        require_scopes(params.scope)
        tokens = grant(params, client, call)
        mark_used(client, call.ctx)
        session = call.session = find_session(call.sign_in, call.ctx)
        if session is not None:
            call.headers = ((_ENDS, b"%d" % session.ends.timestamp()),)
        return {
            "accessToken": tokens.access,
            "tokenType": "Bearer",
            "expiresIn": tokens.expires_in,
            "refreshToken": tokens.refresh,
        }

    def _redeem_device_code(self, params: CreateTokenParams, client: SsoClient, call: RestCall) -> Tokens:
        _require("deviceCode", params.device_code)
        _, identifier = device_codes.find_waiting_id(params.device_code, call.ctx)
        self._require_patience(identifier, call.ctx.now.timestamp())
        approved = device_codes.redeem(params.device_code, client.id, call.ctx)
        return _begin(approved.sign_in, client, call)

    def _require_patience(self, identifier: str, now: float) -> None:
        """Count a poll. Raises SlowDownException if there were too many."""
        left, last = self._polls.get(identifier) or (float(_MOST_AT_ONCE), now)
        left = min(float(_MOST_AT_ONCE), left + max(0.0, now - last) / _SECONDS_OF_POLL) - 1
        self._polls.put(identifier, (max(0.0, left), now))
        if left < 0:
            raise SlowDownException(f"Wait {device_codes.INTERVAL} seconds between two requests.")


def _redeem_code(params: CreateTokenParams, client: SsoClient, call: RestCall) -> Tokens:
    for name, value in (
        ("code", params.code),
        ("redirectUri", params.redirect_uri),
        ("codeVerifier", params.code_verifier),
    ):
        _require(name, value)
    try:
        grant = grants.redeem_code(
            params.code,
            client_id=client.id,
            redirect_uri=params.redirect_uri,
            verifier=params.code_verifier,
            ctx=call.ctx,
        )
        tokens = _begin(grant.sign_in, client, call)
        grants.bind_family(params.code, tokens.family, call.ctx)
    except GrantRefusedError as refused:
        raise InvalidGrantException(_WRONG_CODE, detail=f"code: {refused.reason}") from refused
    return tokens


def _refresh(params: CreateTokenParams, client: SsoClient, call: RestCall) -> Tokens:
    _require("refreshToken", params.refresh_token)
    try:
        tokens, family = token_families.refresh_family(params.refresh_token, client.id, call.ctx)
    except RefreshRefusedError as refused:
        if refused.family is not None:
            call.sign_in = refused.family.sign_in
        raise InvalidGrantException(_WRONG_TOKEN, detail=f"refresh token: {refused.reason}") from refused
    call.sign_in = family.sign_in
    return tokens


def _begin(sign_in: str, client: SsoClient, call: RestCall) -> Tokens:
    call.sign_in = sign_in
    try:
        return token_families.begin_family(
            call.ctx, sign_in=sign_in, kind="sso", client_id=client.id, scopes=client.scopes
        )
    except SignInOverError as over:
        raise InvalidGrantException(_SIGN_IN_OVER) from over


def _require(name: str, value: str) -> None:
    if not value:
        raise InvalidRequestException(f"{name} is required with this grant.")
