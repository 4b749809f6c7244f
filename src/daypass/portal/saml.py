"""The assertion consumer service: a browser hands in a SAML response, picks one of its roles and gets credentials.

Owns the two steps and what each answers. The first judges the response and offers its open roles; the second is an
AssumeRoleWithSAML call like any other, through the same pipeline, with the response that was put aside. What the
browser holds in between is a handle and a cookie (sign_ins.py), never the response.
Rules: SAML profiles 4.1, HTTP-POST binding; a RelayState is not followed anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.audit.event import Happening
from daypass.authorize.context import Surroundings
from daypass.errors import AccessDenied, Fault, InvalidIdentityToken, InvalidParameterValue
from daypass.federation.saml.service_provider import describe_service_provider
from daypass.operations.operation import Touches
from daypass.operations.settings import ServiceSettings
from daypass.operations.sts.assume_role_with_saml import saml_caller
from daypass.operations.world import World
from daypass.pipeline import Face, Pipeline
from daypass.portal import pages
from daypass.portal.offer import Offer, offer_roles
from daypass.portal.sign_ins import MINUTES, Ticket, keep, take
from daypass.wire.http import HttpRequest

COOKIE = "__Host-daypass-saml"
# A response of 100,000 characters, each of them escaped, and whatever else a provider sends beside it.
LARGEST_RESPONSE, LARGEST_CHOICE = 400_000, 16_384
_LONGEST_COOKIE = 64
_VERSION = "2011-06-15"
_METADATA = "application/samlmetadata+xml"


@dataclass(frozen=True, slots=True)
class Consumer:
    """What the two steps need. `face` is the store as a worker thread sees it: both run on one."""

    pipeline: Pipeline
    face: Face
    settings: ServiceSettings

    def metadata(self) -> Response:
        """Return our metadata, for whoever sets up an identity provider."""
        document = describe_service_provider(
            entity_id=self.settings.saml_entity_id, consumers=(self.settings.saml_consumer,)
        )
        return Response(document, media_type=_METADATA, headers=dict(pages.HEADERS))

    def receive(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Judge a response and offer its roles."""
        now, sent = self.pipeline.now(), as_sent(request)
        unverified_response = fields.get("SAMLResponse", "")
        try:
            with self.face.open(Touches.WAITS, now, self.pipeline.home_region) as world:
                offer = self._offer(unverified_response, sent, world, request_id)
                ticket = keep(unverified_response, world)
        except Fault as fault:
            self._record(now, sent, request_id, fault=fault)
            raise
        self._record(now, sent, request_id, offer=offer)
        return _with_cookie(pages.answer(request, "roles.html", _shown(offer, ticket, now)), ticket)

    def _offer(self, unverified_response: str, sent: HttpRequest, world: World, request_id: str) -> Offer:
        if not unverified_response:
            raise InvalidIdentityToken("No SAMLResponse was sent.")
        around = Surroundings(world.now, sent, self.pipeline.home_region)
        return offer_roles(unverified_response, around, world, request_id=request_id)

    def choose(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """Trade the response that was put aside for one role's credentials."""
        _require_same_origin(request, self.settings.public_url)
        role, provider, duration = (fields.get(name, "") for name in ("RoleArn", "PrincipalArn", "DurationSeconds"))
        if not role or not provider:
            raise InvalidParameterValue("RoleArn and PrincipalArn say which role is chosen.")
        secret = request.cookies.get(COOKIE, "")[:_LONGEST_COOKIE]
        now = self.pipeline.now()
        try:
            with self.face.open(Touches.WAITS, now, self.pipeline.home_region) as world:
                assertion = take(Ticket(fields.get("Handle", ""), secret), world)
        except Fault as fault:
            self._record(now, as_sent(request), request_id, fault=fault)
            raise
        parameters = {"RoleArn": role, "PrincipalArn": provider, "SAMLAssertion": assertion}
        if duration:
            parameters["DurationSeconds"] = duration
        status, document = self._call(request, parameters, request_id)
        template = "refusal.html"
        if "Error" not in document:
            template = "credentials.html"
            document = {**document, "EndpointUrl": self.settings.public_url, "RoleName": role.rpartition("/")[2]}
        response = pages.answer(request, template, document, status=status)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return response

    def _call(self, request: Request, parameters: Mapping[str, str], request_id: str) -> tuple[int, dict[str, Any]]:
        """Call AssumeRoleWithSAML as a client would, and return its status and its answer."""
        sent = as_sent(request)
        form = urlencode({"Action": "AssumeRoleWithSAML", "Version": _VERSION, **parameters})
        call = msgspec.structs.replace(
            sent,
            path=b"/",
            query=b"",
            headers=(
                *((name, value) for name, value in sent.headers if name not in {b"accept", b"content-type"}),
                (b"accept", b"application/json"),
                (b"content-type", b"application/x-www-form-urlencoded"),
            ),
            body=form.encode(),
        )
        answered = self.pipeline.answer(call, request_id, self.face)
        document = msgspec.json.decode(answered.body)
        if "Error" in document:
            return answered.status, document
        result = document["AssumeRoleWithSAMLResponse"]["AssumeRoleWithSAMLResult"]
        return answered.status, _as_the_cli_prints(result)

    def _record(
        self,
        now: datetime,
        sent: HttpRequest,
        request_id: str,
        *,
        offer: Offer | None = None,
        fault: Fault | None = None,
    ) -> None:
        """Record the first step, and a choice without one. Other choices are recorded by the pipeline."""
        caller = None if offer is None else saml_caller(offer.identity, "")
        self.pipeline.record(
            Happening(
                now,
                request_id,
                sent,
                "sts",
                "SAMLSignIn",
                self.pipeline.home_region,
                "",
                caller,
                {"SAMLAssertion": ""},
                fault,
            )
        )


def as_sent(request: Request) -> HttpRequest:
    """Return a request as the rest of Daypass knows it, without its body."""
    return HttpRequest(
        request.method,
        request.scope["raw_path"],
        request.scope["query_string"],
        tuple(request.headers.raw),
        b"",
        request.client.host if request.client else "",
        request.url.scheme == "https",
    )


def _require_same_origin(request: Request, public_url: str) -> None:
    """Refuse a choice that another site's page makes. What is no browser sends neither header."""
    origin = request.headers.get("origin")
    ours = {f"{request.url.scheme}://{request.headers.get('host', '')}", _origin_of(public_url)}
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin" or (origin and origin not in ours):
        raise AccessDenied("A role is chosen on the page that offered it.", detail=f"from the origin {origin}")


def _origin_of(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def _shown(offer: Offer, ticket: Ticket, now: datetime) -> dict[str, Any]:
    identity = offer.identity
    ends = min(now + MINUTES, identity.redeemable_until)
    return {
        "Subject": identity.subject,
        "Issuer": identity.issuer,
        "RoleSessionName": identity.session_name,
        "Handle": ticket.handle,
        "Expiration": ends.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Roles": [
            {
                "RoleArn": pair.role,
                "PrincipalArn": pair.provider,
                "RoleName": pair.role.rpartition("/")[2],
                "Account": pair.role.split(":")[4],
            }
            for pair in offer.roles
        ],
        "ClosedRoles": offer.closed,
    }


def _with_cookie(response: Response, ticket: Ticket) -> Response:
    response.set_cookie(
        COOKIE,
        ticket.secret,
        max_age=int(MINUTES.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )
    return response


def _as_the_cli_prints(result: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its time as text, as `aws sts` prints it and tools read it."""
    credentials = result["Credentials"]
    ends = datetime.fromtimestamp(credentials["Expiration"], UTC).isoformat()
    return {**result, "Credentials": {**credentials, "Expiration": ends}}
