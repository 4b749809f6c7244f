"""sts:AssumeRoleWithWebIdentity: the bearer of a token takes on a role.

Owns the parameters and the answer. The call is not signed: the token, which federation/oidc verifies, identifies the
caller, and only the role's trust policy decides, because the caller belongs to no account. If the issuer's keys are not
cached, KeysNeededError makes the HTTP layer fetch them.
Source: STS API Reference, AssumeRoleWithWebIdentity; the messages were recorded from AWS.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from daypass.authenticate.caller import Caller
from daypass.bounded_memory import BoundedMemory
from daypass.directory.outbound import SUBJECT_MODE_CLAIM, issuer_url
from daypass.directory.revocations import is_chain_revoked, load_revocations
from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.claims import WebIdentity, check_role, read_identity
from daypass.federation.oidc.identify import KeysNeededError, verify
from daypass.federation.oidc.issuers.known_issuers import find_terms, load_issuers
from daypass.federation.oidc.provider import NeedsFetch, ProviderTerms, refuse_access_token, refuse_unknown_issuer
from daypass.federation.oidc.token import UnverifiedToken, read_token, without_line_end
from daypass.federation.oidc.verify import VerifiedToken
from daypass.federation.propagation import carried_keys
from daypass.mint import origin_claim
from daypass.mint.chain_claim import CLAIM, open_chain
from daypass.mint.durations import role_duration
from daypass.mint.key_chain import NO_KEYS, ChainBrokenError, KeyChain
from daypass.operations.operation import (
    Authorized,
    Declares,
    EncodeEvent,
    NamedSession,
    Parameters,
    PermissionCheck,
    Result,
    StoreAccess,
    StrippableProof,
    TemplatedSession,
)
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_template import AssumeRoleTemplate, make_assume_role_template
from daypass.operations.sts.credentials import mint_credentials
from daypass.operations.sts.role_session import (
    Mint,
    RoleName,
    federated_checks,
    find_role,
    get_role,
    grant_role,
    propagated_keys,
    read_role_arn,
    role_tags,
    session_context,
    show_propagated,
)
from daypass.operations.sts.session_policies import PolicyArn, SessionPolicies, read_session_policies
from daypass.operations.sts.session_tags import SessionTags
from daypass.policy.authorization_request import NewConditionKeys, Principal, PrincipalKind
from daypass.wire.operation import OperationModel

MOST_BEARERS: Final = 1024
_USUAL_KEYS = 3  # sub, aud and oaud: short strings
# Nothing but iss, sub and aud becomes a condition key or a part of a session, unless the terms of the provider name it.
_PLAIN_CLAIMS = frozenset({"iss", "sub", "aud", "iat", "exp", "nbf", "jti", "kubernetes.io"})

_ORIGIN_MODE = (
    "A token with the subject mode OriginIdentity is for other services. The server that issued it does not accept it: "
    "request a token with the subject mode AWSIdentity."
)


class WebIdentityRoleParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of AssumeRoleWithWebIdentity without the token."""

    role_arn: str
    role_session_name: str
    provider_id: str | None = None
    policy_arns: tuple[PolicyArn, ...] = ()
    policy: str = ""
    duration_seconds: int | None = None
    minimum_session_token_size: int = 0


class AssumeRoleWithWebIdentityParams(WebIdentityRoleParams, frozen=True, kw_only=True):
    """The parameters with the token, as in the request."""

    web_identity_token: str


class AssumeRoleWithWebIdentityRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    role: RoleName
    members: WebIdentityRoleParams
    policies: SessionPolicies
    unverified_token: UnverifiedToken


class Bearer(Caller, frozen=True, kw_only=True):
    """A caller with the identity in a verified token."""

    web: WebIdentity
    role_keys: Mapping[str, str]
    token_chain: KeyChain = NO_KEYS
    carried: Mapping[str, str] = {}  # the propagated identity of the session that requested one of our own tokens

    @property
    def subject(self) -> str:
        """The subject of the token."""
        return self.web.subject

    def key_chain(self, now: int) -> KeyChain:
        """Return the access keys behind the token.

        Only our own tokens contain them.
        """
        return self.token_chain

    @property
    def propagated_keys(self) -> NewConditionKeys:
        """The condition keys of the propagated identity.

        The identity behind a token of our own counts, and no provider of such tokens replaces it.
        """
        return {**self.carried} if self.carried else propagated_keys(self.web.propagated)

    @property
    def tags(self) -> SessionTags:
        """The session tags in the token."""
        if not self.web.tags:
            return SessionTags()
        return SessionTags(dict(self.web.tags), self.web.transitive)


