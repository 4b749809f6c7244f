"""sts:GetWebIdentityToken: a signed JWT that identifies the caller.

Owns the parameters, the answer and the claims of the token. mint/web_identity.py signs it; http/issuers.py publishes
the keys that verify it.

In the subject mode OriginIdentity, the subject is the text of another identity provider. It must not look like a caller
of AWS, and this server does not accept such a token itself (assume_role_with_web_identity.py).
Source: STS API Reference, GetWebIdentityToken; IAM User Guide, "Understanding token claims".
"""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from daypass.arn import Arn
from daypass.authenticate.caller import Caller
from daypass.authenticate.caller_keys import iso, principal_keys
from daypass.directory.identity import load_account
from daypass.directory.organization.organization_tree import load_place
from daypass.directory.outbound import NAMESPACE, SUBJECT_MODE_CLAIM, issuer_url, load_issuer_rings
from daypass.errors import (
    AccessDenied,
    JWTPayloadSizeExceeded,
    OutboundWebIdentityFederationDisabled,
    SessionDurationEscalation,
    ValidationError,
)
from daypass.federation.propagation import ISSUER_KEY, PROVIDER_KEY, SUBJECT_KEY, has_unspeakable
from daypass.mint.chain_claim import CLAIM, seal_chain
from daypass.mint.key_chain import require_room
from daypass.mint.origin_claim import seal_origin
from daypass.mint.session import Session
from daypass.mint.web_identity import Algorithm
from daypass.operations.operation import Authorized, Parameters, PermissionCheck, Result, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.role_session import carried_context
from daypass.operations.sts.session_tags import SessionTag, SessionTags, read_tags, tags_context

DEFAULT_SECONDS = 300
# A token of this many bytes in clear is just below the 20,000 characters that AssumeRoleWithWebIdentity accepts.
LARGEST_PAYLOAD = 14_336

_DISABLED = (
    "The outbound web identity federation feature is not enabled for this account. To use this feature, you must "
    "first enable it through the AWS Management Console or API."
)
_TOO_LARGE = (
    "The requested token payload size exceeds the maximum allowed size. Reduce the number of request tags included "
    "in the GetWebIdentityToken API call to reduce the token payload size."
)
_ESCALATION = (
    "The requested token duration would extend the session beyond its original expiration time. You cannot use this "
    "operation to extend the lifetime of a session beyond what was granted when the session was originally created."
)
_SCOPED = (
    "Cannot call GetWebIdentityToken with a session that has scope-down policies: a session that begins with the token "
    "would not have them."
)
_DELEGATED = (
    "Cannot call GetWebIdentityToken with delegated credentials, or with a session that was requested with them: "
    "a session that begins with the token would outlive the delegation."
)
AWS_IDENTITY, ORIGIN_IDENTITY = "AWSIdentity", "OriginIdentity"
_SCOPE_MODE = "Scope can only be specified when SubjectMode is OriginIdentity."
_SCOPE_AUDIENCE = "Scope can only be specified when exactly one audience is requested."
_SCOPE_REPEATED = "Scope must not contain a value more than once."
_NO_ORIGIN = (
    "SubjectMode OriginIdentity requires a session whose trusted identity propagation context contains "
    "aws:OriginIdentity/Subject, and aws:OriginIdentity/Issuer or aws:OriginIdentity/FederatedProviderArn."
)
_BAD_SUBJECT = "The subject of the origin identity cannot be the subject of a web identity token: it "


class GetWebIdentityTokenParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of GetWebIdentityToken."""

    audience: tuple[str, ...]
    signing_algorithm: str
    duration_seconds: int = DEFAULT_SECONDS
    tags: tuple[SessionTag, ...] = ()
    subject_mode: str = AWS_IDENTITY
    scope: str = ""


class GetWebIdentityTokenRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    members: GetWebIdentityTokenParams
    algorithm: Algorithm
    tags: SessionTags


class GetWebIdentityToken(Signed[GetWebIdentityTokenRequest]):
    """Mints a web identity token.

    It reads the store, so that signing never blocks the event loop.
    """

    service, action, access = "sts", "GetWebIdentityToken", StoreAccess.READ
    takes = GetWebIdentityTokenParams

    def parse(self, parameters: Parameters) -> GetWebIdentityTokenRequest:
        """Return the parameters.

        Raises a Fault if the algorithm, the tags or the scope are not valid.
        """
        given = msgspec.convert(parameters, self.takes)
        names = [algorithm.value for algorithm in Algorithm]
        if given.signing_algorithm not in names:
            raise ValidationError(
                f"1 validation error detected: Value '{given.signing_algorithm}' at 'signingAlgorithm' failed to "
                f"satisfy constraint: Member must satisfy enum value set: [{', '.join(names)}]"
            )
        _check_scope(given)
        return GetWebIdentityTokenRequest(given, Algorithm(given.signing_algorithm), read_tags(given.tags, ()))

    def permissions(
        self, params: GetWebIdentityTokenRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require the action on the caller itself.

        Tags require sts:TagGetWebIdentityToken too, and a scope requires sts:SetWebIdentityTokenScope.
        """
        context = {
            **tags_context(params.tags),
            "sts:identitytokenaudience": params.members.audience,
            "sts:signingalgorithm": params.algorithm.value,
            "sts:durationseconds": str(params.members.duration_seconds),
            "sts:subjectmode": params.members.subject_mode,
        }
        more: tuple[str, ...] = ("sts:TagGetWebIdentityToken",) if params.tags.tags else ()
        if params.members.scope:
            context["sts:identitytokenscope"] = tuple(params.members.scope.split(" "))
            more = (*more, "sts:SetWebIdentityTokenScope")
        resource = str(Arn("aws", "sts", "", caller.account, "self"))
        return tuple(
            PermissionCheck(action, resource, caller.account, context) for action in ("sts:GetWebIdentityToken", *more)
        )

    def run(self, authorized: Authorized[GetWebIdentityTokenRequest], ctx: RequestContext) -> Result:
        """Sign the token."""
        params, caller = authorized.params, authorized.caller
        account = ctx.views.get(load_account, caller.account)
        if account is None or not account.outbound_enabled:
            raise OutboundWebIdentityFederationDisabled(_DISABLED)
        issued = int(ctx.now.timestamp())
        chain = require_room(caller.key_chain(issued))
        # A session that begins with the token, here or at another server, knows neither the delegation nor its end.
        if caller.session is not None and chain.is_delegated:
            raise AccessDenied(_DELEGATED, detail="the caller's chain contains a delegation request")
        if caller.session is not None and caller.session.scoped_policies:
            raise AccessDenied(_SCOPED, detail="the caller's session has scope-down policies")
        expires = issued + params.members.duration_seconds
        if caller.session is not None and expires > caller.session.expires:
            raise SessionDurationEscalation(_ESCALATION)
        is_origin = params.members.subject_mode == ORIGIN_IDENTITY
        principal = str(principal_keys(caller.principal, caller.identity)["aws:principalarn"])
        token_id = str(UUID(bytes=ctx.entropy(16), version=4))
        claims = {
            "iss": issuer_url(ctx.settings.public_url, account.outbound_issuer),
            "aud": params.members.audience[0] if len(params.members.audience) == 1 else list(params.members.audience),
            "sub": _origin_subject(caller.session) if is_origin else principal,
            "iat": issued,
            "exp": expires,
            "jti": token_id,
            NAMESPACE: _about_caller(caller, principal, params.tags.tags, ctx, is_origin=is_origin),
            CLAIM: seal_chain(chain, token_id=token_id, sealing_ring=ctx.sealing_ring, now=issued, entropy=ctx.entropy),
            **seal_origin(
                carried_context(caller.session),
                token_id=token_id,
                sealing_ring=ctx.sealing_ring,
                now=issued,
                entropy=ctx.entropy,
            ),
        }
        if is_origin:
            claims[SUBJECT_MODE_CLAIM] = ORIGIN_IDENTITY
        if params.members.scope:
            claims["scope"] = params.members.scope
        if len(msgspec.json.encode(claims)) > LARGEST_PAYLOAD:
            raise JWTPayloadSizeExceeded(_TOO_LARGE)
        issuer_rings = ctx.views.get(load_issuer_rings, caller.account, ctx.vault)
        return {
            "WebIdentityToken": issuer_rings.sign(params.algorithm, claims, now=issued),
            "Expiration": datetime.fromtimestamp(expires, UTC),
        }


def _check_scope(params: GetWebIdentityTokenParams) -> None:
    if not params.scope:
        return
    if params.subject_mode != ORIGIN_IDENTITY:
        raise ValidationError(_SCOPE_MODE)
    if len(params.audience) != 1:
        raise ValidationError(_SCOPE_AUDIENCE)
    values = params.scope.split(" ")
    if len(set(values)) != len(values):
        raise ValidationError(_SCOPE_REPEATED)


def _origin_subject(session: Session | None) -> str:
    """Return the subject of a session's origin identity.

    Raises ValidationError without one, and AccessDenied for a subject that could look like another one.
    """
    context = {} if session is None else session.context
    subject = "".join(context.get(SUBJECT_KEY, ()))
    if not subject.strip() or not (any(context.get(ISSUER_KEY, ())) or any(context.get(PROVIDER_KEY, ()))):
        raise ValidationError(_NO_ORIGIN)
    # A trust policy that names a caller by its ARN must never accept a subject that an identity provider chose. The
    # compatibility form covers letters that a relying party may normalize to ASCII.
    if unicodedata.normalize("NFKC", subject).strip().lower().startswith("arn:"):
        raise AccessDenied(f"{_BAD_SUBJECT}begins with arn:.")
    if subject != subject.strip():
        raise AccessDenied(f"{_BAD_SUBJECT}begins or ends with a space.")
    if has_unspeakable(subject) or any(unicodedata.category(each) == "Zs" and each != " " for each in subject):
        raise AccessDenied(f"{_BAD_SUBJECT}contains a control, format or separator character.")
    return subject


def _about_caller(
    caller: Caller, principal: str, request_tags: Mapping[str, str], ctx: RequestContext, *, is_origin: bool
) -> dict[str, Any]:
    """Return AWS's own claims about the caller.

    Claims without a value are left out.
    """
    place = ctx.views.get(load_place, caller.account)
    claims = {
        "aws_account": caller.account,
        "principal_id": principal,
        "source_region": ctx.region,
        "org_id": place.organization,
        "ou_path": place.path,
        "principal_tags": _principal_tags(caller),
        "request_tags": dict(request_tags),
    }
    session = caller.session
    if session is not None:
        claims["original_session_exp"] = iso(datetime.fromtimestamp(session.expires, UTC))
        claims["federated_provider"] = session.provider
        if is_origin:
            # The subject is only unique at its provider, which a chained session does not name otherwise.
            claims["federated_provider"] = "".join(session.context.get(PROVIDER_KEY, ()))
        claims["source_identity"] = session.source_identity
    return {name: value for name, value in claims.items() if value}


def _principal_tags(caller: Caller) -> dict[str, str]:
    """Return the caller's tags.

    A session's tags override those of its role. Keys are not case-sensitive.
    """
    own = {} if caller.identity is None else caller.identity.tags
    passed = {} if caller.session is None else caller.session.tags
    overridden = {key.lower() for key in passed}
    return {**{key: value for key, value in own.items() if key.lower() not in overridden}, **passed}
