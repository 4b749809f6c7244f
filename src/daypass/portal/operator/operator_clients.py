"""The pages of OpenID Connect sign-in clients: list, add, edit and remove.

Owns the forms. A client of the server's settings is shown, marked and read-only. A secret is written, never shown.
Leaves the permissions and the rules of a client to operations/oidc_client_actions.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.errors import AccessDenied, InvalidInput, NoSuchEntity
from daypass.federation.oidc.issuers.client import Client
from daypass.mint.secret import Secret
from daypass.operations.oidc_client_changes import AUTHENTICATIONS, OidcClientSettings
from daypass.operations.oidc_clients import client_of, is_hidden
from daypass.portal import pages
from daypass.portal.operator.oidc_client_calls import OidcClientCalls
from daypass.portal.operator.operator_frame import console_page, require_form
from daypass.portal.operator.operator_inspections import ADDRESS as TEST
from daypass.portal.operator.operator_sessions import OperatorCredentials, OperatorSessions
from daypass.wire.visible_text import visible

PROVIDERS, ADDRESS = "/operator/providers", "/operator/providers/client"
_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_TEXT, _LONG = 200, 1_000
_MODES = ("query", "form_post")
_DONE: Mapping[str, str] = {
    "added": "The client was added. The sign-in page of every server lists it within a second.",
    "changed": "The changes are saved. Every server uses them within a second.",
}


@dataclass(frozen=True, slots=True)
class ClientPages:
    """The pages and forms of sign-in clients."""

    sessions: OperatorSessions
    calls: OidcClientCalls

    def rows(self, request: Request, held: OperatorCredentials, request_id: str) -> tuple[list[dict[str, Any]], str]:
        """Return the clients for the list, and the message of a refusal."""
        from_settings = self.sessions.site.settings.oidc_clients
        shown = [_row(client, from_settings) for client in from_settings]
        try:
            found = self.calls.list_clients(request, held, request_id)
        except AccessDenied as fault:
            return shown, fault.message
        return [*shown, *(_row(client_of(record), from_settings) for record in found)], ""

    def add(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers/client/add: show the form of a new client."""
        held = self.sessions.require(request, request_id)
        values = {"client": None, "callback": self._callback, "methods": AUTHENTICATIONS, "modes": _MODES}
        return console_page(request, "operator_client.html", held, values)

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers/client: show a client and its form."""
        held = self.sessions.require(request, request_id)
        name = request.query_params.get("name", "")
        found = self.calls.list_clients(request, held, request_id)
        record = next((each for each in found if each.name == name), None)
        if record is None:
            raise NoSuchEntity("This client does not exist.")
        values = {
            "client": _described(record, self.sessions.site.settings.public_url),
            "hidden": is_hidden(client_of(record), self.sessions.site.settings.oidc_clients),
            "callback": f"{self._callback}/{visible(client_of(record).name, _LONG)}",
            "methods": AUTHENTICATIONS,
            "modes": _MODES,
            "done": _DONE.get(request.query_params.get("done", ""), ""),
        }
        return console_page(request, "operator_client.html", held, values)

    def create(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/client/add: register a client."""
        held, name = self._changing(request, fields, request_id)
        issuer, client_id = fields.get("Issuer", "").strip(), fields.get("ClientId", "").strip()
        if not issuer or not client_id:
            raise InvalidInput("A client needs an issuer and a client ID.")
        self.calls.put_client(
            request, held, request_id, name=name, settings=_settings(fields), issuer=issuer, client_id=client_id
        )
        return _to(ADDRESS, name=name, done="added")

    def change(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/client: change the settings of a client."""
        held, name = self._changing(request, fields, request_id)
        self.calls.put_client(request, held, request_id, name=name, settings=_settings(fields))
        return _to(ADDRESS, name=name, done="changed")

    def delete(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/client/delete: remove a client."""
        held, name = self._changing(request, fields, request_id)
        self.calls.delete_client(request, held, request_id, name=name)
        return _to(PROVIDERS, done="removed")

    @property
    def _callback(self) -> str:
        return f"{self.sessions.site.settings.public_url}/login/oidc/callback"

    def _changing(
        self, request: Request, fields: Mapping[str, str], request_id: str
    ) -> tuple[OperatorCredentials, str]:
        require_form(request, fields)
        held = self.sessions.require(request, request_id)
        name = fields.get("Name", "").strip()
        if not _NAME.fullmatch(name):
            raise InvalidInput("A name has up to 128 letters, digits and any of _+=,.@-")
        return held, name


def _settings(fields: Mapping[str, str]) -> OidcClientSettings:
    """Return the settings in a form. An empty secret keeps the present one."""
    order = fields.get("Order", "").strip() or "0"
    if not _NUMBER.fullmatch(order):
        raise InvalidInput("The order is a number from 0 to 9999.")
    secret = fields.get("Secret", "")
    return OidcClientSettings(
        authentication=fields.get("Authentication", ""),
        secret=Secret(secret) if secret else None,
        scopes=tuple(dict.fromkeys(fields.get("Scopes", "").split())),
        response_mode=fields.get("ResponseMode", ""),
        label=fields.get("Label", "").strip(),
        order=int(order),
    )


def _row(client: Client, from_settings: Sequence[Client]) -> dict[str, Any]:
    return {
        "name": visible(client.record or client.host, _TEXT),
        "href": f"{ADDRESS}?{urlencode({'name': client.record})}" if client.record else "",
        "issuer": visible(client.issuer, _LONG),
        "client_id": visible(client.client_id, _TEXT),
        "test": _test_of(client.key),
        "from_settings": not client.record,
        "hidden": bool(client.record) and is_hidden(client, from_settings),
    }


def _described(record: OidcSignInClient, public_url: str) -> dict[str, Any]:
    return {
        "test": _test_of(record.key),
        "name": record.name,
        "arn": record.arn,
        "issuer": visible(record.issuer, _LONG),
        "client_id": visible(record.client_id, _TEXT),
        "authentication": record.authentication,
        "has_secret": bool(record.sealed_secret),
        "keys_url": f"{public_url}/login/oidc/clients/{record.key}/jwks.json" if record.keys else "",
        "scopes": " ".join(record.scopes),
        "response_mode": record.response_mode,
        "label": record.label,
        "order": record.order,
    }


def _test_of(key: str) -> str:
    return f"{TEST}?{urlencode({'client': key})}"


def _to(address: str, **query: str) -> Response:
    return pages.redirect(f"{address}?{urlencode(query)}")
