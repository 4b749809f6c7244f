"""The pages of SAML and OpenID Connect providers.

Owns the forms and the calls of IAM that each of them makes, all with the operator's own permissions. Leaves the rules
of a provider to operations/iam/providers/.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import Fault, InvalidInput, NoSuchEntity
from daypass.federation.propagation import target_name
from daypass.federation.saml.metadata import read_metadata
from daypass.portal import pages
from daypass.portal.operator.operator_clients import ClientPages
from daypass.portal.operator.operator_frame import console_page, require_form
from daypass.portal.operator.operator_inspections import ADDRESS as TEST
from daypass.portal.operator.operator_sessions import CallRefusedError, OperatorCredentials, OperatorSessions
from daypass.wire.visible_text import visible

ADDRESS = "/operator/providers"
_SAML, _OIDC = f"{ADDRESS}/saml", f"{ADDRESS}/oidc"
_MODES = ("Allowed", "Required")
_TEXT, _ADDRESS_LENGTH = 200, 1_000
_MOST_LISTED = 100  # lines of a text area


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls of one request: IAM with the permissions of a session."""

    sessions: OperatorSessions
    request: Request
    held: OperatorCredentials
    request_id: str

    def __call__(self, action: str, /, **parameters: str | Sequence[str]) -> dict[str, Any]:
        sent: dict[str, str] = {}
        for name, value in parameters.items():
            if isinstance(value, str):
                sent[name] = value
            else:
                sent |= {f"{name}.member.{number}": each for number, each in enumerate(value, 1)}
        return self.sessions.iam(self.request, self.held, action, sent, self.request_id)

    def listed(self, action: str, member: str) -> tuple[list[dict[str, Any]], str]:
        """Return a list, and the message of the refusal if it is refused."""
        try:
            return list(self(action).get(member) or ()), ""
        except CallRefusedError as fault:
            return [], fault.message


