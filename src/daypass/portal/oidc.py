"""OpenID Connect at the portal: send a browser to a provider, redeem the code that it comes back with, offer roles.

Owns the order of the steps, and that no code goes to a provider that did not make it: each provider sends people back
to an address of its own, and says who it is where it promised to. Steps that wait for the provider run on the event
loop, so that one that hangs holds no worker; the others run on a worker. The ID token never reaches the browser.
Rules: OpenID Connect Core 1.0, 3.1; RFC 9700, 4.4 (mix-up) and 4.5 (code injection); RFC 9207.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import Surroundings
from daypass.base64url import to_base64url
from daypass.errors import AccessDenied, Fault, IDPCommunicationError, InvalidIdentityToken, SenderFault
from daypass.federation.oidc.client import (
    Client,
    Endpoints,
    authorization_url,
    redeem_code,
    require_nonce,
)
from daypass.federation.oidc.fetch import Fetcher, Unacceptable, Unreachable
from daypass.federation.oidc.identify import KeysNeeded
from daypass.federation.oidc.sign_in_places import SignInPlaces
from daypass.federation.oidc.token import read_token
from daypass.portal import begun, handovers, pages
from daypass.portal.begun import Begun
from daypass.portal.choice import Choice, Offered, OfferedRole
from daypass.portal.device import bound_handover
from daypass.portal.sign_ins import Proof
from daypass.portal.site import Site, as_sent
from daypass.portal.web_offer import WebOffer, offer_roles, session_name

_NOT_ASKED = (
    "The answer is to a sign-in that this browser did not begin, or that has its answer already. "
    "Begin again at the sign-in page."
)
_AWAY = "{} cannot be reached, or does not answer in time. Try again in a moment."
_ODD = "Nobody can sign in with {} as it is set up. Whoever runs this server finds what is wrong in its audit log."
_ONCE = ("state", "code", "iss", "error")
_LONGEST_CODE = 4_096
_LONGEST_STATE = 64

# What providers answer instead of a code, by RFC 6749 4.1.2.1 and OpenID Connect Core 3.1.2.6. Their own descriptions
# are for the audit log: whoever writes them is not known to us, and a page of ours would lend them our name.
_DECLINED = "{} did not sign you in: you declined, or it does not let you use this application."
_TRY_THERE = "{} wants something of you first. Sign in again, and answer what it asks."
_TROUBLE = "{} has trouble of its own. Try again in a moment."
_SETUP = "{} does not take requests of this server as it is set up. Whoever runs both compares client id and addresses."
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
    places: SignInPlaces

    @property
    def redirect_uri(self) -> str:
        """What the addresses begin with where providers send browsers back to."""
        return f"{self.site.settings.public_url}/login/oidc/callback"

    def returns_to(self, client: Client) -> str:
        """Return where one provider sends browsers back to. No other one does, so that none can pass for another."""
        return f"{self.redirect_uri}/{client.name}"

    def find_client(self, key: str) -> Client:
        """Return the client that a link means, or raise."""
        found = next((client for client in self.clients if client.key == key), None)
        if found is None:
            raise NoSuchClient("There is no such identity provider.")
        return found

    async def endpoints(self, client: Client) -> Endpoints:
        """Ask a provider where people sign in."""
        try:
            return await self.places.find(client)
        except (Unreachable, Unacceptable) as fault:
            _refuse_provider(client, fault)

    def begin(self, request: Request, client: Client, endpoints: Endpoints) -> Response:
        """Send the browser to a provider, with secrets that it carries but cannot read."""
        handle = request.query_params.get("handover", "")
        with self.site.world() as world:
            handover = bound_handover(handle, request, world).name if handle else ""
            verifier, nonce = (to_base64url(world.entropy(32)) for _ in range(2))
            carried = Begun(
                "oidc", begun.new_id(world), begun.last_second(world), client.key, handover, verifier, nonce
            )
            url = authorization_url(
                client,
                endpoints,
                redirect_uri=self.returns_to(client),
                state=carried.id,
                nonce=nonce,
                verifier=verifier,
            )
            return begun.remember(pages.redirect(url), carried, request, world)

    def returned(self, request: Request, request_id: str) -> tuple[Begun, Client]:
        """Return the sign-in that a browser comes back from, which this takes the one answer of."""
        query = request.query_params
        with self._recorded(request, request_id):
            with self.site.world() as world:
                found = begun.find(request, "oidc", query.get("state", "")[:_LONGEST_STATE], world)
                if found is None or not begun.use_up(found, world):
                    raise InvalidIdentityToken(_NOT_ASKED, detail="no cookie for this state")
            client = self.find_client(found.provider)
            _require_from(client, request)
            if "error" in query or not query.get("code"):
                raise _said(client, query)
        return found, client

    async def redeem(self, request: Request, carried: Begun, client: Client, request_id: str) -> str:
        """Return the ID token, unverified, for the code that the browser brings."""
        with self._recorded(request, request_id):
            endpoints = await self.endpoints(client)
            if endpoints.names_itself and "iss" not in request.query_params:
                raise InvalidIdentityToken(_NOT_ASKED, detail="the provider says who it is, and the answer does not")
            try:
                return await redeem_code(
                    client,
                    endpoints,
                    self.fetcher,
                    code=request.query_params["code"][:_LONGEST_CODE],
                    redirect_uri=self.returns_to(client),
                    verifier=carried.verifier,
                )
            except (Unreachable, Unacceptable) as fault:
                _refuse_provider(client, fault)

    def offer(
        self, request: Request, carried: Begun, client: Client, unverified_token: str, request_id: str
    ) -> Response:
        """Offer the roles that a token may take. Raises KeysNeeded where its issuer has to be asked first."""
        with self._recorded(request, request_id), self.site.world() as world:
            unverified = read_token(unverified_token)
            if unverified.unverified_issuer != client.issuer:
                raise InvalidIdentityToken(_NOT_ASKED, detail="a token of another issuer")
            name = session_name(unverified.unverified_claims)
            around = Surroundings(world.now, as_sent(request), self.site.pipeline.home_region)
            # Verified here: what was read of the same text above is believed from now on.
            wanted = handovers.get_waiting(carried.handover, world).role if carried.handover else ""
            found = offer_roles(unverified, name, around, world, wanted=wanted)
            if found.bearer.web.audience != client.client_id:
                raise InvalidIdentityToken(_NOT_ASKED, detail="a token for another client")
            require_nonce(unverified.unverified_claims, carried.nonce)
            proof = Proof("oidc", unverified_token, session_name=name, handover=carried.handover)
            response = self.choice.offer(request, _offered(found, name), proof, world)
        self.site.record("OIDCSignIn", request, request_id, caller=found.bearer)
        return begun.forget(response, carried)

    @contextmanager
    def _recorded(self, request: Request, request_id: str) -> Iterator[None]:
        """Record a step that is refused. Keys that are to be fetched first are no refusal."""
        try:
            yield
        except KeysNeeded:
            raise
        except Fault as fault:
            self.site.record("OIDCSignIn", request, request_id, fault=fault)
            raise

    def keys_first(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Trade a proof for a role, once the keys that it needs are there. Raises KeysNeeded where they are not."""
        with self.site.world() as world:
            self.choice.require_keys(request, fields, world)
        return self.choice.choose(request, fields, request_id)


def _require_from(client: Client, request: Request) -> None:
    """Refuse an answer that came to another provider's address, or says that it is another's."""
    query = request.query_params
    if any(len(query.getlist(name)) > 1 for name in _ONCE):
        raise InvalidIdentityToken(_NOT_ASKED, detail="a parameter stands there twice")
    if request.path_params.get("issuer") != unquote(client.name):
        raise InvalidIdentityToken(_NOT_ASKED, detail="the answer came to another provider's address")
    if query.get("iss", client.issuer) != client.issuer:
        raise InvalidIdentityToken(_NOT_ASKED, detail="another issuer answers")


def _said(client: Client, query: QueryParams) -> Fault:
    """Return the refusal for what a provider answers instead of a code."""
    error, described = query.get("error", ""), query.get("error_description", "")
    kind, words = _SAID.get(error, (AccessDenied, _NO_SIGN_IN))
    detail = f"error {error[:100]!r}" + (f": {described[:300]!r}" if described else "")
    return kind(words.format(client.host), detail=detail)


def _refuse_provider(client: Client, fault: Exception) -> NoReturn:
    words = _AWAY if isinstance(fault, Unreachable) else _ODD
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
