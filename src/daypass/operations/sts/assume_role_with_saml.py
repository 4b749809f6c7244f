"""sts:AssumeRoleWithSAML: the bearer of an assertion takes on a role.

Owns the parameters, the answer and the order of the checks: the assertion, the role in it, the role's trust policy, the
duration of the session. The call is not signed; federation/saml verifies the signed assertion. Only the role's trust
policy decides, because the caller belongs to no account here. A missing role and one that does not trust the caller
have the same refusal.
Source: STS API Reference, AssumeRoleWithSAML; AWS's recorded answers.
"""

import hashlib
import uuid

import msgspec

from daypass.authenticate.caller import Caller
from daypass.directory.saml_providers import provider_name
from daypass.directory.store import Writer
from daypass.errors import InvalidIdentityToken, ValidationError
from daypass.federation.saml.identity import SamlIdentity, identify, require_role, session_seconds
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.signature import is_quick
from daypass.federation.saml.verify import is_plain
from daypass.mint.durations import role_duration
from daypass.operations.operation import Authorized, Declares, Parameters, PermissionCheck, Result, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_trust import find_trust
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

# AWS keeps these keys of an assertion for the session's own requests. Only the trust policy sees the others.
SURVIVING = ("saml:namequalifier", "saml:sub", "saml:sub_type")

# In characters of base64. Most providers send 5,000 to 12,000.
_USUAL_LENGTH = 12_288
_FEW_KEYS = 4

_NO_PROVIDER = "Specified provider doesn't exist"
_USED = "SAML Assertion has already been used"


class AssumeRoleWithSAMLParams(msgspec.Struct, frozen=True, rename="pascal"):
    """The parameters of AssumeRoleWithSAML. The assertion is not verified yet."""

    role_arn: str
    principal_arn: str
    unverified_assertion: str = msgspec.field(name="SAMLAssertion")
    policy_arns: tuple[PolicyArn, ...] = ()
    policy: str = ""
    duration_seconds: int | None = None
    minimum_session_token_size: int = 0


class AssumeRoleWithSAMLRequest(msgspec.Struct, frozen=True):
    """The parameters, checked without the store."""

    role: RoleName
    members: AssumeRoleWithSAMLParams
    policies: SessionPolicies


class SamlCaller(Caller, frozen=True, kw_only=True):
    """A caller with the identity in a verified assertion."""

    claims: SamlIdentity

    @property
    def subject(self) -> str:
        """The subject of the assertion."""
        return self.claims.subject


