"""OpenID Connect at the portal: send a browser to a provider, redeem the code that it comes back with, offer roles.

Owns the order of the steps. Those that wait for the provider run on the event loop, so that one that hangs holds no
worker; the others run on a worker. The ID token never reaches the browser.
Rules: OpenID Connect Core 1.0, 3.1; RFC 9700.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import Surroundings
from daypass.errors import AccessDenied, Fault, IDPCommunicationError, InvalidIdentityToken, SenderFault
from daypass.federation.oidc.client import (
    Client,
    Endpoints,
    authorization_url,
    discover,
    redeem_code,
    require_nonce,
)
from daypass.federation.oidc.fetch import Fetcher, Unacceptable, Unreachable
from daypass.federation.oidc.token import read_token
from daypass.portal import begun, pages
from daypass.portal.begun import Begun
from daypass.portal.choice import Choice, Offered, OfferedRole
from daypass.portal.device import bound_handover
from daypass.portal.sign_ins import Proof
from daypass.portal.site import Site, as_sent
from daypass.portal.web_offer import WebOffer, offer_roles, session_name

_NOT_ASKED = "The answer is to a sign-in that this browser did not begin. Begin again at the sign-in page."
_AWAY = "The identity provider does not answer as it should. Try again later."
_LONGEST_CODE = 4_096


class NoSuchClient(SenderFault):
    """A link to a provider that is not, or no longer, configured."""

    code, status = "NoSuchEntity", 404


@dataclass(frozen=True, slots=True)
class OidcSignIn:
    """The steps of a sign-in by OpenID Connect."""

    site: Site
    choice: Choice
    clients: Sequence[Client]
    fetcher: Fetcher

    @property
    def redirect_uri(self) -> str:
        """Where providers send browsers back to."""
        return f"{self.site.settings.public_url}/login/oidc/callback"

    def find_client(self, key: str) -> Client:
        """Return the client that a link means, or raise."""
        found = next((client for client in self.clients if client.key == key), None)
        if found is None:
            raise NoSuchClient("There is no such identity provider.")
        return found

    async def endpoints(self, client: Client) -> Endpoints:
        """Ask a provider where people sign in."""
        try:
            return await discover(client, self.fetcher)
        except (Unreachable, Unacceptable) as fault:
            _refuse_provider(fault)

    def begin(self, request: Request, client: Client, endpoints: Endpoints) -> Response:
        """Send the browser to a provider, with secrets that it carries but cannot read."""
        handle = request.query_params.get("handover", "")
        with self.site.world() as world:
            handover = bound_handover(handle, request, world).name if handle else ""
            verifier, nonce = (urlsafe_b64encode(world.entropy(32)).rstrip(b"=").decode() for _ in range(2))
            carried = Begun(
                "oidc", begun.new_id(world), begun.last_second(world), client.key, handover, verifier, nonce
            )
            url = authorization_url(
                client, endpoints, redirect_uri=self.redirect_uri, state=carried.id, nonce=nonce, verifier=verifier
            )
            return begun.remember(pages.redirect(url), carried, request, world)

    def returned(self, request: Request, request_id: str) -> tuple[Begun, Client]:
        """Return the sign-in that a browser comes back from, which this takes the one answer of."""
        query = request.query_params
        try:
            with self.site.world() as world:
                found = begun.find(request, "oidc", query.get("state", "")[:64], world)
                if found is None or not begun.use_up(found, world):
                    raise InvalidIdentityToken(_NOT_ASKED, detail="no cookie for this state")
            client = self.find_client(found.provider)
            # RFC 9207: where the provider says who it is, it must be the one that was asked.
            if query.get("iss", client.issuer) != client.issuer:
                raise InvalidIdentityToken(_NOT_ASKED, detail="another issuer answers")
            if "error" in query or not query.get("code"):
                raise AccessDenied(
                    "The identity provider did not sign you in.", detail=f"error {query.get('error', '')!r:.100}"
                )
        except Fault as fault:
            self.site.record("OIDCSignIn", request, request_id, fault=fault)
            raise
        return found, client

    async def redeem(self, request: Request, carried: Begun, client: Client) -> str:
        """Return the ID token, unverified, for the code that the browser brings."""
        endpoints = await self.endpoints(client)
        try:
            return await redeem_code(
                client,
                endpoints,
                self.fetcher,
                code=request.query_params["code"][:_LONGEST_CODE],
                redirect_uri=self.redirect_uri,
                verifier=carried.verifier,
            )
        except (Unreachable, Unacceptable) as fault:
            _refuse_provider(fault)

    def offer(
        self, request: Request, carried: Begun, client: Client, unverified_token: str, request_id: str
    ) -> Response:
        """Offer the roles that a token may take. Raises KeysNeeded where its issuer has to be asked first."""
        with self.site.world() as world:
            unverified = read_token(unverified_token)
            if unverified.unverified_issuer != client.issuer:
                raise InvalidIdentityToken(_NOT_ASKED, detail="a token of another issuer")
            name = session_name(unverified.unverified_claims)
            around = Surroundings(world.now, as_sent(request), self.site.pipeline.home_region)
            # Verified here: what was read of the same text above is believed from now on.
            found = offer_roles(unverified, name, around, world)
            if found.bearer.web.audience != client.client_id:
                raise InvalidIdentityToken(_NOT_ASKED, detail="a token for another client")
            require_nonce(unverified.unverified_claims, carried.nonce)
            proof = Proof("oidc", unverified_token, session_name=name, handover=carried.handover)
            response = self.choice.offer(request, _offered(found, name), proof, world)
        self.site.record("OIDCSignIn", request, request_id, caller=found.bearer)
        return begun.forget(response, carried)

    def keys_first(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Trade a proof for a role, once the keys that it needs are there. Raises KeysNeeded where they are not."""
        with self.site.world() as world:
            self.choice.require_keys(request, fields, world)
        return self.choice.choose(request, fields, request_id)


def _refuse_provider(fault: Exception) -> NoReturn:
    raise IDPCommunicationError(_AWAY, detail=str(fault)) from None


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
