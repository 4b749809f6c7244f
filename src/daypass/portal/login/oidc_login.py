"""OpenID Connect sign-in: redirect, redeem the code, show the roles.

Owns the order of the steps. Those that wait for the provider run on the event loop, so that a hanging provider does not
block a worker; the others run on a worker.

* The sign-in is the authorization code flow (OpenID Connect Core 1.0 section 3.1).
* A code is only sent to the provider that issued it: each provider has its own redirect URI, and must send `iss` if it
  advertises it (mix-up attack, RFC 9700 section 4.4; RFC 9207).
* PKCE and the nonce bind the code to the browser (code injection, RFC 9700 section 4.5).
* The ID token is never sent to the browser.
* A provider may answer with a form (OAuth 2.0 Form Post Response Mode). The form is a cross-site request: only then the
  cookie of the pending login is one that browsers send with it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import RequestInfo
from daypass.base64url import to_base64url
from daypass.directory.entities.oidc_entities import provider_arn
from daypass.errors import AccessDenied, Fault, IDPCommunicationError, InvalidIdentityToken, SenderFault
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.issuers.client import (
    Client,
    Endpoints,
    authorization_url,
    redeem_code,
    require_nonce,
    uses_form_post,
)
from daypass.federation.oidc.issuers.endpoint_cache import EndpointCache
from daypass.federation.oidc.network.fetch import Fetcher, IssuerUnreachableError, UnacceptableAnswerError
from daypass.federation.oidc.provider import SCHEME
from daypass.federation.oidc.token import read_token
from daypass.operations.oidc_clients import find_client, find_record, published_keys, with_credentials
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.login import pending_login
from daypass.portal.login.last_provider import with_provider
from daypass.portal.login.pending_login import PendingLogin
from daypass.portal.login.session_start import begin_session, lasts, read_continuation, sign_in_of
from daypass.portal.roles.proven_sign_ins import ProvenSignIn
from daypass.portal.roles.role_choice import Offered, OfferedRole, RoleChoice
from daypass.portal.sign_in_tests import find_test
from daypass.portal.site import Site, as_sent
from daypass.sign_in.oidc_roles import WebOffer, offer_roles, session_name
from daypass.sign_in.proofs import identified_by_token, token_proof
from daypass.sign_in.sessions import new_id

_NOT_REQUESTED = (
    "This sign-in has expired, was already used, or was started in another browser. Start again at the sign-in page."
)
_AWAY = "{} cannot be reached or does not respond in time. Try again in a moment."
_ODD = "Sign-in with {} is not set up correctly. Ask your administrator: the audit log of this server has the reason."
_ONCE = ("state", "code", "iss", "error")
_JWKS = "application/jwk-set+json"
LARGEST_FORM = 32_768
"""The largest response of a provider as a form, in bytes: a code, a state and an issuer."""
_LONGEST_CODE = 4_096
_LONGEST_STATE = 64

# Error responses of providers (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6). The error_description
# goes only to the audit log: its author is unknown, and people would read it as a message of this server.
_DECLINED = "{} did not sign you in: you declined, or you are not allowed to use this application."
_TRY_THERE = "{} requires another step from you. Sign in again and follow its instructions."
_TROUBLE = "{} reports a temporary error. Try again in a moment."
_SETUP = "{} rejects requests of this server. Ask your administrator to check the client ID and the redirect URI."
_NO_SIGN_IN = "{} did not sign you in."
_SAID: Mapping[str, tuple[type[Fault], str]] = {
    "access_denied": (AccessDenied, _DECLINED),
    "login_required": (AccessDenied, _TRY_THERE),
    "interaction_required": (AccessDenied, _TRY_THERE),
    "consent_required": (AccessDenied, _TRY_THERE),
    "account_selection_required": (AccessDenied, _TRY_THERE),
    "server_error": (IDPCommunicationError, _TROUBLE),
    "temporarily_unavailable": (IDPCommunicationError, _TROUBLE),
    "invalid_request": (IDPCommunicationError, _SETUP),
    "unauthorized_client": (IDPCommunicationError, _SETUP),
    "unsupported_response_type": (IDPCommunicationError, _SETUP),
    "invalid_scope": (IDPCommunicationError, _SETUP),
}


class UnknownProviderError(SenderFault):
    """The link names a provider that is not configured or registered."""

    code, status = "NoSuchEntity", 404

    def __init__(self) -> None:
        super().__init__("This identity provider does not exist.")


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """The steps of a sign-in by OpenID Connect."""

    site: Site
    choice: RoleChoice
    fetcher: Fetcher
    places: EndpointCache

    @property
    def redirect_uri(self) -> str:
        """The common prefix of the redirect URIs of all providers."""
        return f"{self.site.settings.public_url}/login/oidc/callback"

    def returns_to(self, client: Client) -> str:
        """Return the redirect URI of one provider.

        Each provider has its own, so that it cannot impersonate another provider.
        """
        return f"{self.redirect_uri}/{client.name}"

    def get_client(self, key: str) -> Client:
        """Return the client of a link.

        Raises UnknownProviderError if it does not exist.
        """
        with self.site.ctx() as ctx:
            found = find_client(key, ctx)
        if found is None:
            raise UnknownProviderError
        return found

    def keys(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /login/oidc/clients/KEY/jwks.json: return a client's public keys."""
        with self.site.ctx() as ctx:
            record = find_record(request.path_params["key"], ctx)
            if record is None or not record.keys:
                raise UnknownProviderError
            keys = published_keys(record, int(ctx.now.timestamp()))
        document = {"keys": [dict(key) for key in keys]}
        return Response(msgspec.json.encode(document), headers=dict(pages.HEADERS), media_type=_JWKS)

    async def endpoints(self, client: Client) -> Endpoints:
        """Return the endpoints of a provider. Raises IDPCommunicationError."""
        try:
            return await self.places.find(client)
        except (IssuerUnreachableError, UnacceptableAnswerError) as fault:
            _refuse_provider(client, fault)

    def begin(self, request: Request, client: Client, endpoints: Endpoints, test: str = "") -> Response:
        """Redirect the browser to a provider, with a cookie of sealed secrets.

        `test` is the name of a test sign-in, or empty.
        """
        with self.site.ctx() as ctx:
            continues = test or read_continuation(request, ctx)
            verifier, nonce = (to_base64url(ctx.entropy(32)) for _ in range(2))
            pending = PendingLogin(
                "oidc",
                pending_login.new_id(ctx),
                pending_login.last_second(ctx),
                client.key,
                continues,
                verifier,
                nonce,
            )
            url = authorization_url(
                client,
                endpoints,
                redirect_uri=self.returns_to(client),
                state=pending.id,
                nonce=nonce,
                verifier=verifier,
            )
            is_posted = uses_form_post(client, endpoints)
            answer = with_provider(pages.redirect(url), client.key)
            return pending_login.remember(answer, pending, request, ctx, crosses_sites=is_posted)

    def returned(self, request: Request, sent: Mapping[str, str], request_id: str) -> tuple[PendingLogin, Client]:
        """Return the pending login of a browser that returns, and use it up.

        `sent` are the parameters of the response. The client has its credentials.
        """
        with self._recorded(request, request_id):
            with self.site.ctx() as ctx:
                found = pending_login.find(request, "oidc", sent.get("state", "")[:_LONGEST_STATE], ctx)
                if found is None or not pending_login.use_up(found, ctx):
                    raise InvalidIdentityToken(_NOT_REQUESTED, detail="no cookie for this state")
            client = self.get_client(found.provider)
            _require_from(client, request, sent)
            if "error" in sent or not sent.get("code"):
                raise _said(client, sent)
            with self.site.ctx() as ctx:
                return found, with_credentials(client, ctx)

    async def redeem(
        self, request: Request, sent: Mapping[str, str], pending: PendingLogin, client: Client, request_id: str
    ) -> str:
        """Return the unverified ID token for the code in the response."""
        with self._recorded(request, request_id):
            endpoints = await self.endpoints(client)
            if endpoints.names_itself and "iss" not in sent:
                raise InvalidIdentityToken(
                    _NOT_REQUESTED, detail="the response has no iss, although the provider advertises it"
                )
            try:
                return await redeem_code(
                    client,
                    endpoints,
                    self.fetcher,
                    code=sent["code"][:_LONGEST_CODE],
                    redirect_uri=self.returns_to(client),
                    verifier=pending.verifier,
                )
            except (IssuerUnreachableError, UnacceptableAnswerError) as fault:
                _refuse_provider(client, fault)

    def offer(
        self, request: Request, pending: PendingLogin, client: Client, unverified_token: str, request_id: str
    ) -> Response:
        """Begin a session, or show the roles that a token can assume.

        Raises KeysNeededError if the keys of its issuer must be fetched first.
        """
        with self._recorded(request, request_id), self.site.ctx() as ctx:
            if find_test(pending.handover) is not None:
                raise InvalidIdentityToken(_NOT_REQUESTED, detail="a response to a test begins no session")
            unverified = read_token(unverified_token)
            if unverified.unverified_issuer != client.issuer:
                raise InvalidIdentityToken(_NOT_REQUESTED, detail="the token is from another issuer")
            name = session_name(unverified.unverified_claims)
            request_info = RequestInfo(ctx.now, as_sent(request), self.site.pipeline.home_region)
            # This verifies the token: its claims above are trusted from here on.
            is_of_command = cli_sign_ins.is_name(pending.handover)
            wanted = cli_sign_ins.get_waiting(pending.handover, ctx).role if is_of_command else ""
            found = offer_roles(unverified, name, request_info, ctx, wanted=wanted)
            if found.bearer.web.audience != client.client_id:
                raise InvalidIdentityToken(_NOT_REQUESTED, detail="the token is for another client")
            require_nonce(unverified.unverified_claims, pending.nonce)
            if lasts(request, pending.handover, ctx):
                person = identified_by_token(found.bearer.web, name, client_key=client.key, account=client.account)
                proof = token_proof(unverified, unverified_token, ctx)
                response, session = begin_session(request, proof, person, pending.handover, ctx)
                sign_in = sign_in_of(session)
            else:
                sign_in = {"SignInId": new_id(ctx)}
                handover = pending.handover if cli_sign_ins.is_name(pending.handover) else ""
                once = ProvenSignIn(
                    "oidc",
                    unverified_token,
                    session_name=name,
                    handover=handover,
                    sign_in=sign_in["SignInId"],
                    subject=found.bearer.web.subject,
                )
                response = self.choice.offer(request, _offered(found, name), once, ctx)
        # The audit page of the account that owns the client shows the event.
        owner = provider_arn(client.account, client.issuer.removeprefix(SCHEME)) if client.account else ""
        parameters = {"PrincipalArn": owner} if owner else None
        self.site.record("OIDCSignIn", request, request_id, caller=found.bearer, parameters=parameters, sign_in=sign_in)
        return pending_login.forget(response, pending)

    @contextmanager
    def _recorded(self, request: Request, request_id: str) -> Iterator[None]:
        """Record a refused step. KeysNeededError is not a refusal."""
        try:
            yield
        except KeysNeededError:
            raise
        except Fault as fault:
            self.site.record("OIDCSignIn", request, request_id, fault=fault)
            raise

    def keys_first(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Exchange a proof for a role.

        Raises KeysNeededError if keys must be fetched first.
        """
        with self.site.ctx() as ctx:
            self.choice.require_keys(request, fields, ctx)
        return self.choice.choose(request, fields, request_id)


def _require_from(client: Client, request: Request, sent: Mapping[str, str]) -> None:
    """Refuse a response to another redirect URI, or from another issuer."""
    query = request.query_params
    if any(len(query.getlist(name)) > 1 for name in _ONCE):
        raise InvalidIdentityToken(_NOT_REQUESTED, detail="a parameter occurs twice")
    if request.path_params.get("issuer") != unquote(client.name):
        raise InvalidIdentityToken(_NOT_REQUESTED, detail="the response came to the redirect URI of another provider")
    if sent.get("iss", client.issuer) != client.issuer:
        raise InvalidIdentityToken(_NOT_REQUESTED, detail="iss is another issuer")


def _said(client: Client, sent: Mapping[str, str]) -> Fault:
    """Return the Fault for an error response of a provider."""
    error, described = sent.get("error", ""), sent.get("error_description", "")
    kind, words = _SAID.get(error, (AccessDenied, _NO_SIGN_IN))
    detail = f"error {error[:100]!r}" + (f": {described[:300]!r}" if described else "")
    return kind(words.format(client.host), detail=detail)


def _refuse_provider(client: Client, fault: Exception) -> NoReturn:
    words = _AWAY if isinstance(fault, IssuerUnreachableError) else _ODD
    raise IDPCommunicationError(words.format(client.host), detail=f"{client.issuer}: {fault}") from None


def _offered(found: WebOffer, name: str) -> Offered:
    web = found.bearer.web
    return Offered(
        subject=web.subject,
        issuer=web.issuer,
        session_name=name,
        roles=[OfferedRole(candidate.arn, provider, candidate.longest) for candidate, provider in found.roles],
        closed=0,
        ends=web.expires,
    )