class AssumeRoleWithWebIdentity(Declares, StrippableProof, NamedSession, TemplatedSession):
    """Mints a role session for the bearer of a token."""

    service, action, signed = "sts", "AssumeRoleWithWebIdentity", False
    takes = AssumeRoleWithWebIdentityParams

    def store_access(self, params: AssumeRoleWithWebIdentityRequest) -> StoreAccess:
        """Return CACHE for every call: the cache has all data of the hot path."""
        return StoreAccess.CACHE

    def parse(self, parameters: Parameters) -> AssumeRoleWithWebIdentityRequest:
        """Return the parameters.

        Raises a Fault if an ARN, a policy or the token is malformed.
        """
        given = msgspec.convert(parameters, WebIdentityRoleParams)
        role = read_role_arn(given.role_arn)
        policies = read_session_policies(given.policy, given.policy_arns)
        if given.provider_id is not None:
            raise refuse_access_token(given.provider_id)
        token = without_line_end(parameters["WebIdentityToken"])
        return AssumeRoleWithWebIdentityRequest(role, given, policies, read_token(token))

    def strip_proof(
        self, params: AssumeRoleWithWebIdentityRequest
    ) -> tuple[RoleName, WebIdentityRoleParams, SessionPolicies]:
        """Return the parameters without any part of the token."""
        return params.role, params.members, params.policies

    def with_proof(
        self, stripped: tuple[RoleName, WebIdentityRoleParams, SessionPolicies], proof: str
    ) -> AssumeRoleWithWebIdentityRequest:
        """Return the parameters with another token.

        Raises a Fault if it is malformed.
        """
        return AssumeRoleWithWebIdentityRequest(*stripped, read_token(proof))

    def with_session_name(
        self, params: AssumeRoleWithWebIdentityRequest, name: str
    ) -> AssumeRoleWithWebIdentityRequest:
        """Return the parameters with another session name."""
        members = msgspec.structs.replace(params.members, role_session_name=name)
        return msgspec.structs.replace(params, members=members)

    def verify_identity(
        self, params: AssumeRoleWithWebIdentityRequest, signer: Caller | None, ctx: RequestContext
    ) -> Bearer:
        """Return the bearer of the token.

        Raises KeysNeededError if the issuer's keys have to be fetched first.
        """
        token, terms = _verify_for(params.role.account, params.unverified_token, ctx)
        is_plain = _PLAIN_CLAIMS.issuperset(token.claims)
        known = _bearers.get((terms.arn, token.subject, token.audience))
        if is_plain and known is not None and known.terms is terms:
            return known.bearer
        web, verified_claims = read_identity(token, terms), token.claims
        chain, carried = _chain_behind(web, verified_claims, ctx), _origin_behind(web, verified_claims, ctx)
        if carried or chain is not NO_KEYS or not _is_usual(web):
            bearer = bearer_of(web, params.role.arn, chain)
            return msgspec.structs.replace(bearer, carried=carried) if carried else bearer
        is_known = known is not None and _is_alike(known.bearer.web, web)
        bearer = known.bearer if known is not None and is_known else bearer_of(web, params.role.arn)
        alone = terms if is_plain and not terms.further_claims and terms.context_provider is None else None
        if not is_known or alone is not None:
            _bearers.put(_name_of(web), _KnownBearer(bearer, alone))
        return bearer

    def permissions(
        self, params: AssumeRoleWithWebIdentityRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require the action, and those for the token's tags and identity.

        These are sts:TagSession and sts:SetSourceIdentity.
        """
        bearer, role = _get_bearer(caller), find_role(params.role, ctx)
        context = {
            # The token's keys come first, so that a claim cannot override a key of another source.
            **bearer.web.condition_keys,
            **session_context(params.members.role_session_name, bearer.tags),
            **role_tags(role),
            **bearer.role_keys,
            **bearer.propagated_keys,
        }
        action = f"{self.service}:{self.action}"
        tags, identity = bearer.web.tags, bearer.web.source_identity
        return federated_checks(action, params.role, role, context, tags=tags, identity=identity)

    def run(self, authorized: Authorized[AssumeRoleWithWebIdentityRequest], ctx: RequestContext) -> Result:
        """Mint the session. It may outlive the token."""
        return self.grant(authorized, ctx, mint_credentials)

    def make_template(
        self,
        model: OperationModel,
        authorized: Authorized[AssumeRoleWithWebIdentityRequest],
        ctx: RequestContext,
        encode_event: EncodeEvent,
    ) -> AssumeRoleTemplate | None:
        """Return the template of similar answers, or None.

        Managed session policies and a token of a certain length are checked anew for each session.
        """
        params = authorized.params
        if params.policies.arns or params.policies.inline or params.members.minimum_session_token_size:
            return None
        return make_assume_role_template(partial(self.grant, authorized, ctx), model, authorized, ctx, encode_event)

    def has_lasting_caller(self, caller: Caller) -> bool:
        """Return whether later tokens of the same identity have this same bearer."""
        known = _bearers.get(_name_of(caller.web)) if isinstance(caller, Bearer) else None
        return known is not None and known.bearer is caller

    def grant(
        self, authorized: Authorized[AssumeRoleWithWebIdentityRequest], ctx: RequestContext, mint: Mint
    ) -> Result:
        """Return the answer, with a session of `mint`."""
        params, bearer, role = authorized.params, _get_bearer(authorized.caller), get_role(authorized)
        seconds = self.session_seconds(params, role.max_session_seconds, ctx)
        web = bearer.web
        granted = grant_role(
            authorized,
            ctx,
            session_name=params.members.role_session_name,
            seconds=seconds,
            policies=params.policies,
            tags=bearer.tags,
            source_identity=web.source_identity or "",
            token_size=params.members.minimum_session_token_size,
            provider=web.provider_arn,
            context=_kept(bearer),
            mint=mint,
        )
        return {
            **granted,
            "SubjectFromWebIdentityToken": web.subject,
            "Audience": web.audience,
            "Provider": web.provider_arn,
            # A token of this server is for other services, and does not show the identity that it carries.
            **show_propagated(None if bearer.carried else web.propagated),
        }

    def session_seconds(self, params: AssumeRoleWithWebIdentityRequest, longest: int, ctx: RequestContext) -> int:
        """Return the duration of the session.

        Raises ValidationError if the requested one is longer than the role's `longest`.
        """
        return role_duration(params.members.duration_seconds, role_maximum=longest, chained=False)


def identify_for(account: str, unverified: UnverifiedToken, ctx: RequestContext) -> WebIdentity:
    """Return the identity of a token for an account.

    Raises KeysNeededError if the issuer's keys have to be fetched first.
    """
    return read_identity(*_verify_for(account, unverified, ctx))


def _verify_for(account: str, unverified: UnverifiedToken, ctx: RequestContext) -> tuple[VerifiedToken, ProviderTerms]:
    terms = find_terms(ctx.views.get(load_issuers, account), unverified.unverified_issuer)
    if terms is None:
        raise refuse_unknown_issuer(unverified.unverified_issuer)
    found = verify(unverified, provider=terms, keys=ctx.issuer_keys, now=ctx.now)
    if isinstance(found, NeedsFetch):
        raise KeysNeededError(found.provider)
    return found, terms


def _is_ours(web: WebIdentity, ctx: RequestContext) -> bool:
    return web.issuer.startswith(issuer_url(ctx.settings.public_url, ""))


def _chain_behind(web: WebIdentity, verified_claims: Mapping[str, Any], ctx: RequestContext) -> KeyChain:
    """Return the access keys behind a token.

    GetWebIdentityToken wrote them into it. Raises InvalidIdentityToken if the claim does not open, a key was
    revoked, or the token is one of subject mode OriginIdentity. Tokens of other issuers, and our own of 0.1.0, do not
    name any.
    """
    if not _is_ours(web, ctx):
        return NO_KEYS
    if SUBJECT_MODE_CLAIM in verified_claims:
        # Another identity provider chose its subject, which could look like a caller that a trust policy here names.
        raise InvalidIdentityToken(_ORIGIN_MODE, detail="our own token, with the subject of another provider")
    if CLAIM not in verified_claims:
        return KeyChain(is_complete=False)
    try:
        chain = open_chain(verified_claims[CLAIM], token_id=verified_claims.get("jti"), sealing_ring=ctx.sealing_ring)
    except ChainBrokenError as error:
        raise InvalidIdentityToken(
            oidc_messages.NOT_VALIDATED, detail="its chain of issuing keys does not open"
        ) from error
    if is_chain_revoked(chain, ctx.views.get(load_revocations)):
        raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="an access key behind the token was revoked")
    return chain


def _origin_behind(web: WebIdentity, verified_claims: Mapping[str, Any], ctx: RequestContext) -> dict[str, str]:
    """Return the propagated identity of the session that requested a token.

    Raises InvalidIdentityToken if the claim does not open. Tokens of other issuers do not have one.
    """
    if origin_claim.CLAIM not in verified_claims or not _is_ours(web, ctx):
        return {}
    sealed, token_id = verified_claims[origin_claim.CLAIM], verified_claims.get("jti")
    try:
        keys = origin_claim.open_origin(sealed, token_id=token_id, sealing_ring=ctx.sealing_ring)
    except origin_claim.OriginBrokenError as error:
        raise InvalidIdentityToken(
            oidc_messages.NOT_VALIDATED, detail="its propagated identity does not open"
        ) from error
    return {key: values[0] for key, values in carried_keys(keys).items()}


def bearer_of(web: WebIdentity, role_arn: str, token_chain: KeyChain = NO_KEYS) -> Bearer:
    """Return the caller for a token and a role.

    The caller belongs to no account, and policies see only the provider's name. Raises InvalidIdentityToken if the
    token has a list of roles without this one.
    """
    return Bearer(
        account="",
        arn="",
        user_id=f"{web.provider_arn}:{web.audience}:{web.subject}",
        access_key_id="",
        principal=Principal(kind=PrincipalKind.WEB_IDENTITY, account="", arn="", federated=web.provider_arn),
        web=web,
        role_keys=check_role(web, role_arn),
        token_chain=token_chain,
    )


class _KnownBearer(msgspec.Struct, frozen=True):
    """A bearer without optional claims.

    Under these terms, if any, its identity follows from the issuer, the subject and the audience, for each token
    with plain claims alone.
    """

    bearer: Bearer
    terms: ProviderTerms | None


# The key is the provider's ARN, the subject and the audience.
_bearers: BoundedMemory[tuple[str, str, str], _KnownBearer] = BoundedMemory(MOST_BEARERS)


def _name_of(web: WebIdentity) -> tuple[str, str, str]:
    return web.provider_arn, web.subject, web.audience


def _is_usual(web: WebIdentity) -> bool:
    """Return whether an identity has no optional claim.

    Tokens of one workload differ in their times and identifiers, which neither a decision nor a session depends on. So
    a verified token has the bearer of an earlier one with the same identity, whose expiry is that of the earlier token.
    """
    return (
        len(web.condition_keys) == _USUAL_KEYS
        and not web.tags
        and web.source_identity is None
        and web.roles is None
        and web.propagated is None
    )


def _is_alike(one: WebIdentity, other: WebIdentity) -> bool:
    """Return whether two usual identities differ in their expiry at most."""
    return (
        one.issuer == other.issuer
        and one.condition_keys == other.condition_keys
        and one.session_keys == other.session_keys
        and one.transitive == other.transitive
    )


def _get_bearer(caller: Caller) -> Bearer:
    if not isinstance(caller, Bearer):
        raise TypeError("a web identity without a verified token")
    return caller


def _kept(bearer: Bearer) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that the session keeps, in their sealed form."""
    kept, propagated = bearer.web.session_keys, bearer.propagated_keys
    if propagated:
        kept = {**kept, **propagated}
    return {key: (value,) if isinstance(value, str) else value for key, value in kept.items()}
