"""Calls of the actions on OpenID Connect clients by an operator.

Owns the way from the credentials of a session to its verified caller: a signed request, verified like one from the
network, so that expired and revoked credentials are refused. Leaves the permissions and the work to operations/
oidc_client_actions.py.
"""

from dataclasses import dataclass

from starlette.requests import Request

from daypass.authenticate.authenticate import Lookup, authenticate
from daypass.authenticate.caller import Caller
from daypass.authenticate.sigv4.find import find_signature
from daypass.authorize.session_limits import check_session_limits
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.operations.oidc_client_actions import (
    CLIENT,
    CLIENTS,
    DeleteOidcClient,
    ListOidcClients,
    OidcClientParams,
    PutOidcClient,
)
from daypass.operations.oidc_client_changes import OidcClientSettings
from daypass.operations.operation import AnyOperation, Result
from daypass.portal.operator.operator_sessions import OperatorCredentials
from daypass.portal.operator.signed_call import SigV4Credentials, signed_call
from daypass.portal.site import Site, as_sent

_SERVICE = "daypass"


@dataclass(frozen=True, slots=True)
class OidcClientCalls:
    """Calls the actions. Each raises the Fault of its refusal."""

    site: Site

    def list_clients(
        self, request: Request, held: OperatorCredentials, request_id: str
    ) -> tuple[OidcSignInClient, ...]:
        """Return the clients of the operator's account."""
        params = OidcClientParams(caller=self._caller(request, held))
        return tuple(self._perform(ListOidcClients(), params, request, request_id)[CLIENTS])

    def put_client(  # noqa: PLR0913 - the session, and the fields of a form
        self,
        request: Request,
        held: OperatorCredentials,
        request_id: str,
        *,
        name: str,
        settings: OidcClientSettings,
        issuer: str = "",
        client_id: str = "",
    ) -> OidcSignInClient:
        """Register a client or, without an issuer, change one. Return it."""
        params = OidcClientParams(
            caller=self._caller(request, held), name=name, issuer=issuer, client_id=client_id, settings=settings
        )
        client: OidcSignInClient = self._perform(PutOidcClient(), params, request, request_id)[CLIENT]
        return client

    def delete_client(self, request: Request, held: OperatorCredentials, request_id: str, *, name: str) -> None:
        """Remove a client."""
        params = OidcClientParams(caller=self._caller(request, held), name=name)
        self._perform(DeleteOidcClient(), params, request, request_id)

    def _perform(self, operation: AnyOperation, params: OidcClientParams, request: Request, request_id: str) -> Result:
        site = self.site
        return site.pipeline.perform(
            operation, params, params.audited(), as_sent(request), request_id, site.store_view, sign_in=None
        )

    def _caller(self, request: Request, held: OperatorCredentials) -> Caller:
        """Return the caller behind the credentials. Raises the Fault of AWS."""
        pipeline, view = self.site.pipeline, self.site.store_view
        signer = SigV4Credentials(held.key_id, held.secret, held.token, _SERVICE, pipeline.home_region, pipeline.now())
        host = self.site.settings.public_url.partition("://")[2].partition("/")[0]
        call = signed_call(as_sent(request), {}, host=host, signer=signer)
        lookup = Lookup(view.views, pipeline.keychain, view.sealing_ring, pipeline.is_region, pipeline.now())
        verified = authenticate(find_signature(call), call, services=frozenset({_SERVICE}), lookup=lookup)
        # Sessions that cannot call IAM cannot manage clients either.
        check_session_limits(verified, "iam", "PutOidcClient", regions=pipeline.regions)
        return verified.caller
