"""The AssumeRole actions for a person who has signed in.

Owns two differences from the actions of the API: the proof is that of a sign-in session, and role sessions end with the
sign-in. Trust policies, tags, durations and answers are those of the actions. The key chain of such a role session
begins with the sign-in's id, whose revocation ends everything that grew from it.
"""

from datetime import datetime

from msgspec import structs

from daypass.authenticate.caller import Caller
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc import oidc_messages
from daypass.federation.oidc.token import UnverifiedToken
from daypass.federation.saml.identity import SamlIdentity, require_role
from daypass.mint.key_chain import NO_KEYS, KeyChain
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_with_saml import (
    AssumeRoleWithSAML,
    AssumeRoleWithSAMLRequest,
    SamlCaller,
    saml_caller,
)
from daypass.operations.sts.assume_role_with_web_identity import (
    AssumeRoleWithWebIdentity,
    AssumeRoleWithWebIdentityRequest,
    Bearer,
    bearer_of,
)
from daypass.sign_in.proofs import SignInOverError, saml_identity, web_identity
from daypass.sign_in.sessions import get_session

NO_TOKEN = UnverifiedToken("", None, "", {}, b"", b"")
"""Stands for the token in the parameters: the session has it."""


class SignedInSamlRequest(AssumeRoleWithSAMLRequest, frozen=True, kw_only=True):
    """The parameters, without an assertion."""

    session: SignInSession


class SignedInTokenRequest(AssumeRoleWithWebIdentityRequest, frozen=True, kw_only=True):
    """The parameters, without a token.

    An empty `provider_arn` means the provider of the role's account.
    """

    session: SignInSession
    provider_arn: str = ""


class SignedInSamlCaller(SamlCaller, frozen=True, kw_only=True):
    """A person who signed in with an assertion."""

    chain: KeyChain

    def key_chain(self, now: int) -> KeyChain:  # noqa: ARG002 - the sign-in has its own time
        """Return the sign-in as the first step."""
        return self.chain


class SignedInWithSaml(AssumeRoleWithSAML):
    """Mints a role session for a person who signed in with an assertion."""

    def store_access(self, params: AssumeRoleWithSAMLRequest) -> StoreAccess:  # noqa: ARG002 - a promise
        """Return CACHE: the identity is in the cache, or loading it waits."""
        return StoreAccess.CACHE

    def verify_identity(
        self, params: AssumeRoleWithSAMLRequest, _signer: Caller | None, ctx: RequestContext
    ) -> SignedInSamlCaller:
        """Return the person of a live session whose assertion grants the role."""
        members, session = params.members, _session_of(params, ctx)
        identity = saml_identity(session, members.principal_arn, ctx)
        if identity.session_ends is None or session.ends < identity.session_ends:
            identity = structs.replace(identity, session_ends=session.ends)
        require_role(identity, role=members.role_arn, provider=members.principal_arn)
        return signed_in_caller(session, identity)

    def use_up(self, claims: SamlIdentity, ctx: RequestContext) -> None:
        """Return: the sign-in has used the assertion up."""


class SignedInWithOidc(AssumeRoleWithWebIdentity):
    """Mints a role session for a person who signed in with an ID token."""

    def verify_identity(
        self, params: AssumeRoleWithWebIdentityRequest, _signer: Caller | None, ctx: RequestContext
    ) -> Bearer:
        """Return the person of a live session whose token the account accepts."""
        session = _session_of(params, ctx)
        web = web_identity(session, params.role.account, ctx)
        if isinstance(params, SignedInTokenRequest) and params.provider_arn not in {"", web.provider_arn}:
            raise InvalidIdentityToken(oidc_messages.NOT_VALIDATED, detail="the role's account has another provider")
        return bearer_of(web, params.role.arn, chain_of(session))

    def session_seconds(self, params: AssumeRoleWithWebIdentityRequest, longest: int, ctx: RequestContext) -> int:
        """Return the duration of the session, which ends with the sign-in."""
        seconds = super().session_seconds(params, longest, ctx)
        return min(seconds, _remaining_seconds(_session_of(params, ctx).ends, ctx.now))


def chain_of(session: SignInSession) -> KeyChain:
    """Return the key chain of a role session that a sign-in issues."""
    return NO_KEYS.followed_by(session.id, int(session.proven_at.timestamp()))


def signed_in_caller(session: SignInSession, identity: SamlIdentity) -> SignedInSamlCaller:
    """Return the caller for the assertion of a session."""
    caller = saml_caller(identity, identity.provider.split(":")[4])
    return SignedInSamlCaller(
        caller.account,
        caller.arn,
        caller.user_id,
        caller.access_key_id,
        caller.principal,
        claims=identity,
        chain=chain_of(session),
    )


def _session_of(
    params: AssumeRoleWithSAMLRequest | AssumeRoleWithWebIdentityRequest, ctx: RequestContext
) -> SignInSession:
    if not isinstance(params, SignedInSamlRequest | SignedInTokenRequest):
        raise TypeError("a signed-in person without a session")
    # The caller may hold a session that has ended meanwhile, or that ends earlier for the role.
    found = get_session(params.session.id, ctx)
    ends = params.session.ends
    return found if found.ends <= ends else structs.replace(found, ends=ends)


def _remaining_seconds(ends: datetime, now: datetime) -> int:
    seconds = int((ends - now).total_seconds())
    if seconds <= 0:
        raise SignInOverError(f"it ends at {ends}")
    return seconds
