"""The actions of the operator console on OpenID Connect clients.

Owns the permission that each action needs. AWS's models do not have these actions, so that the wire cannot call them:
the console verifies who the operator is, and runs them through the pipeline, with its authorization and audit. Leaves
the rules of a client to oidc_client_changes.py.

| action | permission | resource |
| --- | --- | --- |
| ListOidcClients | daypass:ListOidcClients | `*` |
| PutOidcClient | daypass:PutOidcClient | the ARN of the client |
| DeleteOidcClient | daypass:DeleteOidcClient | the ARN of the client |

A client of the settings is read-only: no action finds or changes it, and a record that it would hide is refused.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcSignInClient, oidc_client_arn
from daypass.errors import EntityAlreadyExists, InvalidInput, NoSuchEntity
from daypass.operations.oidc_client_changes import (
    OidcClientError,
    OidcClientSettings,
    add_client,
    change_client,
    find_client_record,
    remove_client,
)
from daypass.operations.oidc_clients import client_of, is_hidden
from daypass.operations.operation import Authorized, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext

CLIENTS = "Clients"
CLIENT = "Client"


class OidcClientParams(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of an action, and the verified caller.

    `issuer` and `client_id` are those of a new client; they are empty to change the client of this name.
    """

    caller: Caller
    name: str = ""
    issuer: str = ""
    client_id: str = ""
    settings: OidcClientSettings = OidcClientSettings()

    def audited(self) -> Mapping[str, Any]:
        """Return the parameters for the audit event: no secret is among them."""
        given = {"Name": self.name, "Issuer": self.issuer, "ClientId": self.client_id}
        return {name: value for name, value in given.items() if value}


class _OidcClientAction(Signed[OidcClientParams]):
    """The base class of the three actions."""

    service = "daypass"
    action: str

    def verify_identity(self, params: OidcClientParams, signer: Caller | None, ctx: RequestContext) -> Caller:
        """Return the caller that the console verified."""
        return params.caller

    def permissions(
        self,
        params: OidcClientParams,
        caller: Caller,
        ctx: RequestContext,
    ) -> tuple[PermissionCheck, ...]:
        """Require the action on the client, or on `*` for the list."""
        resource = oidc_client_arn(caller.account, params.name) if params.name else "*"
        return (PermissionCheck(f"daypass:{self.action}", resource, caller.account),)


class ListOidcClients(_OidcClientAction):
    """Lists the clients of the caller's account."""

    action = "ListOidcClients"
    access = StoreAccess.READ

    def run(self, authorized: Authorized[OidcClientParams], ctx: RequestContext) -> Result:
        """Return the records, without credentials in the clear."""
        return {CLIENTS: list(records.each(ctx.reader, OidcSignInClient, authorized.caller.account))}


class PutOidcClient(_OidcClientAction):
    """Registers a client, or changes the settings of one."""

    action = "PutOidcClient"
    access = StoreAccess.WRITE

    def run(self, authorized: Authorized[OidcClientParams], ctx: RequestContext) -> Result:
        """Return the client as it is stored."""
        params, account = authorized.params, authorized.caller.account
        found = find_client_record(ctx.reader, account, params.name)
        try:
            if not params.issuer:
                if found is None:
                    raise NoSuchEntity("This client does not exist.")
                new = change_client(ctx.writer, found, params.settings, vault=ctx.vault, now=ctx.now)
                return {CLIENT: new}
            if found is not None:
                raise EntityAlreadyExists(f"A client with the name {params.name} already exists.")
            new = add_client(
                ctx.writer,
                account,
                params.name,
                issuer=params.issuer,
                client_id=params.client_id,
                settings=params.settings,
                vault=ctx.vault,
                now=ctx.now,
                most=ctx.settings.quotas.oidc_clients,
            )
        except OidcClientError as error:
            raise InvalidInput(str(error)) from error
        if is_hidden(client_of(new), ctx.settings.oidc_clients):
            # The exception rolls the transaction back.
            raise InvalidInput("The settings of this server have a client with this issuer and client id.")
        return {CLIENT: new}


class DeleteOidcClient(_OidcClientAction):
    """Removes a client."""

    action = "DeleteOidcClient"
    access = StoreAccess.WRITE

    def run(self, authorized: Authorized[OidcClientParams], ctx: RequestContext) -> Result:
        """Delete the record."""
        found = find_client_record(ctx.reader, authorized.caller.account, authorized.params.name)
        if found is None:
            raise NoSuchEntity("This client does not exist.")
        remove_client(ctx.writer, found)
        return {}