class AssumeRoleWithSAML(Declares):
    """Mints a role session for the bearer of an identity provider's assertion."""

    service, action, signed = "sts", "AssumeRoleWithSAML", False
    takes = AssumeRoleWithSAMLParams

    def store_access(self, params: AssumeRoleWithSAMLRequest) -> StoreAccess:
        """Return CACHE for an assertion of the usual size.

        A hostile one of this size takes at most a millisecond, less than to hand it over to a worker thread.
        """
        is_usual = len(params.members.unverified_assertion) <= _USUAL_LENGTH
        return StoreAccess.CACHE if is_usual else StoreAccess.BLOCKING

    def parse(self, parameters: Parameters) -> AssumeRoleWithSAMLRequest:
        """Return the parameters.

        Raises a Fault if an ARN or a policy is not valid.
        """
        given = msgspec.convert(parameters, self.takes)
        role = read_role_arn(given.role_arn)
        if provider_name(given.principal_arn) is None:
            raise ValidationError(f"{given.principal_arn} is invalid")
        return AssumeRoleWithSAMLRequest(
            role=role, members=given, policies=read_session_policies(given.policy, given.policy_arns)
        )

    def verify_identity(
        self, params: AssumeRoleWithSAMLRequest, signer: Caller | None, ctx: RequestContext
    ) -> SamlCaller:
        """Return the identity in a verified assertion that grants the role."""
        members = params.members
        trust = find_trust(members.principal_arn, ctx)
        if trust is None:
            raise InvalidIdentityToken(_NO_PROVIDER, detail=f"provider {members.principal_arn} does not exist")
        is_quick = _is_verified_quickly(trust) and is_plain(members.unverified_assertion)
        if ctx.settings.saml.one_use or not is_quick:
            ctx.wait()
        # AWS passes on two answers of an inner service, which contain a request id of their own.
        inner = str(uuid.UUID(bytes=ctx.entropy(16), version=4))
        identity = identify(
            members.unverified_assertion,
            trust=trust,
            settings=ctx.settings.for_saml(),
            now=ctx.now,
            request_id=inner,
        )
        require_role(identity, role=members.role_arn, provider=members.principal_arn)
        return saml_caller(identity, trust.account)

    def permissions(
        self, params: AssumeRoleWithSAMLRequest, caller: Caller, ctx: RequestContext
    ) -> tuple[PermissionCheck, ...]:
        """Require the action, and those for the assertion's tags and identity.

        The role's trust policy must allow all of them.
        """
        role, claims = find_role(params.role, ctx), _claims_of(caller)
        context: NewConditionKeys = {
            **claims.conditions,
            **session_context(claims.session_name, _session_tags(claims)),
            **role_tags(role),
            **propagated_keys(claims.propagated),
        }
        action = f"{self.service}:{self.action}"
        tags, identity = claims.tags, claims.source_identity
        return federated_checks(action, params.role, role, context, tags=tags, identity=identity)

    def run(self, authorized: Authorized[AssumeRoleWithSAMLRequest], ctx: RequestContext) -> Result:
        """Mint the session, and return the identity in the assertion."""
        return self.grant(authorized, ctx, mint_credentials)

    def grant(self, authorized: Authorized[AssumeRoleWithSAMLRequest], ctx: RequestContext, mint: Mint) -> Result:
        """Return the answer, with a session of `mint`."""
        members, role, claims = authorized.params.members, get_role(authorized), _claims_of(authorized.caller)
        longest = role_duration(members.duration_seconds, role_maximum=role.max_session_seconds, chained=False)
        seconds = session_seconds(claims, requested=longest, now=ctx.now)
        tags, context = _session_tags(claims), _kept(claims)
        self.use_up(claims, ctx)
        granted = grant_role(
            authorized,
            ctx,
            session_name=claims.session_name,
            seconds=seconds,
            policies=authorized.params.policies,
            tags=tags,
            source_identity=claims.source_identity or "",
            token_size=members.minimum_session_token_size,
            provider=claims.provider,
            context=context,
            mint=mint,
        )
        return {
            **granted,
            "Subject": claims.subject,
            "SubjectType": claims.subject_type,
            "Issuer": claims.issuer,
            "Audience": claims.audience,
            "NameQualifier": claims.name_qualifier,
            # An encrypted assertion does not show its content in the answer, as on AWS.
            **show_propagated(None if claims.was_encrypted else claims.propagated),
        }

    def use_up(self, claims: SamlIdentity, ctx: RequestContext) -> None:
        """Use up an assertion that is valid for one session.

        Raises InvalidIdentityToken if any node has used it before.
        """
        if claims.one_time_use or ctx.settings.saml.one_use:
            with ctx.new_transaction() as writer:
                use_up_assertion(writer, "saml", claims)


def saml_caller(claims: SamlIdentity, account: str) -> SamlCaller:
    """Return the caller for an assertion.

    `account` is the provider's; the caller belongs to no account of its own.
    """
    return SamlCaller(
        account=account,
        arn="",
        # As in CloudTrail: together they identify one person.
        user_id=f"{claims.name_qualifier}:{claims.subject}",
        access_key_id="",
        principal=Principal(kind=PrincipalKind.SAML, account="", arn="", federated=claims.provider),
        claims=claims,
    )


def _is_verified_quickly(trust: Trust) -> bool:
    """Return whether an assertion of the provider may be verified on the event loop.

    It takes the time of each key of the provider, and a private key takes about a millisecond.
    """
    keys = trust.metadata.signing_keys
    return not trust.decryption_keys and len(keys) <= _FEW_KEYS and all(is_quick(each.key) for each in keys)


def _claims_of(caller: Caller) -> SamlIdentity:
    if not isinstance(caller, SamlCaller):
        raise TypeError("no assertion speaks for this caller")
    return caller.claims


def _kept(claims: SamlIdentity) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that the session keeps, in their sealed form."""
    kept: dict[str, tuple[str, ...]] = {key: (str(claims.conditions[key]),) for key in SURVIVING}
    return kept if claims.propagated is None else {**kept, **claims.propagated.session_keys}


def _session_tags(claims: SamlIdentity) -> SessionTags:
    return SessionTags(dict(claims.tags), claims.transitive_keys)


def use_up_assertion(writer: Writer, purpose: str, claims: SamlIdentity) -> None:
    """Claim an assertion for a purpose that it serves once.

    Raises InvalidIdentityToken if any node has claimed it before.
    """
    # Issuer and identifier may be longer than a key of the store. A JSON list is unambiguous.
    name = msgspec.json.encode((claims.issuer, claims.assertion_id))
    if not writer.claim(f"{purpose}:{hashlib.sha256(name).hexdigest()}", until=claims.redeemable_until):
        raise InvalidIdentityToken(_USED, detail=f"the assertion {claims.assertion_id} was redeemed before")
