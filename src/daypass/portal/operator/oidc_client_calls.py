"""Calls of the actions on OpenID Connect clients by an operator.

Owns the calls through the pipeline. Leaves the verified caller to operator_caller.py, and the permissions and the work
to operations/oidc_client_actions.py.
"""

from dataclasses import dataclass

from starlette.requests import Request

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
from daypass.portal.operator.operator_caller import operator_caller
from daypass.portal.operator.operator_sessions import OperatorCredentials
from daypass.portal.site import Site, as_sent


@dataclass(frozen=True, slots=True)
class OidcClientCalls:
    """Calls the actions. Each raises the Fault of its refusal."""

    site: Site

    def list_clients(
        self, request: Request, held: OperatorCredentials, request_id: str
    ) -> tuple[OidcSignInClient, ...]:
        """Return the clients of the operator's account."""
        params = OidcClientParams(caller=operator_caller(self.site, request, held))
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
            caller=operator_caller(self.site, request, held),
            name=name,
            issuer=issuer,
            client_id=client_id,
            settings=settings,
        )
        client: OidcSignInClient = self._perform(PutOidcClient(), params, request, request_id)[CLIENT]
        return client

    def delete_client(self, request: Request, held: OperatorCredentials, request_id: str, *, name: str) -> None:
        """Remove a client."""
        params = OidcClientParams(caller=operator_caller(self.site, request, held), name=name)
        self._perform(DeleteOidcClient(), params, request, request_id)

    def _perform(self, operation: AnyOperation, params: OidcClientParams, request: Request, request_id: str) -> Result:
        site = self.site
        return site.pipeline.perform(
            operation, params, params.audited(), as_sent(request), request_id, site.store_view, sign_in=None
        )
