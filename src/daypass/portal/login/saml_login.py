"""SAML sign-in: send a browser to its provider, receive the response.

A browser gets a session and is redirected (session_start.py). Scripts, and commands that want the assertion, choose a
role at once: they get a handle and a cookie (proven_sign_ins.py), never the response.

* The profile is Web Browser SSO (SAML profiles section 4.1), with the HTTP-Redirect and HTTP-POST bindings.
* An unsolicited response shows its roles on a page.
* A response with InResponseTo must answer a pending request of the same browser, come from the same provider, and be
  the first response. Only such a response completes a CLI sign-in.
* RelayState is never used as a URL.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.authorize.context import RequestInfo
from daypass.directory.identity import load_role
from daypass.directory.saml_providers import find_provider
from daypass.errors import Fault, InvalidIdentityToken, InvalidInput
from daypass.federation.saml.attributes import RolePair
from daypass.federation.saml.identity import SamlIdentity
from daypass.federation.saml.requests.authn_request import AuthnRequest
from daypass.federation.saml.requests.request_key import certificate_pem
from daypass.federation.saml.requests.service_provider import describe_service_provider
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_request_keys import find_signer, published_certificates
from daypass.operations.sts.assume_role_with_saml import SamlCaller, saml_caller
from daypass.operations.sts.role_session import read_role_arn
from daypass.portal import pages
from daypass.portal.cli_login import cli_sign_ins
from daypass.portal.login import pending_login
from daypass.portal.login.login_options import SamlLoginOption, option_of
from daypass.portal.login.pending_login import PendingLogin
from daypass.portal.login.session_start import begin_session, lasts, sign_in_of
from daypass.portal.roles.proven_sign_ins import ProvenSignIn
from daypass.portal.roles.role_choice import Offered, OfferedRole, RoleChoice
from daypass.portal.roles.role_list import longest_session
from daypass.portal.sign_in_tests import SignInTest, find_test
from daypass.portal.site import Site, as_sent, origin_of
from daypass.sign_in.proofs import identified_by_saml, saml_proof
from daypass.sign_in.saml_roles import VerifiedSamlResponse, offer_roles, verify_saml_response
from daypass.sign_in.sessions import new_id

# 100,000 escaped characters, and other fields of a provider.
LARGEST_RESPONSE = 400_000
_LONGEST_ELSEWHERE = 43_200
_METADATA, _PEM = "application/samlmetadata+xml", "application/x-pem-file"
# A provider may redirect the form to another host, and browsers apply the page's policy to each redirect. That page has
# one form and no foreign text.
_ONWARD = ("https:",)
_LONGEST_ID = 64
_NO_RELAY_STATE = "This is the response to a test sign-in, but the identity provider did not return its RelayState."
_NOT_REQUESTED = (
    "This sign-in has expired, was already used, or was started in another browser. Start again at the sign-in page."
)


Inspect = Callable[[Request, SignInTest, str, str, str], Response]
"""Returns the report on a response to a test: of a browser, a test, a request ID and the response."""


@dataclass(frozen=True, slots=True)
class SamlSignIn:
    """The steps of a sign-in by SAML."""

    site: Site
    choice: RoleChoice
    inspect: Inspect

    def metadata(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /saml/metadata.xml: return our metadata for identity providers."""
        settings = self.site.settings
        with self.site.ctx() as ctx:
            certificates = published_certificates(ctx)
        document = describe_service_provider(
            entity_id=settings.saml_entity_id, consumers=(settings.saml_consumer,), certificates=certificates
        )
        return Response(document, media_type=_METADATA, headers=dict(pages.HEADERS))

    def certificate(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:  # noqa: ARG002 - a step
        """GET /saml/certificate.pem: return only the certificates.

        Some providers do not read metadata.
        """
        with self.site.ctx() as ctx:
            certificates = published_certificates(ctx)
        text = "".join(certificate_pem(certificate) for certificate in certificates)
        return Response(text, media_type=_PEM, headers=dict(pages.HEADERS))

    def begin(self, request: Request, option: SamlLoginOption, continues: str, ctx: RequestContext) -> Response:
        """Send the browser to a provider with a signed request.

        A cookie binds it to the browser. `continues` is the name of the record that the sign-in continues, or empty.
        """
        settings, signer = self.site.settings, find_signer(ctx)
        pending = PendingLogin(
            "saml", pending_login.new_id(ctx), pending_login.last_second(ctx), option.entity_id, continues
        )
        authn_request = AuthnRequest(
            identifier=pending.id,
            issued=ctx.now,
            entity_id=settings.saml_entity_id,
            consumer=settings.saml_consumer,
            destination=option.redirect or option.post,
        )
        if option.redirect:
            answer = pages.redirect(authn_request.to_url(pending.id, signer))
        else:
            values = {"option": option, "request": authn_request.to_field(signer), "relay_state": pending.id}
            answer = pages.page("send.html", values, forms_to=(origin_of(option.post), *_ONWARD))
        return pending_login.remember(answer, pending, request, ctx, crosses_sites=True)

    def begin_test(self, request: Request, test: SignInTest) -> Response:
        """Send the browser to a provider for a test.

        Raises InvalidInput if the provider does not have a sign-on address.
        """
        with self.site.ctx() as ctx:
            with ctx.snapshot() as reader:
                provider = find_provider(reader, test.provider)
            option = None if provider is None else option_of(provider)
            if option is None:
                raise InvalidInput("The metadata of this provider has no address to sign in at.")
            return self.begin(request, option, test.name, ctx)

    def _inspected(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response | None:
        """Return the report on the response to a test sign-in, or None.

        RelayState has the ID of a pending login of this browser.
        """
        with self.site.ctx() as ctx:
            found = pending_login.find(request, "saml", fields.get("RelayState", "")[:_LONGEST_ID], ctx)
            test = None if found is None else find_test(found.handover)
            if found is None or test is None:
                return None
            if not pending_login.use_up(found, ctx):
                raise InvalidIdentityToken(_NOT_REQUESTED, detail="the test has its response already")
        report = self.inspect(request, test, found.id, fields.get("SAMLResponse", ""), request_id)
        return pending_login.forget(report, found)

    def receive(self, request: Request, fields: Mapping[str, str], request_id: str) -> Response:
        """POST /saml: verify a response, and begin a session or show its roles."""
        report = self._inspected(request, fields, request_id)
        if report is not None:
            return report
        caller: SamlCaller | None = None
        sign_in: Mapping[str, str] | None = None
        try:
            with self.site.ctx() as ctx:
                unverified_response = fields.get("SAMLResponse", "")
                if not unverified_response:
                    raise InvalidIdentityToken("The request does not contain a SAMLResponse.")
                verified = verify_saml_response(unverified_response, ctx, request_id=request_id)
                identity = verified.identity
                # From here on the caller is verified, and the audit log names it in a refusal.
                caller = saml_caller(identity, "")
                answered = _find_pending(request, identity, ctx)
                continues = answered.handover if answered else None
                if lasts(request, continues or "", ctx):
                    offer_roles(verified, self._request_info(request, ctx), ctx)  # refuses a person without a role
                    proof = saml_proof(unverified_response)
                    response, session = begin_session(request, proof, identified_by_saml(identity), continues, ctx)
                    sign_in = sign_in_of(session)
                else:
                    sign_in = {"SignInId": new_id(ctx)}
                    once = ProvenSignIn(
                        "saml", unverified_response, sign_in=sign_in["SignInId"], subject=identity.subject
                    )
                    response = self._offer_once(request, verified, once, continues, ctx)
        except Fault as fault:
            parameters = {"SAMLAssertion": ""}
            self.site.record("SAMLSignIn", request, request_id, caller=caller, parameters=parameters, fault=fault)
            raise
        self.site.record(
            "SAMLSignIn",
            request,
            request_id,
            caller=caller,
            parameters={"SAMLAssertion": "", "PrincipalArn": identity.provider},
            sign_in=sign_in,
        )
        return response if answered is None else pending_login.forget(response, answered)

    def _offer_once(
        self,
        request: Request,
        verified: VerifiedSamlResponse,
        once: ProvenSignIn,
        continues: str | None,
        ctx: RequestContext,
    ) -> Response:
        """Show the roles to a client without a session, which chooses one of them at once."""
        handover = continues if continues and cli_sign_ins.is_name(continues) else ""
        proof = msgspec.structs.replace(once, handover=handover)
        return self.choice.offer(request, self._offered(proof, verified, request, ctx), proof, ctx)

    def _offered(
        self, proof: ProvenSignIn, verified: VerifiedSamlResponse, request: Request, ctx: RequestContext
    ) -> Offered:
        """Return the roles to show.

        They can be assumed here or, if a command requests the assertion, are all roles in it.
        """
        if proof.handover and cli_sign_ins.get_waiting(proof.handover, ctx).deliver == "assertion":
            identity = verified.identity
            longest = identity.session_duration or _LONGEST_ELSEWHERE
            return _of(identity, [OfferedRole(pair.role, pair.provider, longest) for pair in identity.roles], 0)
        offer = offer_roles(verified, self._request_info(request, ctx), ctx)
        return _of(offer.identity, [_role(pair, offer.identity, ctx) for pair in offer.roles], offer.closed)

    def _request_info(self, request: Request, ctx: RequestContext) -> RequestInfo:
        return RequestInfo(ctx.now, as_sent(request), self.site.pipeline.home_region)


def _find_pending(request: Request, identity: SamlIdentity, ctx: RequestContext) -> PendingLogin | None:
    """Return the pending login of a response, or None if it is unsolicited.

    Raises InvalidIdentityToken if this browser did not start the login, or it was already used.
    """
    if identity.in_response_to is None:
        return None
    found = pending_login.find(request, "saml", identity.in_response_to, ctx)
    if found is None or found.provider != identity.issuer or not pending_login.use_up(found, ctx):
        raise InvalidIdentityToken(_NOT_REQUESTED, detail=f"InResponseTo {identity.in_response_to!r:.100}")
    if find_test(found.handover) is not None:
        raise InvalidIdentityToken(_NO_RELAY_STATE, detail="a response to a test begins no session")
    return found


def _of(identity: SamlIdentity, roles: Sequence[OfferedRole], closed: int) -> Offered:
    return Offered(
        subject=identity.subject,
        issuer=identity.issuer,
        session_name=identity.session_name,
        roles=roles,
        closed=closed,
        ends=identity.redeemable_until,
        account=identity.provider.split(":")[4],
    )


def _role(pair: RolePair, identity: SamlIdentity, ctx: RequestContext) -> OfferedRole:
    name = read_role_arn(pair.role)
    role = ctx.views.get(load_role, name.account, name.name)
    longest = longest_session(
        0 if role is None else role.max_session_seconds,
        asserted=identity.session_duration,
        ends=identity.session_ends,
        now=ctx.now,
    )
    return OfferedRole(pair.role, pair.provider, longest)