@dataclass(frozen=True, slots=True)
class ProviderPages:
    """The pages and forms of identity providers."""

    sessions: OperatorSessions
    clients: ClientPages

    def show(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers: list the providers of the account."""
        iam = self._calls(request, request_id)
        saml, saml_refused = iam.listed("ListSAMLProviders", "SAMLProviderList")
        oidc, oidc_refused = iam.listed("ListOpenIDConnectProviders", "OpenIDConnectProviderList")
        clients, clients_refused = self.clients.rows(request, iam.held, request_id)
        now = self.sessions.site.pipeline.now()
        values = {
            "clients": clients,
            "clients_refused": clients_refused,
            "saml": [_saml_row(each, now) for each in saml],
            "saml_refused": saml_refused,
            "oidc": [_row(_OIDC, each["Arn"]) for each in oidc],
            "oidc_refused": oidc_refused,
            "done": _DONE.get(request.query_params.get("done", ""), ""),
        }
        return console_page(request, "operator_providers.html", iam.held, values)

    # SAML

    def add_saml(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers/saml/add: show the form of a new provider."""
        held = self.sessions.require(request, request_id)
        settings = self.sessions.site.settings
        values = {"provider": None, "entity_id": settings.saml_entity_id, "consumer": settings.saml_consumer}
        return console_page(request, "operator_saml.html", held, values)

    def saml(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers/saml: show a provider and its form."""
        iam, arn = self._calls(request, request_id), _arn(request.query_params)
        found = iam("GetSAMLProvider", SAMLProviderArn=arn)
        settings = self.sessions.site.settings
        values = {
            "test": f"{TEST}?{urlencode({'saml': arn})}",
            "provider": {**_row(_SAML, arn), **_described(found, self.sessions.site.pipeline.now())},
            "propagation": list(_propagation(found)),
            "propagation_action": "UpdateSAMLProvider",
            "modes": _MODES,
            "mode": found.get("AssertionEncryptionMode", _MODES[0]),
            "entity_id": settings.saml_entity_id,
            "consumer": settings.saml_consumer,
            "done": _DONE.get(request.query_params.get("done", ""), ""),
        }
        return console_page(request, "operator_saml.html", iam.held, values)

    def create_saml(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/saml/add: register a provider."""
        iam = self._changing(request, fields, request_id)
        name, document = fields.get("Name", "").strip(), _document(fields)
        made = iam("CreateSAMLProvider", Name=name, SAMLMetadataDocument=document)
        return _to(_SAML, arn=made["SAMLProviderArn"], done="added")

    def change_saml(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/saml: change metadata or encryption."""
        iam, arn = self._changing(request, fields, request_id), _arn(fields)
        changed: dict[str, str] = {}
        if fields.get("Metadata", "").strip():
            changed["SAMLMetadataDocument"] = _document(fields)
        if fields.get("Encryption"):
            changed["AssertionEncryptionMode"] = fields["Encryption"]
        iam("UpdateSAMLProvider", SAMLProviderArn=arn, **changed)
        return _to(_SAML, arn=arn, done="changed")

    def delete_saml(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/saml/delete: delete a provider."""
        iam, arn = self._changing(request, fields, request_id), _arn(fields)
        iam("DeleteSAMLProvider", SAMLProviderArn=arn)
        return _to(ADDRESS, done="deleted")

    # OpenID Connect

    def add_oidc(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers/oidc/add: show the form of a new provider."""
        held = self.sessions.require(request, request_id)
        return console_page(request, "operator_oidc.html", held, {"provider": None})

    def oidc(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /operator/providers/oidc: show a provider and its form."""
        iam, arn = self._calls(request, request_id), _arn(request.query_params)
        found = iam("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        values = {
            "provider": {
                **_row(_OIDC, arn),
                "url": visible(found["Url"], _ADDRESS_LENGTH),
                "client_ids": [str(each) for each in found.get("ClientIDList") or ()],
                "thumbprints": [str(each) for each in found.get("ThumbprintList") or ()],
            },
            "propagation": list(_propagation(found)),
            "propagation_action": "UpdateOpenIDConnectProvider",
            "done": _DONE.get(request.query_params.get("done", ""), ""),
        }
        return console_page(request, "operator_oidc.html", iam.held, values)

    def create_oidc(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/oidc/add: register an issuer."""
        iam = self._changing(request, fields, request_id)
        lists = {"ClientIDList": _lines(fields, "ClientIds"), "ThumbprintList": _lines(fields, "Thumbprints")}
        made = iam("CreateOpenIDConnectProvider", Url=fields.get("Url", "").strip(), **lists)
        return _to(_OIDC, arn=made["OpenIDConnectProviderArn"], done="added")

    def change_oidc(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/oidc: change audiences and thumbprints.

        Each difference is one call, so the operator needs the permissions of the differences only.
        """
        iam, arn = self._changing(request, fields, request_id), _arn(fields)
        found = iam("GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        known, wanted = list(found.get("ClientIDList") or ()), _lines(fields, "ClientIds")
        thumbprints = [each.lower() for each in _lines(fields, "Thumbprints")]
        if thumbprints != list(found.get("ThumbprintList") or ()):
            iam("UpdateOpenIDConnectProviderThumbprint", OpenIDConnectProviderArn=arn, ThumbprintList=thumbprints)
        for client_id in (each for each in wanted if each not in known):
            iam("AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID=client_id)
        for client_id in (each for each in known if each not in wanted):
            iam("RemoveClientIDFromOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID=client_id)
        return _to(_OIDC, arn=arn, done="changed")

    def delete_oidc(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /operator/providers/oidc/delete: delete an issuer."""
        iam, arn = self._changing(request, fields, request_id), _arn(fields)
        iam("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        return _to(ADDRESS, done="deleted")

    def _calls(self, request: Request, request_id: str) -> _Calls:
        return _Calls(self.sessions, request, self.sessions.require(request, request_id), request_id)

    def _changing(self, request: Request, fields: Mapping[str, str], request_id: str) -> _Calls:
        require_form(request, fields)
        return self._calls(request, request_id)


# Words for the result of a form. The address has only their names, so that a link cannot say other words.
_DONE: Mapping[str, str] = {
    "added": "The identity provider was added. No role trusts it until a trust policy names it.",
    "changed": "The changes are saved. Every server uses them within a second.",
    "removed": "The client was removed. People can no longer sign in through it.",
    "deleted": "The identity provider was deleted. People can no longer sign in through it.",
}


def _to(address: str, **query: str) -> Response:
    return pages.redirect(f"{address}?{urlencode(query)}")


def _arn(values: Mapping[str, str]) -> str:
    arn = values.get("Arn", values.get("arn", ""))
    if not arn:
        raise NoSuchEntity("The address does not name an identity provider.")
    return arn[:_ADDRESS_LENGTH]


def _document(fields: Mapping[str, str]) -> str:
    # Browsers send line ends of text areas as CR LF.
    return fields.get("Metadata", "").replace("\r\n", "\n").strip()


def _lines(fields: Mapping[str, str], name: str) -> list[str]:
    lines = list(dict.fromkeys(filter(None, (line.strip() for line in fields.get(name, "").splitlines()))))
    if len(lines) > _MOST_LISTED:
        raise InvalidInput(f"A list has at most {_MOST_LISTED} lines.")
    return lines


def _row(address: str, arn: str) -> dict[str, Any]:
    name = arn.partition("/")[2]
    return {"arn": arn, "name": visible(name, _TEXT), "href": f"{address}?{urlencode({'arn': arn})}"}


def _saml_row(provider: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    ends = _instant(provider.get("ValidUntil"))
    return {**_row(_SAML, provider["Arn"]), "ends": ends, "is_over": ends is not None and ends <= now}


def _instant(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else None


def _described(provider: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the content of a provider's metadata, or why it is unreadable."""
    try:
        metadata = read_metadata(str(provider.get("SAMLMetadataDocument", "")))
    except Fault as fault:
        return {"problem": visible(fault.message, _ADDRESS_LENGTH), "certificates": (), "sign_on": (), "entity": ""}
    return {
        "problem": "",
        "entity": visible(metadata.entity_id, _ADDRESS_LENGTH),
        "ends": metadata.valid_until,
        "sign_on": list(_sign_on(metadata.sign_on)),
        "certificates": [
            {"fingerprint": key.fingerprint, "ends": key.not_after, "is_over": not key.is_current(now)}
            for key in metadata.signing_keys
        ],
    }


def _propagation(provider: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each propagated condition key and its source."""
    context = provider.get("ContextProvider")
    if not context:
        return
    yield "aws:OriginIdentity/Subject", visible(context["SubjectSourceKey"], _TEXT)
    if context.get("SubjectTypeSourceKey"):
        yield "aws:OriginIdentity/SubjectType", visible(context["SubjectTypeSourceKey"], _TEXT)
    elif context.get("SubjectTypeValue"):
        yield "aws:OriginIdentity/SubjectType", f"always {visible(context['SubjectTypeValue'], _TEXT)}"
    for each in context.get("KeyDefinitionList") or ():
        name = target_name(each["SourceKey"], each.get("TargetKey") or "")
        yield f"aws:TransactionContext/IdentityProvider/{visible(name, _TEXT)}", visible(each["SourceKey"], _TEXT)


def _sign_on(locations: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for each in locations[:_MOST_LISTED]:
        yield visible(each.binding.rpartition(":")[2], _TEXT), visible(each.location, _ADDRESS_LENGTH)
